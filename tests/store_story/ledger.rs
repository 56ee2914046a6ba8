//! Settling, voiding, posting.

use std::sync::atomic::Ordering;

use tollgate::ledger::{Fence, LedgerError, LedgerLimits, Posting, PostingRefusal, Reference, audit::audit};
use tollgate::store::expired::Expired;
use tollgate_rating::Money;

use crate::{
    calls::{CLIENT, RESELLER, answered, balance, key, number, opened, poison, refused, start},
    database::story,
    schema::execute,
};

story!(a_settled_call_is_charged_to_each_payer_and_booked_as_revenue, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let settled = running.ledger.settle(answered("1.1", 60_000)).await.unwrap();
    assert!(!settled.duplicate);
    let store = &database.store;
    assert_eq!(balance(store, CLIENT).await, -120_000_000);
    assert_eq!(balance(store, RESELLER).await, -100_000_000);
    assert_eq!(balance(store, tollgate::ledger::CALL_REVENUE).await, 100_000_000);
    assert_eq!(balance(store, tollgate::ledger::RESOLD_CALLS).await, 120_000_000);
    assert_eq!(number(store, "SELECT margin FROM cdrs").await, 40_000_000);
    assert_eq!(number(store, "SELECT COUNT(*) FROM cdr_payers WHERE plan_versions = '1,2'").await, 2);
});

story!(a_call_is_settled_once_whatever_is_said_the_second_time, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let first = running.ledger.settle(answered("1.1", 60_000)).await.unwrap();
    let second = running.ledger.settle(answered("1.1", 120_000)).await.unwrap();
    assert_eq!((second.cdr_id, second.duplicate), (first.cdr_id, true));
    assert_eq!(balance(&database.store, CLIENT).await, -120_000_000);
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs").await, 1);
});

story!(of_many_at_once_one_settles_and_the_others_learn_its_id, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let ledger = running.ledger.clone();
            tokio::spawn(async move { ledger.settle(answered("1.1", 60_000)).await.unwrap() })
        })
        .collect();
    let mut settled = Vec::new();
    for call in calls {
        settled.push(call.await.unwrap());
    }
    assert_eq!(settled.iter().filter(|settled| !settled.duplicate).count(), 1);
    assert!(settled.iter().all(|other| other.cdr_id == settled[0].cdr_id));
    assert_eq!(balance(&database.store, CLIENT).await, -120_000_000);
});

story!(the_same_unique_id_on_another_server_or_leg_is_another_call, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let (mut other_server, mut other_leg) = (answered("1.1", 1_000), answered("1.1", 1_000));
    "pbx2".clone_into(&mut other_server.key.server);
    other_leg.key.leg = 2;
    for settlement in [answered("1.1", 1_000), other_server, other_leg] {
        assert!(!running.ledger.settle(settlement).await.unwrap().duplicate);
    }
});

story!(many_callers_share_a_commit, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let calls: Vec<_> = (0..500)
        .map(|call| {
            let ledger = running.ledger.clone();
            tokio::spawn(async move { ledger.settle(answered(&format!("1.{call}"), 1_000)).await.unwrap() })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let batches = running.ledger.counters().batches.load(Ordering::Relaxed);
    assert!(batches < 250, "{batches} commits for 500 calls");
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM entries").await, 2_000);
    assert_eq!(balance(&database.store, CLIENT).await, -500 * 2_000_000);
});

story!(a_row_that_the_database_refuses_fails_alone, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let calls: Vec<_> = (0..100)
        .map(|call| {
            let settlement =
                if call % 37 == 5 { poison(&format!("1.{call}")) } else { answered(&format!("1.{call}"), 1_000) };
            let ledger = running.ledger.clone();
            tokio::spawn(async move { ledger.settle(settlement).await })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        let settled = call.await.unwrap();
        assert_eq!(matches!(settled, Err(LedgerError::Refused(_))), number % 37 == 5, "{number}: {settled:?}");
    }
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs").await, 97);
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM call_keys").await, 97);
    assert!(audit(&database.store).await.unwrap().ok);
});

story!(a_call_named_by_an_attacker_is_booked_all_the_same, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let mut settlement = answered("1.1", 60_000);
    "1\0'; DROP TABLE cdrs; --\r\n".clone_into(&mut settlement.cdr.caller);
    settlement.cdr.sip_call_id = Some("x".repeat(100_000));
    running.ledger.settle(settlement).await.unwrap();
    assert_eq!(number(&database.store, "SELECT CAST(length(sip_call_id) AS BIGINT) FROM cdrs").await, 255);
    assert_eq!(balance(&database.store, CLIENT).await, -120_000_000);
});

