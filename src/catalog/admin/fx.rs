//! Exchange rates, and the tariff versions that follow from them.

use jiff::Timestamp;

use super::{AdminError, FEED_TARIFF, invalid};
use crate::catalog::fx::{Currency, Rate};
use crate::store::{FxRate, NewTariffVersion, Store, StoreError, Tx, to_micros};

/// The effect of setting a rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FxSet {
    /// The line that was added.
    pub line: FxRate,
    /// Tariffs that have a new version at this rate from now on.
    pub repriced: Vec<String>,
}

/// Sets what one unit of `base` costs in `quote` from a moment on. Tariffs priced by the pair follow at once where that
/// moment is past, else when it comes (see [`reprice`]).
pub async fn set(
    store: &Store,
    base: Currency,
    quote: Currency,
    rate: Rate,
    from: Timestamp,
    now: Timestamp,
) -> Result<FxSet, AdminError> {
    if base == quote {
        return Err(invalid("quote", format!("{base} against itself is always 1")));
    }
    let mut tx = store.begin().await?;
    let id = tx.catalog_ids(1).await?;
    let line = FxRate {
        id,
        base: base.to_string(),
        quote: quote.to_string(),
        rate_pico: rate.pico(),
        valid_from: to_micros(from),
        set_at: to_micros(now),
    };
    tx.insert_fx_rate(&line).await?;
    let repriced = reprice_in(&mut tx, quote, now).await?;
    tx.commit().await?;
    Ok(FxSet { line, repriced })
}

/// Every rate that was ever set.
pub async fn list(store: &Store) -> Result<Vec<FxRate>, AdminError> {
    Ok(store.fx_rates().await?)
}

/// Gives each tariff whose exchange rate is no longer the one in force a version at the one that is; returns their names.
///
/// A version never changes its price, so a rate dated in the future takes effect by a new version: the owner calls this
/// when it starts and every few minutes after.
pub async fn reprice(store: &Store, wallets: Currency, now: Timestamp) -> Result<Vec<String>, AdminError> {
    let mut tx = store.begin().await?;
    tx.catalog_ids(0).await?;
    let repriced = reprice_in(&mut tx, wallets, now).await?;
    if repriced.is_empty() {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    Ok(repriced)
}

/// The line of exchange rates that a deck needs; `None` where it needs none, or where none is known.
pub(super) async fn line_for(
    tx: &mut Tx,
    deck: &str,
    wallets: Currency,
    now: Timestamp,
) -> Result<Option<FxRate>, StoreError> {
    if deck == wallets.as_str() {
        return Ok(None);
    }
    tx.fx_in_force(deck, wallets.as_str(), now).await
}

async fn reprice_in(tx: &mut Tx, wallets: Currency, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let mut repriced = Vec::new();
    for current in tx.current_tariffs().await? {
        if current.priced_in != wallets.as_str() {
            continue;
        }
        let Some(line) = line_for(tx, &current.currency, wallets, now).await? else { continue };
        if current.fx_rate_id == Some(line.id) {
            continue;
        }
        let version_id = tx.catalog_ids(1).await?;
        let version = NewTariffVersion {
            tariff_id: current.tariff_id,
            version_id,
            number: current.number + 1,
            deck_id: current.deck_id,
            fx_rate_id: Some(line.id),
            priced_in: wallets.as_str(),
            row_count: current.row_count,
            prefix_count: current.prefix_count,
        };
        tx.insert_tariff_version(&version, now).await?;
        tx.flip_tariff(current.tariff_id, version_id).await?;
        tx.append_feed(FEED_TARIFF, current.tariff_id, now).await?;
        repriced.push(current.name);
    }
    Ok(repriced)
}
