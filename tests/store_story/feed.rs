//! The change feed.

use tollgate::store::expired::Expired;

use crate::database::{noon, story};

story!(changes_come_in_the_order_of_commits, database => {
    let store = &database.store;
    assert_eq!(store.feed_position().await.unwrap(), 0);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.append_feed("plan", 7, noon()).await.unwrap(), 1);
    assert_eq!(tx.append_feed("plan", 8, noon()).await.unwrap(), 2);
    assert_eq!(store.changes_since(0).await.unwrap(), []);
    tx.commit().await.unwrap();
    let changes = store.changes_since(0).await.unwrap();
    assert_eq!(changes.iter().map(|change| (change.position, change.item_id)).collect::<Vec<_>>(), [(1, 7), (2, 8)]);
    assert_eq!(store.changes_since(1).await.unwrap()[0].item_id, 8);
    assert_eq!(store.delete_expired(Expired::Feed, noon(), 10).await.unwrap(), 0, "none is older");
    assert_eq!(store.delete_expired(Expired::Feed, crate::calls::later(1), 1).await.unwrap(), 1);
    assert_eq!(store.changes_since(0).await.unwrap()[0].item_id, 8, "the oldest goes first");
    assert_eq!(store.delete_expired(Expired::Feed, crate::calls::later(1), 10).await.unwrap(), 1);
    assert_eq!(store.changes_since(0).await.unwrap(), []);
    assert_eq!(store.feed_position().await.unwrap(), 2);
});

story!(a_change_that_was_rolled_back_is_never_seen, database => {
    let mut tx = database.store.begin().await.unwrap();
    tx.append_feed("plan", 7, noon()).await.unwrap();
    drop(tx);
    let mut tx = database.store.begin().await.unwrap();
    assert_eq!(tx.append_feed("plan", 8, noon()).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(database.store.changes_since(0).await.unwrap().len(), 1);
});

story!(a_reader_who_follows_late_commits_misses_none, database => {
    let store = database.store.clone();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..25 {
                    let mut tx = store.begin().await.unwrap();
                    tx.append_feed("thing", writer * 100 + round, noon()).await.unwrap();
                    // The later the commit, the more others would overtake it if positions were a sequence's.
                    tokio::time::sleep(std::time::Duration::from_millis(u64::try_from((writer + round) % 4).unwrap())).await;
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    let (mut position, mut seen) = (0, Vec::new());
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while seen.len() < 100 && tokio::time::Instant::now() < end {
        for change in store.changes_since(position).await.unwrap() {
            assert!(change.position > position);
            position = change.position;
            seen.push(change.item_id);
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 100);
});
