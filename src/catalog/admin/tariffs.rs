//! Tariffs: import, diff, export.

use std::io::Read;

use jiff::{SignedDuration, Timestamp};
use tollgate_rating::tariff::{RateRow, Tariff};

use super::{AdminError, FEED_TARIFF, check_kind, check_name, fx::line_for, invalid, unknown};
use crate::catalog::TariffKind;
use crate::catalog::deck::{ColumnMap, Deck, Diff, diff, write};
use crate::catalog::fx::Currency;
use crate::clock::Clock;
use crate::store::{NewTariffVersion, StaleDeck, Store, StoreError, TariffVersion};

/// How long a staged deck may lie untouched before a later import sweeps it: many times what one chunk takes to write.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// Chunks of an abandoned deck that one transaction deletes.
const SWEPT_AT_ONCE: i64 = 8;

/// A deck to import.
#[derive(Clone, Debug)]
pub struct Import {
    /// The tariff, made where there is none.
    pub name: String,
    /// The kind of the deck; for an existing tariff always its present kind.
    pub kind: TariffKind,
    /// The deck's currency; for a new tariff the wallets' unless given, for an older one always its own.
    pub currency: Option<Currency>,
    /// Columns that the operator named.
    pub columns: ColumnMap,
    /// True if to check everything and change nothing.
    pub dry_run: bool,
}

/// The result of an import.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// The tariff.
    pub tariff_id: Option<i64>,
    /// The version's id and number; none for a dry run.
    pub version: Option<(i64, i64)>,
    /// The deck's currency.
    pub currency: String,
    /// Rows of the deck.
    pub rows: usize,
    /// Prefixes of the deck.
    pub prefixes: usize,
    /// Headers that were left out.
    pub ignored: Vec<String>,
    /// Set where the deck needs an exchange rate that is not known: `(from, to)`. It prices nothing until one is set.
    pub missing_rate: Option<(String, String)>,
}

/// A deck that was read, checked and cut into chunks: everything that takes time and no database.
#[derive(Debug)]
struct Prepared {
    rows: usize,
    prefixes: usize,
    ignored: Vec<String>,
    chunks: Vec<String>,
}

fn prepare(
    input: impl Read,
    kind: TariffKind,
    columns: &ColumnMap,
    want_chunks: bool,
) -> Result<Prepared, AdminError> {
    let deck = Deck::read_as(kind, input, columns)?;
    let ignored = deck.layout.ignored().to_vec();
    let tariff = deck.compile()?;
    let chunks = if want_chunks { write::to_chunks(tariff.rows()) } else { Vec::new() };
    Ok(Prepared { rows: tariff.row_count(), prefixes: tariff.prefixes(), ignored, chunks })
}

/// Imports a deck: all of it, or nothing.
///
/// The deck is staged in short transactions, one a chunk, so that a settlement never waits for more than one; what makes
/// it the tariff's current version is a last, short one. A crash in between leaves a staged deck that nothing refers to.
pub async fn import(
    store: &Store,
    clock: &dyn Clock,
    wallets: Currency,
    input: impl Read + Send + 'static,
    import: Import,
) -> Result<Imported, AdminError> {
    check_name("name", &import.name)?;
    let known = store.current_tariffs().await?.into_iter().find(|tariff| tariff.name == import.name);
    if let Some(known) = &known {
        check_kind(known, import.kind)?;
    }
    let currency = currency_of(known.as_ref(), import.currency, wallets)?;

    let Import { name, kind, columns, dry_run, .. } = import;
    let prepared = tokio::task::spawn_blocking(move || prepare(input, kind, &columns, !dry_run))
        .await
        .map_err(|_| AdminError::Interrupted)??;
    let Prepared { rows, prefixes, ignored, chunks } = prepared;
    let mut imported =
        Imported { tariff_id: None, version: None, currency, rows, prefixes, ignored, missing_rate: None };
    if dry_run {
        return Ok(imported);
    }

    sweep(store, clock.now()).await?;
    let deck_id = stage(store, clock, &chunks).await?;
    publish(store, clock.now(), wallets, (&name, kind), (deck_id, chunks.len()), &mut imported).await?;
    Ok(imported)
}

fn currency_of(
    known: Option<&TariffVersion>,
    asked: Option<Currency>,
    wallets: Currency,
) -> Result<String, AdminError> {
    let Some(known) = known else { return Ok(asked.unwrap_or(wallets).to_string()) };
    match asked {
        Some(asked) if asked.as_str() != known.currency => Err(invalid(
            "currency",
            format!("the tariff is in {}; import the deck under another name", known.currency),
        )),
        _ => Ok(known.currency.clone()),
    }
}

async fn stage(store: &Store, clock: &dyn Clock, chunks: &[String]) -> Result<i64, AdminError> {
    let mut tx = store.begin().await?;
    let deck_id = tx.catalog_ids(1).await?;
    tx.stage_deck(deck_id, clock.now()).await?;
    tx.commit().await?;
    for (seq, chunk) in (0..).zip(chunks) {
        let mut tx = store.begin().await?;
        if !tx.stage_chunk(deck_id, seq, chunk, clock.now()).await? {
            return Err(AdminError::Swept);
        }
        tx.commit().await?;
    }
    Ok(deck_id)
}

