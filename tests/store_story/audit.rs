//! The audit finds what does not follow.

use tollgate::{
    ledger::{Fence, LedgerLimits, Posting, audit::audit},
    store::Store,
};
use tollgate_rating::Money;

use crate::{
    calls::{CLIENT, answered, start},
    database::{noon, story},
    schema::execute,
};

/// Ten calls and a credit; a checkpoint after half of them.
async fn book(store: &Store) {
    let running = start(store, LedgerLimits::default()).await;
    let credit = Posting::credit(CLIENT, Money::parse("5").unwrap(), "EUR", Some("x"), Fence::Fact).unwrap();
    running.ledger.post(credit).await.unwrap();
    for call in 0..10_u32 {
        running.ledger.settle(answered(&format!("1.{call}"), 7_000 * u64::from(call))).await.unwrap();
        if call == 5 {
            store.write_checkpoint(noon()).await.unwrap();
        }
    }
}

/// Does to the book what only somebody with the database's own rights can.
async fn tamper(store: &Store, texts: &[&'static str]) {
    if store.is_postgres() {
        for table in ["entries", "transactions", "cdrs", "cdr_payers", "call_keys"] {
            let text = format!("ALTER TABLE {table} DISABLE TRIGGER ALL");
            execute(store, Box::leak(text.into_boxed_str())).await.unwrap();
        }
    } else {
        for table in ["entries", "transactions", "cdrs", "cdr_payers", "call_keys"] {
            for event in ["update", "delete"] {
                let text = format!("DROP TRIGGER {table}_keep_{event}");
                execute(store, Box::leak(text.into_boxed_str())).await.unwrap();
            }
        }
    }
    for text in texts {
        assert!(execute(store, text).await.unwrap() > 0, "{text} changes nothing");
    }
}

/// The kinds of the differences after a change.
async fn differences(store: &Store, texts: &[&'static str]) -> Vec<&'static str> {
    book(store).await;
    assert!(audit(store).await.unwrap().ok);
    tamper(store, texts).await;
    let report = audit(store).await.unwrap();
    assert!(!report.ok);
    let mut kinds: Vec<_> = report.differences.iter().map(|difference| difference.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

story!(a_book_that_nobody_touched_is_in_order, database => {
    assert!(audit(&database.store).await.unwrap().ok);
    book(&database.store).await;
    let report = audit(&database.store).await.unwrap();
    assert_eq!(report.differences, []);
    // The first call had no duration and so no entries.
    assert_eq!((report.ok, report.wallets, report.entries, report.calls), (true, 2, 2 + 9 * 4, 10));
});

story!(a_changed_entry_is_found, database => {
    let kinds = differences(&database.store, &["UPDATE entries SET amount = amount + 1 WHERE id = 7"]).await;
    assert_eq!(kinds, ["checkpoint", "entries", "sum"]);
});

story!(a_changed_entry_that_still_sums_to_zero_is_found, database => {
    let texts = ["UPDATE entries SET amount = amount * 2 WHERE kind = 'call' AND tx_id = 11"];
    assert_eq!(differences(&database.store, &texts).await, ["entries"]);
});

story!(a_missing_transaction_is_found, database => {
    let kinds = differences(&database.store, &["DELETE FROM entries WHERE tx_id = 11"]).await;
    assert_eq!(kinds, ["entries"]);
});

story!(entries_without_their_transaction_are_found, database => {
    let kinds = differences(&database.store, &["DELETE FROM transactions WHERE id = 10"]).await;
    assert_eq!(kinds, ["transaction"]);
});

story!(a_changed_checkpoint_is_found, database => {
    let kinds = differences(&database.store, &["UPDATE checkpoints SET nanos = nanos + 1 WHERE account_id = 100"]).await;
    assert_eq!(kinds, ["checkpoint"]);
});

story!(a_lost_checkpoint_is_found, database => {
    assert_eq!(differences(&database.store, &["DELETE FROM checkpoints"]).await, ["checkpoint"]);
});

story!(a_charge_that_its_rate_does_not_give_is_found, database => {
    let texts = ["UPDATE cdr_payers SET charge = charge + 1 WHERE cdr_id = 4 AND position = 0"];
    assert_eq!(differences(&database.store, &texts).await, ["charge", "entries"]);
});

story!(a_changed_duration_is_found, database => {
    let kinds = differences(&database.store, &["UPDATE cdrs SET charged_ms = 1 WHERE id = 4"]).await;
    assert_eq!(kinds, ["charge"]);
});

story!(a_changed_cost_is_found, database => {
    let kinds = differences(&database.store, &["UPDATE cdrs SET buy_cost = buy_cost + 1 WHERE id = 4"]).await;
    assert_eq!(kinds, ["cost", "margin"]);
});

story!(a_changed_margin_is_found, database => {
    let kinds = differences(&database.store, &["UPDATE cdrs SET margin = 0 WHERE id = 4"]).await;
    assert_eq!(kinds, ["margin"]);
});

story!(a_rate_that_cannot_be_read_is_found, database => {
    let texts = ["UPDATE cdr_payers SET rate_json = '{}' WHERE cdr_id = 4 AND position = 1"];
    assert_eq!(differences(&database.store, &texts).await, ["charge"]);
});

story!(a_call_without_its_key_is_found, database => {
    let kinds = differences(&database.store, &["DELETE FROM call_keys WHERE cdr_id = 4"]).await;
    assert_eq!(kinds, ["call_key"]);
});

story!(a_lost_cdr_is_found, database => {
    let texts = ["DELETE FROM cdr_payers WHERE cdr_id = 4", "DELETE FROM cdrs WHERE id = 4"];
    assert_eq!(differences(&database.store, &texts).await, ["call"]);
});
