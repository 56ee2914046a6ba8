//! Peers in the store: what the tables themselves forbid.

use std::net::Ipv4Addr;

use tollgate::secrets::Sealed;
use tollgate::store::accounts::{AccountLimits, AccountRecord, Kind};
use tollgate::store::peers::PeerKind;
use tollgate::store::peers::PeerRecord;
use tollgate::store::{Reserved, Store, StoreError};
use tollgate_rating::Money;

use crate::database::{Database, noon, story};
use crate::schema::execute;

fn address(name: &str, id: i64, ip: [u8; 4]) -> PeerRecord {
    let (sip_account, number) = name.split_once("_ipa").unwrap();
    PeerRecord {
        kind: PeerKind::Ipa,
        main: false,
        sip_account: Some(sip_account.to_owned()),
        source: Some(Ipv4Addr::from(ip)),
        number: Some(number.parse().unwrap()),
        secret: None,
        ..sip(name, id, false)
    }
}

fn sip(name: &str, id: i64, main: bool) -> PeerRecord {
    PeerRecord {
        id,
        name: name.to_owned(),
        account_id: 100,
        kind: PeerKind::Sip,
        main,
        active: true,
        approved: true,
        sip_account: None,
        source: None,
        number: None,
        secret: Some(Sealed { key_id: 1, bytes: vec![1, 2, 0, 255] }),
        created_at: noon(),
        changed_at: noon(),
    }
}

/// An account `100` with the login `a`.
async fn with_account(database: &Database) {
    let account = AccountRecord {
        id: 100,
        login: "a".to_owned(),
        kind: Kind::Client,
        parent_id: None,
        plan_id: 1,
        active: true,
        credit_limit: Money::ZERO,
        limits: AccountLimits::default(),
        callerid: None,
        dial_rules: None,
        allow_loss: false,
        created_at: noon(),
    };
    let mut tx = database.store.begin().await.unwrap();
    tx.insert_account(&account).await.unwrap();
    tx.commit().await.unwrap();
}

async fn insert(store: &Store, peer: &PeerRecord) -> Result<(), StoreError> {
    let mut tx = store.begin().await.unwrap();
    tx.reserve_ids(Reserved::default()).await.unwrap();
    if peer.name != "a" {
        tx.insert_name(&peer.name, peer.account_id).await?;
    }
    tx.insert_peer(peer).await?;
    tx.commit().await
}

story!(a_peer_comes_back_as_it_was_stored, database => {
    with_account(&database).await;
    let store = &database.store;
    let main = sip("a", 1, true);
    let address = address("a_ipa1", 2, [203, 0, 113, 10]);
    insert(store, &main).await.unwrap();
    insert(store, &address).await.unwrap();
    assert_eq!(store.peer_by_name("a").await.unwrap(), Some(main.clone()));
    assert_eq!(store.peers_of(100).await.unwrap(), [main.clone(), address.clone()]);
    assert_eq!(store.peers_after("").await.unwrap(), [main.clone(), address.clone()]);
    assert_eq!(store.peers_after("a").await.unwrap(), std::slice::from_ref(&address));
    assert_eq!(store.address_peers_of("a").await.unwrap(), std::slice::from_ref(&address));
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.peer_of_address(Ipv4Addr::new(203, 0, 113, 10)).await.unwrap(), Some(address));
    assert_eq!(tx.count_peers(100, PeerKind::Sip).await.unwrap(), 1);
    assert_eq!(tx.peers_under_other_key(1, 10).await.unwrap(), []);
    assert_eq!(tx.peers_under_other_key(2, 10).await.unwrap(), [main]);
    tx.delete_peer("a_ipa1").await.unwrap();
    assert_eq!(tx.name_owner("a_ipa1").await.unwrap(), None);
    tx.commit().await.unwrap();
    assert_eq!(store.active_address_peers().await.unwrap(), 0);
});

story!(an_address_is_one_active_peers_over_everybody, database => {
    with_account(&database).await;
    let store = &database.store;
    insert(store, &sip("a", 1, true)).await.unwrap();
    insert(store, &sip("b", 2, false)).await.unwrap();
    insert(store, &address("a_ipa1", 3, [203, 0, 113, 10])).await.unwrap();
    let twin = address("b_ipa1", 4, [203, 0, 113, 10]);
    let error = insert(store, &twin).await.unwrap_err();
    assert!(error.unique_violation().is_some(), "{error}");
    insert(store, &PeerRecord { active: false, ..twin }).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let error = tx.set_peer_active("b_ipa1", true, noon()).await.unwrap_err();
    assert!(error.unique_violation().is_some(), "{error}");
    tx.rollback().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.set_peer_active("a_ipa1", false, noon()).await.unwrap();
    tx.set_peer_active("b_ipa1", true, noon()).await.unwrap();
    tx.commit().await.unwrap();
});

