//! Tariffs, the decks of their versions, and exchange rates.

use jiff::Timestamp;

use crate::store::{Session, Store, StoreError, Tx, on, row, to_micros};

row! {
    /// An exchange rate.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct FxRate {
        /// Id; of two rates with the same date the higher id is in force.
        pub id: i64,
        /// Base currency.
        pub base: String,
        /// Quote currency.
        pub quote: String,
        /// Price of one unit of `base` in `quote`, in units of 1e-12.
        pub rate_pico: i64,
        /// Start of validity in microseconds since the epoch.
        pub valid_from: i64,
        /// Time it was set, in microseconds since the epoch.
        pub set_at: i64,
    }
}

row! {
    /// A version of a tariff: a deck at an exchange rate.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TariffVersion {
        /// Id of the tariff.
        pub tariff_id: i64,
        /// Name of the tariff.
        pub name: String,
        /// Kind of the tariff: `voice` or `sms`.
        pub kind: String,
        /// Currency of the deck.
        pub currency: String,
        /// Id of the version.
        pub version_id: i64,
        /// Number of the version within the tariff, from 1.
        pub number: i64,
        /// Id of the deck.
        pub deck_id: i64,
        /// Id of the exchange rate that converted its prices.
        pub fx_rate_id: Option<i64>,
        /// That exchange rate in units of 1e-12.
        pub rate_pico: Option<i64>,
        /// Currency of its prices after conversion.
        pub priced_in: String,
        /// Number of rows of the deck.
        pub row_count: i64,
        /// Number of prefixes of the deck.
        pub prefix_count: i64,
        /// Time of publication in microseconds since the epoch.
        pub created_at: i64,
    }
}

row! {
    /// An unfinished import.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct StaleDeck {
        /// Id of the deck.
        pub id: i64,
        /// Number of its chunks.
        pub chunks: i64,
    }
}

/// A version to publish.
#[derive(Clone, Debug)]
pub struct NewTariffVersion<'a> {
    /// Id of the tariff.
    pub tariff_id: i64,
    /// Id of the version.
    pub version_id: i64,
    /// Number of the version within the tariff.
    pub number: i64,
    /// Id of the deck.
    pub deck_id: i64,
    /// Id of the exchange rate, if the deck needs one and one is known.
    pub fx_rate_id: Option<i64>,
    /// Currency of the wallets.
    pub priced_in: &'a str,
    /// Number of rows of the deck.
    pub row_count: i64,
    /// Number of prefixes of the deck.
    pub prefix_count: i64,
}

const FX_INSERT: &str = include_str!("../../../sql/queries/fx_insert.sql");
const FX_LIST: &str = include_str!("../../../sql/queries/fx_list.sql");
const FX_IN_FORCE: &str = include_str!("../../../sql/queries/fx_in_force.sql");
const DECK_STAGE: &str = include_str!("../../../sql/queries/deck_stage.sql");
const DECK_CHUNK_INSERT: &str = include_str!("../../../sql/queries/deck_chunk_insert.sql");
const DECK_TOUCH: &str = include_str!("../../../sql/queries/deck_touch.sql");
const DECK_PUBLISH: &str = include_str!("../../../sql/queries/deck_publish.sql");
const DECK_STALE: &str = include_str!("../../../sql/queries/deck_stale.sql");
const DECK_SWEEP: &str = include_str!("../../../sql/queries/deck_sweep.sql");
const DECK_FORGET: &str = include_str!("../../../sql/queries/deck_forget.sql");
const DECK_CHUNKS: &str = include_str!("../../../sql/queries/deck_chunks.sql");
const TARIFF_INSERT: &str = include_str!("../../../sql/queries/tariff_insert.sql");
const TARIFF_FLIP: &str = include_str!("../../../sql/queries/tariff_flip.sql");
const TARIFF_VERSION_INSERT: &str = include_str!("../../../sql/queries/tariff_version_insert.sql");
const TARIFF_CURRENT: &str = include_str!("../../../sql/queries/tariff_current.sql");
const TARIFF_VERSION: &str = include_str!("../../../sql/queries/tariff_version.sql");