story!(a_free_call_has_a_cdr_and_no_entries, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let mut settlement = answered("1.1", 0);
    settlement.cdr = crate::calls::draft(tollgate::ledger::Disposition::Busy, 0);
    running.ledger.settle(settlement).await.unwrap();
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs WHERE tx_id IS NULL").await, 1);
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM entries").await, 0);
    assert!(audit(&database.store).await.unwrap().ok);
});

story!(an_open_call_is_in_the_journal_until_it_is_settled_or_voided, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    for call in ["1.1", "1.2", "1.3"] {
        running.ledger.open_call(opened(call));
    }
    running.ledger.flush().await.unwrap();
    assert_eq!(database.store.open_calls().await.unwrap(), [opened("1.1"), opened("1.2"), opened("1.3")]);
    running.ledger.settle(answered("1.1", 1_000)).await.unwrap();
    running.ledger.void(key("1.2")).await.unwrap();
    running.ledger.void(key("never seen")).await.unwrap();
    assert_eq!(database.store.open_calls().await.unwrap(), [opened("1.3")]);
    database.store.delete_open_call(&key("1.3")).await.unwrap();
    assert_eq!(database.store.open_calls().await.unwrap(), []);
});

story!(a_call_opened_and_settled_in_one_breath_is_not_left_open, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let calls: Vec<_> = (0..200)
        .map(|call| {
            let ledger = running.ledger.clone();
            tokio::spawn(async move {
                ledger.open_call(opened(&format!("1.{call}")));
                ledger.settle(answered(&format!("1.{call}"), 1_000)).await.unwrap();
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(database.store.open_calls().await.unwrap(), []);
});

story!(a_renewed_grant_replaces_the_one_in_the_journal, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    running.ledger.open_call(opened("1.1"));
    let mut renewed = opened("1.1");
    renewed.hold_until = crate::calls::later(240);
    running.ledger.open_call(renewed.clone());
    running.ledger.flush().await.unwrap();
    assert_eq!(database.store.open_calls().await.unwrap(), [renewed.clone()]);
    "another".clone_into(&mut renewed.ticket);
    running.ledger.open_call(renewed.clone());
    running.ledger.flush().await.unwrap();
    assert_eq!(database.store.open_calls().await.unwrap(), [renewed]);
});

story!(refused_calls_are_recorded_up_to_a_cap_and_counted_beyond, database => {
    let limits = LedgerLimits { refused_per_source: 3, ..LedgerLimits::default() };
    let running = start(&database.store, limits).await;
    for attempt in 0..10 {
        running.ledger.attempt(refused(&format!("1.{attempt}"), "198.51.100.1", "unknown_peer"));
    }
    running.ledger.attempt(refused("2.1", "198.51.100.2", "no_rate"));
    running.ledger.flush().await.unwrap();
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs WHERE disposition = 'refused'").await, 4);
    let counts = database.store.refusal_counts_since(0, 10).await.unwrap();
    assert_eq!((counts.len(), counts[0].count, counts[0].source.as_str()), (1, 7, "198.51.100.1"));
    running.clock.advance_ms(60_000);
    running.ledger.attempt(refused("1.11", "198.51.100.1", "unknown_peer"));
    running.ledger.attempt(refused("1.1", "198.51.100.1", "unknown_peer"));
    running.ledger.flush().await.unwrap();
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs WHERE disposition = 'refused'").await, 6);
    assert!(audit(&database.store).await.unwrap().ok);
});

story!(refused_calls_of_one_source_and_of_all_get_so_many_cdrs_a_day, database => {
    let limits = LedgerLimits {
        refused_per_source: 10,
        refused_per_source_day: 15,
        refused_per_day: 20,
        ..LedgerLimits::default()
    };
    let running = start(&database.store, limits).await;
    let rows = async || {
        running.ledger.flush().await.unwrap();
        [
            number(&database.store, "SELECT COUNT(*) FROM cdrs").await,
            number(&database.store, "SELECT COUNT(*) FROM refusal_counts").await,
            number(&database.store, "SELECT CAST(SUM(count) AS BIGINT) FROM refusal_counts").await,
        ]
    };
    for minute in 0..10 {
        for attempt in 0..100 {
            running.ledger.attempt(refused(&format!("{minute}.{attempt}"), "198.51.100.1", "unknown_peer"));
        }
        running.clock.advance_ms(60_000);
    }
    assert_eq!(rows().await, [15, 10, 985], "a row a minute beyond the day's");
    for source in 0..100 {
        running.ledger.attempt(refused("many", &format!("source-{source}"), "unknown_peer"));
    }
    // 20 records of the day in all; 20 counts that name a source, of which 10 are used, and one for all others.
    assert_eq!(rows().await, [20, 10 + 10 + 1, 985 + 95]);
    running.clock.advance_ms(86_400_000);
    running.ledger.attempt(refused("next", "198.51.100.1", "unknown_peer"));
    assert_eq!(rows().await[0], 21, "the next day is another");
    let before = crate::calls::later(60 + 86_400);
    let deleted = database.store.delete_expired(Expired::RefusalCounts, before, 1_000).await.unwrap();
    assert!(deleted > 0);
});

story!(a_flood_from_many_sources_is_counted_in_bounded_memory, database => {
    let limits = LedgerLimits { sources: 50, refused_waiting: 20, ..LedgerLimits::default() };
    let running = start(&database.store, limits).await;
    for attempt in 0..5_000 {
        running.ledger.attempt(refused("1.1", &format!("source-{attempt}"), "unknown_peer"));
    }
    running.ledger.flush().await.unwrap();
    let recorded = number(&database.store, "SELECT COUNT(*) FROM cdrs").await;
    let counted = number(&database.store, "SELECT CAST(SUM(count) AS BIGINT) FROM refusal_counts").await;
    assert_eq!(recorded + counted, 5_000);
    assert!(number(&database.store, "SELECT COUNT(*) FROM refusal_counts").await < 2_000);
    assert!(counted > 4_900, "{recorded} recorded");
});

story!(a_refused_call_may_be_tried_again_and_then_settled, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    running.ledger.attempt(refused("1.1", "192.0.2.1", "no_credit"));
    running.ledger.flush().await.unwrap();
    assert!(!running.ledger.settle(answered("1.1", 60_000)).await.unwrap().duplicate);
    assert!(audit(&database.store).await.unwrap().ok);
});

story!(a_credit_with_a_reference_is_given_once, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let credit = |amount| {
        Posting::credit(CLIENT, Money::from_nanos(amount), "EUR", Some("invoice 7"), Fence::Fact).unwrap()
    };
    let first = running.ledger.post(credit(500)).await.unwrap();
    let again = running.ledger.post(credit(500)).await.unwrap();
    assert_eq!((again.tx_id, again.duplicate), (first.tx_id, true));
    let other = running.ledger.post(credit(600)).await.unwrap_err();
    assert!(matches!(other, LedgerError::Posting(PostingRefusal::ReferenceTaken { .. })), "{other}");
    let mut elsewhere = credit(600);
    elsewhere.reference = Some(Reference { scope: RESELLER, text: "invoice 7".to_owned() });
    assert!(!running.ledger.post(elsewhere).await.unwrap().duplicate);
    assert_eq!(balance(&database.store, CLIENT).await, 1_100);
    assert_eq!(balance(&database.store, tollgate::ledger::OPERATOR_FUNDS).await, -1_100);
});

