//! Who may spend.

use jiff::SignedDuration;
use tollgate::{
    ledger::{Fence, LedgerError, LedgerLimits, Posting, PostingRefusal},
    store::{StoreError, owner::Acquired},
};
use tollgate_rating::Money;

use crate::{
    calls::{CLIENT, answered, balance, later, start},
    database::{noon, story},
};

const LEASE: SignedDuration = SignedDuration::from_secs(30);

fn credit(epoch: i64) -> Posting {
    Posting::credit(CLIENT, Money::from_nanos(5), "EUR", None, Fence::Owner { epoch }).unwrap()
}

story!(one_node_owns_until_its_lease_ends, database => {
    let store = &database.store;
    let acquire = |node: &'static str, at| store.acquire_ownership(node, "127.0.0.1:8081", at, LEASE);
    assert_eq!(acquire("a", noon()).await.unwrap(), Acquired::Owned { epoch: 1 });
    let Acquired::HeldBy(owner) = acquire("b", later(29)).await.unwrap() else { panic!("b took it") };
    assert_eq!((owner.node.as_str(), owner.epoch, owner.lease_until), ("a", 1, later(30)));
    store.renew_ownership(1, later(29), LEASE).await.unwrap();
    assert!(matches!(acquire("b", later(58)).await.unwrap(), Acquired::HeldBy(_)));
    assert_eq!(acquire("b", later(59)).await.unwrap(), Acquired::Owned { epoch: 2 });
    assert!(matches!(store.renew_ownership(1, later(60), LEASE).await, Err(StoreError::StaleEpoch { epoch: 1 })));
    assert_eq!(store.owner(later(60)).await.unwrap().unwrap().node, "b");
    assert_eq!(store.owner(later(100)).await.unwrap(), None);
});

story!(a_node_that_starts_again_takes_over_from_itself_in_a_new_epoch, database => {
    let store = &database.store;
    store.acquire_ownership("a", "x", noon(), LEASE).await.unwrap();
    let again = store.acquire_ownership("a", "y", later(1), LEASE).await.unwrap();
    assert_eq!(again, Acquired::Owned { epoch: 2 });
    assert_eq!(store.owner(later(2)).await.unwrap().unwrap().address, "y");
});

story!(what_is_released_can_be_taken_at_once_and_not_renewed, database => {
    let store = &database.store;
    store.acquire_ownership("a", "x", noon(), LEASE).await.unwrap();
    store.release_ownership(1).await.unwrap();
    assert_eq!(store.owner(later(1)).await.unwrap(), None);
    assert!(store.renew_ownership(1, later(1), LEASE).await.is_err());
    assert_eq!(store.acquire_ownership("b", "x", later(1), LEASE).await.unwrap(), Acquired::Owned { epoch: 2 });
});

story!(of_two_that_reach_for_it_at_once_one_gets_it, database => {
    let (a, b) = tokio::join!(
        database.store.acquire_ownership("a", "x", noon(), LEASE),
        database.store.acquire_ownership("b", "x", noon(), LEASE),
    );
    let owned = [a.unwrap(), b.unwrap()].into_iter().filter(|got| matches!(got, Acquired::Owned { .. })).count();
    assert_eq!(owned, 1);
});

story!(a_posting_of_an_epoch_that_is_over_is_refused_and_a_settlement_is_not, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let store = &database.store;
    store.acquire_ownership("a", "x", noon(), LEASE).await.unwrap();
    running.ledger.post(credit(1)).await.unwrap();
    store.acquire_ownership("b", "x", later(60), LEASE).await.unwrap();
    let (stale, settled, present) = tokio::join!(
        running.ledger.post(credit(1)),
        running.ledger.settle(answered("1.1", 60_000)),
        running.ledger.post(credit(2)),
    );
    let stale = stale.unwrap_err();
    assert!(matches!(stale, LedgerError::Posting(PostingRefusal::StaleEpoch { epoch: 1 })), "{stale}");
    settled.unwrap();
    present.unwrap();
    assert_eq!(balance(store, CLIENT).await, 10 - 120_000_000);
    store.release_ownership(2).await.unwrap();
    assert!(running.ledger.post(credit(2)).await.is_err());
    assert!(running.ledger.post(credit(3)).await.is_err());
});

story!(nobody_takes_over_in_the_middle_of_a_fenced_transaction, database => {
    let store = &database.store;
    store.acquire_ownership("a", "x", noon(), LEASE).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.require_epoch(1).await.unwrap();
    let other = store.clone();
    let taking = tokio::spawn(async move { other.acquire_ownership("b", "x", later(60), LEASE).await.unwrap() });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!taking.is_finished());
    tx.commit().await.unwrap();
    assert_eq!(taking.await.unwrap(), Acquired::Owned { epoch: 2 });
});