story!(two_that_take_one_address_at_once_do_not_both_have_it, database => {
    with_account(&database).await;
    insert(&database.store, &sip("a", 1, true)).await.unwrap();
    let tries: Vec<_> = (1..=8_i64)
        .map(|n| {
            let store = database.store.clone();
            let peer = address(&format!("a_ipa{n}"), n + 10, [203, 0, 113, 10]);
            tokio::spawn(async move { insert(&store, &peer).await })
        })
        .collect();
    let mut won = 0;
    for tried in tries {
        won += i32::from(tried.await.unwrap().is_ok());
    }
    assert_eq!(won, 1);
});

story!(rows_that_break_their_kinds_rule_are_refused, database => {
    with_account(&database).await;
    let store = &database.store;
    insert(store, &sip("a", 1, true)).await.unwrap();
    let good = address("a_ipa1", 2, [203, 0, 113, 10]);
    for (what, bad) in [
        ("a second main", sip("b", 3, true)),
        ("an id twice", sip("b", 1, false)),
        ("an address with a password", PeerRecord { secret: sip("b", 3, false).secret, ..good.clone() }),
        ("an address peer without an address", PeerRecord { source: None, ..good.clone() }),
        ("an address peer of nobody", PeerRecord { sip_account: None, ..good.clone() }),
        ("an address peer as main", PeerRecord { main: true, ..good.clone() }),
        ("a SIP account with an address", PeerRecord { source: good.source, ..sip("b", 3, false) }),
        ("a SIP account with a number", PeerRecord { number: Some(1), ..sip("b", 3, false) }),
    ] {
        assert!(insert(store, &bad).await.is_err(), "{what}");
    }
    insert(store, &good).await.unwrap();
});

story!(peers_without_a_password_are_found_until_they_have_one, database => {
    with_account(&database).await;
    let store = &database.store;
    insert(store, &PeerRecord { secret: None, ..sip("a", 1, true) }).await.unwrap();
    insert(store, &address("a_ipa1", 2, [203, 0, 113, 10])).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let found = tx.peers_without_secret(10).await.unwrap();
    assert_eq!(found.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>(), ["a"]);
    let sealed = Sealed { key_id: 7, bytes: vec![9; 40] };
    tx.set_peer_secret("a", &sealed, noon()).await.unwrap();
    assert_eq!(tx.peers_without_secret(10).await.unwrap(), []);
    tx.commit().await.unwrap();
    assert_eq!(store.peer_by_name("a").await.unwrap().unwrap().secret, Some(sealed));
    assert_eq!(execute(store, "UPDATE peers SET secret = NULL WHERE name = 'a'").await.ok(), None, "half a secret");
});

story!(sip_accounts_of_before_become_peers, database => {
    with_account(&database).await;
    let store = &database.store;
    for text in [
        "DROP TABLE peers",
        "CREATE TABLE sip_accounts (name TEXT PRIMARY KEY REFERENCES names (name), account_id BIGINT NOT NULL, \
         main BIGINT NOT NULL, active BIGINT NOT NULL, created_at_us BIGINT NOT NULL)",
        "INSERT INTO names VALUES ('b', 100)",
        "INSERT INTO sip_accounts VALUES ('b', 100, 0, 0, 6)",
        "INSERT INTO sip_accounts VALUES ('a', 100, 1, 1, 5)",
        "DELETE FROM schema_migrations WHERE version IN (4, 13)",
    ] {
        execute(store, text).await.unwrap();
    }
    store.migrate(noon()).await.unwrap();
    let moved = store.peers_of(100).await.unwrap();
    let shown: Vec<_> =
        moved.iter().map(|peer| (peer.id, peer.name.as_str(), peer.main, peer.active)).collect();
    assert_eq!(shown, [(1, "a", true, true), (2, "b", false, false)]);
    assert!(store.lacks_passwords().await.unwrap());
    assert!(execute(store, "DELETE FROM sip_accounts").await.is_err(), "the old table is gone");
});