story!(credits_without_a_reference_are_each_given, database => {
    for _ in 0..2 {
        let running = start(&database.store, LedgerLimits::default()).await;
        for _ in 0..2 {
            let credit = Posting::credit(CLIENT, Money::from_nanos(5), "EUR", None, Fence::Fact).unwrap();
            running.ledger.post(credit).await.unwrap();
        }
    }
    assert_eq!(balance(&database.store, CLIENT).await, 20);
});

story!(lines_that_do_not_sum_to_zero_are_refused, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let mut credit = Posting::credit(CLIENT, Money::from_nanos(5), "EUR", None, Fence::Fact).unwrap();
    credit.lines.pop();
    let error = running.ledger.post(credit).await.unwrap_err();
    assert!(matches!(error, LedgerError::Posting(PostingRefusal::Unbalanced)));
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM entries").await, 0);
});

story!(the_book_cannot_be_rewritten, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    running.ledger.settle(answered("1.1", 60_000)).await.unwrap();
    let credit = Posting::credit(CLIENT, Money::from_nanos(5), "EUR", Some("x"), Fence::Fact).unwrap();
    running.ledger.post(credit).await.unwrap();
    for text in [
        "UPDATE entries SET amount = 0",
        "DELETE FROM entries",
        "UPDATE transactions SET kind = 'x'",
        "DELETE FROM transactions",
        "UPDATE cdrs SET margin = 0",
        "DELETE FROM cdrs",
        "UPDATE cdr_payers SET charge = 0",
        "DELETE FROM cdr_payers",
        "DELETE FROM call_keys",
        "DELETE FROM posting_references",
    ] {
        let error = execute(&database.store, text).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{text}: {error}");
    }
});