async fn publish(
    store: &Store,
    now: Timestamp,
    wallets: Currency,
    (name, kind): (&str, TariffKind),
    (deck_id, chunks): (i64, usize),
    imported: &mut Imported,
) -> Result<(), AdminError> {
    let mut tx = store.begin().await?;
    let version_id = tx.catalog_ids(2).await?;
    if !tx.finish_deck(deck_id, as_i64(chunks), now).await? {
        return Err(AdminError::Swept);
    }
    // Looked up again: another import of the same name may have come first.
    let known = tx.current_tariffs().await?.into_iter().find(|tariff| tariff.name == name);
    if let Some(known) = &known {
        check_kind(known, kind)?;
        imported.currency = currency_of(Some(known), imported.currency.parse().ok(), wallets)?;
    }
    let line = line_for(&mut tx, &imported.currency, wallets, now).await?;
    if line.is_none() && imported.currency != wallets.as_str() {
        imported.missing_rate = Some((imported.currency.clone(), wallets.to_string()));
    }
    let (tariff_id, number) = known.as_ref().map_or((version_id + 1, 1), |it| (it.tariff_id, it.number + 1));
    let version = NewTariffVersion {
        tariff_id,
        version_id,
        number,
        deck_id,
        fx_rate_id: line.map(|line| line.id),
        priced_in: wallets.as_str(),
        row_count: as_i64(imported.rows),
        prefix_count: as_i64(imported.prefixes),
    };
    tx.insert_tariff_version(&version, now).await?;
    if known.is_some() {
        tx.flip_tariff(tariff_id, version_id).await?;
    } else {
        tx.insert_tariff(tariff_id, name, kind.as_str(), &imported.currency, version_id, now).await?;
    }
    tx.append_feed(FEED_TARIFF, tariff_id, now).await?;
    tx.commit().await?;
    imported.tariff_id = Some(tariff_id);
    imported.version = Some((version_id, number));
    Ok(())
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Deletes what crashed imports left, a few chunks a transaction.
async fn sweep(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    let since = now.checked_sub(ABANDONED_AFTER).unwrap_or(Timestamp::MIN);
    for StaleDeck { id, chunks } in store.stale_decks(since).await? {
        let mut from = chunks;
        while from > 0 {
            from = (from - SWEPT_AT_ONCE).max(0);
            let mut tx = store.begin().await?;
            tx.sweep_chunks(id, from).await?;
            tx.commit().await?;
        }
        let mut tx = store.begin().await?;
        tx.forget_deck(id).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The current version of each tariff, by name.
pub async fn list(store: &Store) -> Result<Vec<TariffVersion>, AdminError> {
    Ok(store.current_tariffs().await?)
}

/// The current version of a tariff, compiled in the deck's own currency: for `show`, `diff` and `export`.
pub async fn current(store: &Store, name: &str) -> Result<(TariffVersion, Tariff), AdminError> {
    let version = store.current_tariffs().await?.into_iter().find(|tariff| tariff.name == name);
    let version = version.ok_or_else(|| unknown("tariff", name))?;
    let rows = stored_rows(store, version.deck_id).await?;
    let tariff = tokio::task::spawn_blocking(move || Tariff::compile(rows))
        .await
        .map_err(|_| AdminError::Interrupted)?
        .map_err(|errors| inconsistent(version.deck_id, &errors))?;
    Ok((version, tariff))
}

/// A stored deck's rows.
pub(crate) async fn stored_rows(store: &Store, deck_id: i64) -> Result<Vec<RateRow>, AdminError> {
    let chunks = store.deck_chunks(deck_id).await?;
    let read = move || -> Result<Vec<RateRow>, AdminError> {
        let mut rows = Vec::with_capacity(chunks.len() * write::CHUNK_ROWS);
        for chunk in chunks {
            let deck = Deck::read(chunk.as_bytes(), &ColumnMap::default());
            rows.extend(deck.map_err(|error| inconsistent(deck_id, &error))?.rows);
        }
        Ok(rows)
    };
    tokio::task::spawn_blocking(read).await.map_err(|_| AdminError::Interrupted)?
}

fn inconsistent(deck_id: i64, error: &dyn std::fmt::Display) -> AdminError {
    StoreError::Inconsistent { table: "deck_chunks", reason: format!("deck {deck_id}: {error}") }.into()
}

/// The changes that the import of a deck would make, and the kind of the tariff.
pub async fn diff_with(
    store: &Store,
    name: &str,
    input: impl Read + Send + 'static,
    columns: ColumnMap,
) -> Result<(TariffKind, Diff), AdminError> {
    let (version, old) = current(store, name).await?;
    let kind = TariffKind::of(&version);
    let compare = move || -> Result<Diff, AdminError> {
        let new = Deck::read_as(kind, input, &columns)?.compile()?;
        Ok(diff(old.rows(), new.rows()))
    };
    let diff = tokio::task::spawn_blocking(compare).await.map_err(|_| AdminError::Interrupted)??;
    Ok((kind, diff))
}

/// The tariff's current deck as canonical CSV, which imports to an equal one.
pub async fn export(store: &Store, name: &str) -> Result<String, AdminError> {
    let (version, tariff) = current(store, name).await?;
    Ok(match TariffKind::of(&version) {
        TariffKind::Voice => write::to_csv(tariff.rows()),
        TariffKind::Sms => write::to_sms_csv(tariff.rows()),
    })
}
