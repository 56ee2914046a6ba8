//! Settlements that wait on this machine while the database is away.

use std::{
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tollgate::{
    ledger::{
        LedgerError, LedgerLimits, Spool, Taken,
        audit::audit,
        spool::{Look, SpoolError, left_in, look},
    },
    store::Store,
};

use crate::{
    calls::{CLIENT, Running, answered, balance, key, number, opened, poison, start},
    database::{Database, story},
    wire::Outage,
};

const BOOK: &str = "b00k";

/// A ledger that gives up soon, so that a test waits less.
fn hasty() -> LedgerLimits {
    LedgerLimits { patience: Duration::from_millis(100), ..LedgerLimits::default() }
}

async fn spool_on(running: &Running, dir: &Path) -> Spool {
    let spool = Spool::new(running.ledger.clone());
    spool.open(dir, BOOK).await.unwrap();
    spool
}

/// Writes everything to the book, the database being back; the unique ids in the order in which they were written.
async fn drained(spool: &Spool) -> Vec<String> {
    let began = Instant::now();
    let mut unique_ids = Vec::new();
    loop {
        match spool.write_next().await {
            Ok(written) if written.is_empty() && spool.counters().records.load(Ordering::SeqCst) == 0 => {
                return unique_ids;
            }
            Ok(written) => unique_ids.extend(written.into_iter().map(|one| one.settlement.key.unique_id)),
            Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
        }
    }
}

/// Keeps so many calls while the database is away.
async fn keep(spool: &Spool, names: impl IntoIterator<Item = String>) {
    for name in names {
        let taken = spool.settle(answered(&name, 60_000)).await.unwrap();
        assert_eq!(taken, Taken::Spooled { again: false }, "{name}");
    }
}

fn holds(spool: &Spool, unique_id: &str) -> bool {
    spool.holds(&key(unique_id), answered(unique_id, 1).cdr.setup_at.as_microsecond())
}

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|call| format!("1.{call:03}"))
}

story!(what_ends_while_the_database_is_away_is_kept_and_written_once_in_its_order, database => {
    let dir = tempfile::tempdir().unwrap();
    let mut outage = Outage::of(&database.url).await;
    let running = start(&Store::open(&outage.url).await.unwrap(), hasty()).await;
    let spool = spool_on(&running, &dir.path().join("spool")).await;
    assert!(matches!(spool.settle(answered("0.1", 60_000)).await.unwrap(), Taken::Booked(_)));
    running.ledger.open_call(opened("1.000"));
    running.ledger.open_call(opened("2.1"));
    running.ledger.flush().await.unwrap();

    outage.begin().await;
    let began = Instant::now();
    keep(&spool, names(1)).await;
    assert!(began.elapsed() < Duration::from_secs(3), "Asterisk waits three seconds: {:?}", began.elapsed());
    let began = Instant::now();
    keep(&spool, names(50).skip(1)).await;
    spool.void(key("2.1")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "those behind do not wait: {:?}", began.elapsed());
    // Told again, even otherwise: the first word counts.
    assert_eq!(spool.settle(answered("1.007", 999_000)).await.unwrap(), Taken::Spooled { again: true });
    assert!(holds(&spool, "1.007") && !holds(&spool, "0.1"));
    // The drainer asks in vain.
    assert!(matches!(spool.write_next().await, Err(LedgerError::Unavailable(_))));
    assert!(spool.is_away());
    assert_eq!(spool.counters().records.load(Ordering::SeqCst), 51);

    outage.end().await;
    assert_eq!(drained(&spool).await, names(50).collect::<Vec<_>>());
    assert!(!spool.is_away() && !holds(&spool, "1.007"));
    assert_eq!(spool.counters().bytes.load(Ordering::SeqCst), 0, "the file is empty again");
    assert!(matches!(spool.settle(answered("0.2", 60_000)).await.unwrap(), Taken::Booked(_)));
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs").await, 52);
    let in_order = "SELECT COUNT(*) FROM cdrs a JOIN cdrs b ON a.id < b.id AND a.unique_id > b.unique_id \
                    WHERE a.unique_id LIKE '1.%' AND b.unique_id LIKE '1.%'";
    assert_eq!(number(&database.store, in_order).await, 0, "the oldest has the lowest id");
    assert_eq!(balance(&database.store, CLIENT).await, 52 * -120_000_000);
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM open_calls").await, 0, "the void is written too");
    assert!(audit(&database.store).await.unwrap().ok);
});