story!(a_checkpoint_changes_no_balance, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let store = &database.store;
    for round in 0..3 {
        for call in 0..5 {
            running.ledger.settle(answered(&format!("{round}.{call}"), 60_000)).await.unwrap();
        }
        let before = store.balances().await.unwrap();
        let covered = store.write_checkpoint(crate::database::noon()).await.unwrap();
        assert_eq!(covered, store.head().await.unwrap().entry_id);
        assert_eq!(store.balances().await.unwrap(), before);
        assert_eq!(balance(store, CLIENT).await, i128::from(round + 1) * -600_000_000);
    }
    assert_eq!(number(store, "SELECT COUNT(*) FROM checkpoints").await, 4);
    assert!(audit(store).await.unwrap().ok);
});

story!(checkpoints_are_written_by_themselves, database => {
    let limits = LedgerLimits { checkpoint_entries: 40, ..LedgerLimits::default() };
    let running = start(&database.store, limits).await;
    for call in 0..25 {
        running.ledger.settle(answered(&format!("1.{call}"), 60_000)).await.unwrap();
    }
    running.ledger.flush().await.unwrap();
    running.ledger.flush().await.unwrap();
    assert!(database.store.head().await.unwrap().checkpoint_entry >= 80);
    assert_eq!(balance(&database.store, CLIENT).await, 25 * -120_000_000);
    assert!(audit(&database.store).await.unwrap().ok);
});

story!(what_is_queued_at_the_shutdown_is_written, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let calls: Vec<_> = (0..50)
        .map(|call| {
            let ledger = running.ledger.clone();
            tokio::spawn(async move { ledger.settle(answered(&format!("1.{call}"), 1_000)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    running.ledger.attempt(refused("2.1", "192.0.2.1", "no_rate"));
    running.stop.cancel();
    running.task.await.unwrap();
    let mut written = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => written += 1,
            Err(error) => assert!(matches!(error, LedgerError::Stopped), "{error}"),
        }
    }
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM call_keys").await, written);
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs WHERE disposition = 'refused'").await, 1);
    assert!(matches!(running.ledger.settle(answered("9", 1)).await, Err(LedgerError::Stopped)));
});
