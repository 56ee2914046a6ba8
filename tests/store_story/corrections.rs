//! Settlements without the call's ticket, and the ones with it that replace them.

use tollgate::ledger::{
    CALL_REVENUE, CallKind, LedgerLimits, RESOLD_CALLS, Settled, Settlement, audit::audit,
};
use tollgate_rating::Money;

use crate::{
    calls::{CLIENT, RESELLER, Running, answered, balance, concluded, key, number, opened, start},
    database::{Database, story},
    wire::wire_to,
};

/// The balances of client, reseller and both collecting accounts, in millionths.
async fn balances(database: &Database) -> [i128; 4] {
    let mut found = [0; 4];
    for (place, account) in found.iter_mut().zip([CLIENT, RESELLER, CALL_REVENUE, RESOLD_CALLS]) {
        *place = balance(&database.store, account).await / 1_000;
    }
    found
}

/// What a call of so many minutes leaves behind.
fn paid(minutes: i128) -> [i128; 4] {
    [-120_000 * minutes, -100_000 * minutes, 100_000 * minutes, 120_000 * minutes]
}

async fn settle(running: &Running, settlement: Settlement) -> Settled {
    running.ledger.settle(settlement).await.unwrap()
}

async fn assert_audit(database: &Database) {
    let report = audit(&database.store).await.unwrap();
    assert!(report.ok, "{:#?}", report.differences);
}

story!(a_settlement_with_the_ticket_replaces_one_without_at_its_full_price, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    for (unique_id, concluded_ms) in [("1.1", 0), ("1.2", 60_000), ("1.3", 240_000)] {
        let before = balances(&database).await;
        let first = settle(&running, concluded(unique_id, concluded_ms)).await;
        assert!(!first.duplicate && first.provisional);
        assert!(settle(&running, concluded(unique_id, 300_000)).await.duplicate, "the first conclusion stays");
        let second = settle(&running, answered(unique_id, 120_000)).await;
        assert!(!second.duplicate && !second.provisional && second.cdr_id > first.cdr_id);
        let replaced = second.replaced.unwrap();
        let before_it = i64::try_from(concluded_ms / 60_000).unwrap();
        assert_eq!(replaced.cdr_id, first.cdr_id);
        assert_eq!(replaced.charges[..2], [120_000_000, 100_000_000].map(|n| Money::from_nanos(n * before_it)));
        let after = balances(&database).await;
        for ((after, before), paid) in after.iter().zip(before).zip(paid(2)) {
            assert_eq!(after - before, paid, "{unique_id}");
        }
        // Whatever comes now is a repetition.
        for again in [answered(unique_id, 60_000), concluded(unique_id, 180_000)] {
            let again = settle(&running, again).await;
            assert_eq!((again.cdr_id, again.duplicate, again.provisional), (second.cdr_id, true, false));
        }
        assert_eq!(balances(&database).await, after);
        let recorded = database.store.recorded_call(&key(unique_id)).await.unwrap().unwrap();
        assert_eq!((recorded.cdr_id, recorded.replaced), (second.cdr_id, Some(first.cdr_id)));
        let (cdr, payers) = database.store.call_record(&key(unique_id)).await.unwrap().unwrap();
        assert_eq!((cdr.id, cdr.charged_ms, payers[0].charge), (second.cdr_id, 120_000, 240_000_000));
    }
    let spent = database.store.spent_since(CLIENT, crate::database::noon()).await.unwrap();
    assert_eq!(spent, Money::from_nanos(3 * 240_000_000), "what was replaced counts in no sum");
    assert_audit(&database).await;
});

story!(a_settlement_without_the_ticket_changes_nothing_after_one_with_it, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let first = settle(&running, answered("1.1", 60_000)).await;
    let second = settle(&running, concluded("1.1", 0)).await;
    assert_eq!((second.cdr_id, second.duplicate, second.provisional), (first.cdr_id, true, false));
    assert_eq!(balances(&database).await, paid(1));
    assert_audit(&database).await;
});

story!(of_many_settlements_at_once_with_and_without_the_ticket_one_with_it_is_charged, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let told: Vec<_> = (0..40)
        .map(|n| {
            let ledger = running.ledger.clone();
            let settlement = if n % 3 == 0 { answered("1.1", 60_000) } else { concluded("1.1", 120_000) };
            tokio::spawn(async move { ledger.settle(settlement).await.unwrap() })
        })
        .collect();
    let mut with_ticket = 0;
    for told in told {
        let settled = told.await.unwrap();
        with_ticket += usize::from(!settled.duplicate && !settled.provisional);
    }
    assert_eq!(with_ticket, 1);
    assert_eq!(balances(&database).await, paid(1));
    assert_audit(&database).await;
});

story!(a_call_whose_unique_id_an_earlier_one_had_is_charged_under_a_key_of_its_own_once, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let mut later = answered("1.1", 120_000);
    later.cdr.setup_at += jiff::SignedDuration::from_secs(7);
    let mut concluded_later = later.clone();
    concluded_later.provisional = true;
    let mut emergency = concluded("1.1", 0);
    emergency.cdr.kind = CallKind::Emergency;
    emergency.cdr.setup_at += jiff::SignedDuration::from_secs(3);
    emergency.payers.clear();
    running.ledger.open_call(opened("1.1"));
    running.ledger.flush().await.unwrap();
    assert!(!settle(&running, emergency).await.duplicate);
    assert_eq!(
        number(&database.store, "SELECT COUNT(*) FROM open_calls").await, 1,
        "an emergency call's end is no word on the call that is journalled under its key"
    );
    assert!(!settle(&running, answered("1.1", 60_000)).await.duplicate);
    let first = settle(&running, concluded_later).await;
    let second = settle(&running, later.clone()).await;
    assert_eq!(second.replaced.unwrap().cdr_id, first.cdr_id);
    let again = settle(&running, later).await;
    assert_eq!((again.cdr_id, again.duplicate), (second.cdr_id, true));
    assert!(settle(&running, answered("1.1", 60_000)).await.duplicate);
    assert_eq!(balances(&database).await, paid(3));
    assert_audit(&database).await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_whose_commit_was_not_heard_is_written_once_and_names_what_it_replaced() {
    let database = Database::postgres().await;
    let wire = wire_to(&database.url).await;
    let running =
        start(&tollgate::store::Store::open(&wire.url).await.unwrap(), LedgerLimits::default()).await;
    let first = settle(&running, concluded("1.1", 60_000)).await;
    wire.lose_answers.store(1, std::sync::atomic::Ordering::SeqCst);
    let second = settle(&running, answered("1.1", 120_000)).await;
    assert_eq!(wire.lose_answers.load(std::sync::atomic::Ordering::SeqCst), 0, "the answer was lost");
    assert!(!second.duplicate);
    let replaced = second.replaced.unwrap();
    assert_eq!((replaced.cdr_id, replaced.charges[0]), (first.cdr_id, Money::from_nanos(120_000_000)));
    assert_eq!(balances(&database).await, paid(2));
    assert_audit(&database).await;
}

story!(an_audit_finds_a_replaced_record_whose_charges_were_not_cancelled, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    settle(&running, concluded("1.1", 60_000)).await;
    settle(&running, answered("1.2", 60_000)).await;
    let forged = "INSERT INTO call_corrections \
                  SELECT 'pbx1', '1.1', 1, MAX(id), MIN(id), CAST(NULL AS BIGINT), 0, 0 FROM cdrs";
    crate::schema::execute(&database.store, forged).await.unwrap();
    let report = audit(&database.store).await.unwrap();
    assert!(report.differences.iter().any(|difference| difference.kind == "reversal"), "{report:#?}");
});