story!(what_an_earlier_process_kept_is_written_by_the_next, database => {
    let dir = tempfile::tempdir().unwrap();
    let mut outage = Outage::of(&database.url).await;
    let running = start(&Store::open(&outage.url).await.unwrap(), hasty()).await;
    let spool = spool_on(&running, dir.path()).await;
    outage.begin().await;
    keep(&spool, names(5)).await;
    spool.close().await;
    assert_eq!(look(dir.path()).unwrap().waiting.len(), 5);
    assert_eq!(left_in(dir.path(), BOOK).unwrap(), Some(5));
    assert_eq!(left_in(dir.path(), "0ther").unwrap(), Some(0));
    assert_eq!(left_in(&dir.path().join("nowhere"), BOOK).unwrap(), None);
    outage.end().await;
    // The end of a write that nobody was told of.
    let file = dir.path().join("waiting");
    let whole = std::fs::read(&file).unwrap();
    let torn = [&whole[..], &whole[whole.len() - 2_000..whole.len() - 1]].concat();
    std::fs::write(&file, torn).unwrap();
    let next = spool_on(&running, dir.path()).await;
    assert_eq!(std::fs::read(&file).unwrap(), whole, "the torn end is cut");
    assert_eq!(drained(&next).await, names(5).collect::<Vec<_>>());
    // Killed after the book had them and before the file was emptied: they are told again and change nothing.
    next.close().await;
    std::fs::write(&file, whole).unwrap();
    let last = spool_on(&running, dir.path()).await;
    assert_eq!(drained(&last).await.len(), 5);
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs").await, 5);
    assert_eq!(balance(&database.store, CLIENT).await, 5 * -120_000_000);
    assert!(audit(&database.store).await.unwrap().ok);
});