impl Store {
    /// Reads every exchange rate ever set, by pair and date.
    pub async fn fx_rates(&self) -> Result<Vec<FxRate>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(FX_LIST).fetch_all(c).await)?)
    }

    /// Reads the exchange rate in force at a time.
    pub async fn fx_rate_in_force(
        &self,
        base: &str,
        quote: &str,
        at: Timestamp,
    ) -> Result<Option<FxRate>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(
            on!(&mut reader, c => sqlx::query_as(FX_IN_FORCE).bind(base).bind(quote).bind(to_micros(at)).fetch_optional(c).await)?,
        )
    }

    /// Reads the current version of each tariff, by name.
    pub async fn current_tariffs(&self) -> Result<Vec<TariffVersion>, StoreError> {
        current_tariffs(&mut self.reader().await?).await
    }

    /// Reads a version, current or not.
    pub async fn tariff_version(&self, version_id: i64) -> Result<Option<TariffVersion>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(TARIFF_VERSION).bind(version_id).fetch_optional(c).await)?)
    }

    /// Reads a deck's text, chunk by chunk, each with its header.
    pub async fn deck_chunks(&self, deck_id: i64) -> Result<Vec<String>, StoreError> {
        let mut reader = self.reader().await?;
        let chunks: Vec<(String,)> =
            on!(&mut reader, c => sqlx::query_as(DECK_CHUNKS).bind(deck_id).fetch_all(c).await)?;
        Ok(chunks.into_iter().map(|(body,)| body).collect())
    }

    /// Reads staged decks not modified since a time.
    pub async fn stale_decks(&self, untouched_since: Timestamp) -> Result<Vec<StaleDeck>, StoreError> {
        let mut reader = self.reader().await?;
        let since = to_micros(untouched_since);
        Ok(on!(&mut reader, c => sqlx::query_as(DECK_STALE).bind(since).fetch_all(c).await)?)
    }
}

impl Tx {
    /// Inserts an exchange rate.
    pub async fn insert_fx_rate(&mut self, rate: &FxRate) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(FX_INSERT).bind(rate.id).bind(&rate.base).bind(&rate.quote).bind(rate.rate_pico)
            .bind(rate.valid_from).bind(rate.set_at).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads the exchange rate in force at a time.
    pub async fn fx_in_force(
        &mut self,
        base: &str,
        quote: &str,
        at: Timestamp,
    ) -> Result<Option<FxRate>, StoreError> {
        Ok(
            on!(self, c => sqlx::query_as(FX_IN_FORCE).bind(base).bind(quote).bind(to_micros(at)).fetch_optional(c).await)?,
        )
    }

    /// Inserts a staged deck that nothing refers to yet.
    pub async fn stage_deck(&mut self, deck_id: i64, now: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DECK_STAGE).bind(deck_id).bind(to_micros(now)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Appends the next chunk to a staged deck; `false` if the deck no longer exists or has a different number of
    /// chunks.
    pub async fn stage_chunk(
        &mut self,
        deck_id: i64,
        seq: i64,
        body: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let touched = on!(self, c => sqlx::query(DECK_TOUCH).bind(deck_id).bind(to_micros(now)).bind(seq).execute(c).await
            .map(|done| done.rows_affected()))?;
        if touched == 1 {
            on!(self, c => sqlx::query(DECK_CHUNK_INSERT).bind(deck_id).bind(seq).bind(body).execute(c).await.map(drop))?;
        }
        Ok(touched == 1)
    }

    /// Completes a staged deck with this number of chunks; `false` if it no longer exists.
    pub async fn finish_deck(
        &mut self,
        deck_id: i64,
        chunks: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = on!(self, c => sqlx::query(DECK_PUBLISH).bind(deck_id).bind(to_micros(now)).bind(chunks).execute(c).await
            .map(|done| done.rows_affected()))?;
        Ok(done == 1)
    }

    /// Deletes the chunks of a staged deck from a sequence number on.
    pub async fn sweep_chunks(&mut self, deck_id: i64, from_seq: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DECK_SWEEP).bind(deck_id).bind(from_seq).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Deletes a staged deck without chunks.
    pub async fn forget_deck(&mut self, deck_id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DECK_FORGET).bind(deck_id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads the current version of each tariff, by name.
    pub async fn current_tariffs(&mut self) -> Result<Vec<TariffVersion>, StoreError> {
        current_tariffs(self).await
    }

    /// Inserts a tariff together with its first version.
    pub async fn insert_tariff(
        &mut self,
        tariff_id: i64,
        name: &str,
        kind: &str,
        currency: &str,
        version_id: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(TARIFF_INSERT).bind(tariff_id).bind(name).bind(kind).bind(currency).bind(version_id)
            .bind(to_micros(now)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Makes a version the current one of its tariff.
    pub async fn flip_tariff(&mut self, tariff_id: i64, version_id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(TARIFF_FLIP).bind(tariff_id).bind(version_id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Inserts a version; [`Tx::insert_tariff`] or [`Tx::flip_tariff`] makes it current.
    pub async fn insert_tariff_version(
        &mut self,
        version: &NewTariffVersion<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(TARIFF_VERSION_INSERT).bind(version.version_id).bind(version.tariff_id)
            .bind(version.number).bind(version.deck_id).bind(version.fx_rate_id).bind(version.priced_in)
            .bind(version.row_count).bind(version.prefix_count).bind(to_micros(now)).execute(c).await.map(drop))?;
        Ok(())
    }
}

async fn current_tariffs(session: &mut impl Session) -> Result<Vec<TariffVersion>, StoreError> {
    Ok(on!(session, c => sqlx::query_as(TARIFF_CURRENT).fetch_all(c).await)?)
}
