//! The owner of the accounts: who may spend.

use jiff::SignedDuration;
use tollgate::{
    ledger::{Fence, LedgerError, LedgerLimits, Posting, PostingRefusal},
    store::{
        Store, StoreError,
        owner::{Acquired, Candidate},
    },
};
use tollgate_rating::Money;

use crate::{
    calls::{CLIENT, answered, balance, opened, start},
    database::story,
    schema::execute,
};

const LEASE: SignedDuration = SignedDuration::from_mins(30);

fn credit(epoch: i64) -> Posting {
    Posting::credit(CLIENT, Money::from_nanos(5), "EUR", None, Fence::Owner { epoch }).unwrap()
}

/// A process of the installation of this name.
async fn acquire(store: &Store, installation: &str) -> Acquired {
    let candidate = Candidate { node: "one-name-for-all", address: "127.0.0.1:8081", installation };
    store.acquire_ownership(candidate, LEASE).await.unwrap()
}

/// Lets the lease end by the database's clock.
async fn let_the_lease_end(store: &Store) {
    assert_eq!(execute(store, "UPDATE owners SET lease_until = 1 WHERE lease_until > 0").await.unwrap(), 1);
}

story!(one_installation_owns_until_its_lease_ends, database => {
    let store = &database.store;
    assert_eq!(acquire(store, "a").await, Acquired::Owned { epoch: 1 });
    let Acquired::HeldBy(owner) = acquire(store, "b").await else { panic!("b took it") };
    assert_eq!((owner.node.as_str(), owner.epoch), ("one-name-for-all", 1));
    assert!(owner.lease_left.is_positive() && owner.lease_left <= LEASE, "{owner:?}");
    let_the_lease_end(store).await;
    assert!(!store.owner().await.unwrap().unwrap().lease_left.is_positive());
    // Late, but nobody has taken it.
    store.renew_ownership(1, LEASE).await.unwrap();
    assert!(matches!(acquire(store, "b").await, Acquired::HeldBy(_)));
    store.renew_ownership_apart(1, LEASE).await.unwrap();
    let_the_lease_end(store).await;
    assert_eq!(acquire(store, "b").await, Acquired::Owned { epoch: 2 });
    for renewed in [store.renew_ownership(1, LEASE).await, store.renew_ownership_apart(1, LEASE).await] {
        assert!(matches!(renewed, Err(StoreError::StaleEpoch { epoch: 1 })));
    }
    assert_eq!(store.owner().await.unwrap().unwrap().epoch, 2);
});

story!(a_lease_lasts_as_long_as_the_databases_clock_says, database => {
    let store = &database.store;
    let candidate = Candidate { node: "n", address: "x", installation: "a" };
    store.acquire_ownership(candidate, SignedDuration::from_millis(300)).await.unwrap();
    assert!(matches!(acquire(store, "b").await, Acquired::HeldBy(_)));
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert_eq!(acquire(store, "b").await, Acquired::Owned { epoch: 2 });
});

story!(an_installation_that_starts_again_takes_over_from_itself_in_a_new_epoch, database => {
    let store = &database.store;
    acquire(store, "a").await;
    assert_eq!(acquire(store, "a").await, Acquired::Owned { epoch: 2 });
});

story!(an_owner_of_an_earlier_version_without_an_identity_is_waited_for, database => {
    let store = &database.store;
    acquire(store, "a").await;
    execute(store, "UPDATE owners SET installation = ''").await.unwrap();
    assert!(matches!(acquire(store, "a").await, Acquired::HeldBy(_)));
});

story!(an_ownership_that_is_given_up_can_be_taken_at_once_and_not_renewed, database => {
    let store = &database.store;
    acquire(store, "a").await;
    store.release_ownership(1).await.unwrap();
    assert_eq!(store.owner().await.unwrap(), None);
    assert!(store.renew_ownership(1, LEASE).await.is_err());
    assert_eq!(acquire(store, "b").await, Acquired::Owned { epoch: 2 });
});

story!(of_two_that_reach_for_it_at_once_one_gets_it, database => {
    let (a, b) = tokio::join!(acquire(&database.store, "a"), acquire(&database.store, "b"));
    let owned = [a, b].into_iter().filter(|got| matches!(got, Acquired::Owned { .. })).count();
    assert_eq!(owned, 1);
});

story!(an_opening_of_an_epoch_that_is_over_is_not_journalled_and_the_ledger_says_so, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let store = &database.store;
    acquire(store, "a").await;
    running.ledger.fence_openings(1);
    running.ledger.open_call(opened("1.1"));
    running.ledger.flush().await.unwrap();
    assert_eq!(store.open_calls().await.unwrap().len(), 1);
    let_the_lease_end(store).await;
    acquire(store, "b").await;
    running.ledger.open_call(opened("1.2"));
    // What has happened is written all the same.
    running.ledger.settle(answered("1.1", 60_000)).await.unwrap();
    running.ledger.flush().await.unwrap();
    running.ledger.fenced().await;
    assert_eq!(store.open_calls().await.unwrap().len(), 0);
});

story!(a_posting_of_an_epoch_that_is_over_is_refused_and_a_settlement_is_not, database => {
    let running = start(&database.store, LedgerLimits::default()).await;
    let store = &database.store;
    acquire(store, "a").await;
    running.ledger.post(credit(1)).await.unwrap();
    let_the_lease_end(store).await;
    acquire(store, "b").await;
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
    acquire(store, "a").await;
    let_the_lease_end(store).await;
    let mut tx = store.begin().await.unwrap();
    tx.require_epoch(1).await.unwrap();
    let other = store.clone();
    let taking = tokio::spawn(async move { acquire(&other, "b").await });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!taking.is_finished());
    tx.commit().await.unwrap();
    assert_eq!(taking.await.unwrap(), Acquired::Owned { epoch: 2 });
});