story!(a_record_that_the_book_refuses_is_put_aside_and_the_rest_is_written, database => {
    let dir = tempfile::tempdir().unwrap();
    let mut outage = Outage::of(&database.url).await;
    let running = start(&Store::open(&outage.url).await.unwrap(), hasty()).await;
    let spool = spool_on(&running, dir.path()).await;
    outage.begin().await;
    keep(&spool, names(3)).await;
    spool.settle(poison("2.1")).await.unwrap();
    keep(&spool, names(6).skip(3)).await;
    outage.end().await;
    assert_eq!(drained(&spool).await, names(6).collect::<Vec<_>>());
    assert_eq!(spool.counters().refused.load(Ordering::SeqCst), 1);
    let found = look(dir.path()).unwrap();
    assert_eq!((found.waiting.len(), found.refused.len()), (0, 1));
    assert_eq!(found.refused[0].key(), &key("2.1"));
    assert!(audit(&database.store).await.unwrap().ok);
    // Another one is added behind it.
    outage.begin().await;
    spool.settle(poison("2.2")).await.unwrap();
    outage.end().await;
    drained(&spool).await;
    assert_eq!(look(dir.path()).unwrap().refused.len(), 2);
    assert_eq!(left_in(dir.path(), BOOK).unwrap(), Some(2));
    // Each start offers them again: one that is in order by now is written, the other is put aside once more.
    spool.close().await;
    running.ledger.settle(answered("2.1", 60_000)).await.unwrap();
    let next = spool_on(&running, dir.path()).await;
    drained(&next).await;
    let found = look(dir.path()).unwrap();
    assert_eq!(found.refused.iter().map(|kept| kept.key().unique_id.as_str()).collect::<Vec<_>>(), ["2.2"]);
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_keeps_what_it_has_and_takes_no_more_until_it_is_drained() {
    let (database, dir) = (Database::sqlite().await, tempfile::tempdir().unwrap());
    let mut outage = Outage::of(&database.url).await;
    let running = start(&database.store, hasty()).await;
    let spool = Spool::new(running.ledger.clone());
    spool.open_with(dir.path(), BOOK, 8_000).await.unwrap();
    outage.begin().await;
    let (mut kept, mut error) = (0, None);
    for name in names(20) {
        match spool.settle(answered(&name, 60_000)).await {
            Ok(taken) => {
                assert_eq!(taken, Taken::Spooled { again: false });
                kept += 1;
            }
            Err(refused) => {
                error = Some(refused);
                break;
            }
        }
    }
    assert!(matches!(error, Some(LedgerError::Spool(SpoolError::Full { bytes: 8_000 }))), "{error:?}");
    assert!((2..20).contains(&kept), "{kept} were kept");
    assert_eq!(look(dir.path()).unwrap().waiting.len(), kept);
    outage.end().await;
    let written = drained(&spool).await;
    assert_eq!(written, names(kept).collect::<Vec<_>>());
    // The one that was not acknowledged is told again, as Asterisk does.
    spool.settle(answered(&format!("1.{kept:03}"), 60_000)).await.unwrap();
    assert_eq!(number(&database.store, "SELECT COUNT(*) FROM cdrs").await, i64::try_from(kept).unwrap() + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_share_a_synchronisation_and_each_is_kept() {
    let (database, dir) = (Database::sqlite().await, tempfile::tempdir().unwrap());
    let mut outage = Outage::of(&database.url).await;
    let running = start(&database.store, hasty()).await;
    let spool = spool_on(&running, dir.path()).await;
    outage.begin().await;
    keep(&spool, names(1)).await;
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let spool = spool.clone();
            tokio::spawn(async move {
                keep(&spool, (0..50).map(|call| format!("2.{caller}-{call}"))).await;
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(look(dir.path()).unwrap().waiting.len(), 801);
    outage.end().await;
    assert_eq!(drained(&spool).await.len(), 801);
    assert_eq!(balance(&database.store, CLIENT).await, 801 * -120_000_000);
    assert!(audit(&database.store).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_belongs_to_one_process_and_one_database() {
    use std::os::unix::fs::PermissionsExt as _;
    let (database, dir) = (Database::sqlite().await, tempfile::tempdir().unwrap());
    let running = start(&database.store, hasty()).await;
    let folder = dir.path().join("deep/spool");
    let spool = spool_on(&running, &folder).await;
    for (path, mode) in [(folder.clone(), 0o700), (folder.join("waiting"), 0o600)] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
    }
    let other = Spool::new(running.ledger.clone());
    assert!(matches!(other.open(&folder, BOOK).await, Err(SpoolError::InUse { .. })));
    assert_eq!(look(&folder).unwrap(), Look::default(), "looking needs no turn");
    let mut outage = Outage::of(&database.url).await;
    outage.begin().await;
    keep(&spool, names(1)).await;
    outage.end().await;
    spool.close().await;
    assert!(matches!(other.open(&folder, "another").await, Err(SpoolError::OtherBook { .. })));
    let next = spool_on(&running, &folder).await;
    drained(&next).await;
    next.close().await;
    other.open(&folder, "another").await.expect("an empty one goes over to the next database");
    other.close().await;
    std::fs::write(folder.join("waiting"), "something else").unwrap();
    let last = Spool::new(running.ledger.clone());
    assert!(matches!(last.open(&folder, BOOK).await, Err(SpoolError::NoSpool { .. })));
    assert!(matches!(last.settle(answered("1.1", 60_000)).await.unwrap(), Taken::Booked(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_disk_lost_is_told_and_what_it_did_not_lose_is_written() {
    let (database, dir) = (Database::sqlite().await, tempfile::tempdir().unwrap());
    let mut outage = Outage::of(&database.url).await;
    let running = start(&database.store, hasty()).await;
    let spool = spool_on(&running, dir.path()).await;
    outage.begin().await;
    keep(&spool, names(3)).await;
    spool.close().await;
    outage.end().await;
    let file = dir.path().join("waiting");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let next = spool_on(&running, dir.path()).await;
    assert_eq!(drained(&next).await, ["1.000", "1.002"]);
    assert!(look(dir.path()).unwrap().damaged);
    assert_eq!(std::fs::read(dir.path().join("damaged")).unwrap(), bytes, "a copy for the operator");
}
