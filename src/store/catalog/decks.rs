//! Tariffs, the decks behind their versions, and exchange rates.

use jiff::Timestamp;

use crate::store::{Session, Store, StoreError, Tx, on, row, to_micros};

row! {
    /// One line of the exchange rates.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct FxRate {
        /// Its id; of two lines with one date the higher holds.
        pub id: i64,
        /// The currency that is priced.
        pub base: String,
        /// The currency it is priced in.
        pub quote: String,
        /// What one unit of `base` costs in `quote`, in 1e-12.
        pub rate_pico: i64,
        /// From when it holds, in microseconds since the epoch.
        pub valid_from: i64,
        /// When it was set, in microseconds since the epoch.
        pub set_at: i64,
    }
}

row! {
    /// A version of a tariff: a deck at an exchange rate.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TariffVersion {
        /// The tariff.
        pub tariff_id: i64,
        /// The tariff's name.
        pub name: String,
        /// What it prices: `voice` or `sms`.
        pub kind: String,
        /// The currency of the deck.
        pub currency: String,
        /// The version's id.
        pub version_id: i64,
        /// Its number in the tariff, from 1.
        pub number: i64,
        /// The deck.
        pub deck_id: i64,
        /// The line of exchange rates that it was priced with.
        pub fx_rate_id: Option<i64>,
        /// That line's rate.
        pub rate_pico: Option<i64>,
        /// The currency of its prices after conversion.
        pub priced_in: String,
        /// Rows of the deck.
        pub row_count: i64,
        /// Prefixes of the deck.
        pub prefix_count: i64,
        /// When it was published, in microseconds since the epoch.
        pub created_at: i64,
    }
}

row! {
    /// An import that never ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct StaleDeck {
        /// The deck.
        pub id: i64,
        /// Chunks it has.
        pub chunks: i64,
    }
}

/// A version to publish.
#[derive(Clone, Debug)]
pub struct NewTariffVersion<'a> {
    /// The tariff.
    pub tariff_id: i64,
    /// The version's own id.
    pub version_id: i64,
    /// Its number.
    pub number: i64,
    /// The deck.
    pub deck_id: i64,
    /// The line of exchange rates, where the deck needs one and one is known.
    pub fx_rate_id: Option<i64>,
    /// The wallets' currency.
    pub priced_in: &'a str,
    /// Rows of the deck.
    pub row_count: i64,
    /// Prefixes of the deck.
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
    /// Every exchange rate ever set, by pair and date.
    pub async fn fx_rates(&self) -> Result<Vec<FxRate>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(FX_LIST).fetch_all(c).await)?)
    }

    /// The exchange rate that holds at a moment.
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

    /// The current version of each tariff, by name.
    pub async fn current_tariffs(&self) -> Result<Vec<TariffVersion>, StoreError> {
        current_tariffs(&mut self.reader().await?).await
    }

    /// Any version, also one that is no longer current.
    pub async fn tariff_version(&self, version_id: i64) -> Result<Option<TariffVersion>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(TARIFF_VERSION).bind(version_id).fetch_optional(c).await)?)
    }

    /// A deck's text, chunk by chunk, each with its header.
    pub async fn deck_chunks(&self, deck_id: i64) -> Result<Vec<String>, StoreError> {
        let mut reader = self.reader().await?;
        let chunks: Vec<(String,)> =
            on!(&mut reader, c => sqlx::query_as(DECK_CHUNKS).bind(deck_id).fetch_all(c).await)?;
        Ok(chunks.into_iter().map(|(body,)| body).collect())
    }

    /// Staged decks that nobody has touched since.
    pub async fn stale_decks(&self, untouched_since: Timestamp) -> Result<Vec<StaleDeck>, StoreError> {
        let mut reader = self.reader().await?;
        let since = to_micros(untouched_since);
        Ok(on!(&mut reader, c => sqlx::query_as(DECK_STALE).bind(since).fetch_all(c).await)?)
    }
}

impl Tx {
    /// Adds an exchange rate.
    pub async fn insert_fx_rate(&mut self, rate: &FxRate) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(FX_INSERT).bind(rate.id).bind(&rate.base).bind(&rate.quote).bind(rate.rate_pico)
            .bind(rate.valid_from).bind(rate.set_at).execute(c).await.map(drop))?;
        Ok(())
    }

    /// The exchange rate that holds at a moment.
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

    /// Begins a deck that nothing refers to yet.
    pub async fn stage_deck(&mut self, deck_id: i64, now: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DECK_STAGE).bind(deck_id).bind(to_micros(now)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Adds the next chunk to a staged deck; false where the deck is no longer there, or has another number of chunks.
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

    /// Makes a staged deck of so many chunks a whole one; false where it is no longer there.
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

    /// Deletes the chunks of a staged deck from that one on.
    pub async fn sweep_chunks(&mut self, deck_id: i64, from_seq: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DECK_SWEEP).bind(deck_id).bind(from_seq).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Deletes a staged deck whose chunks are gone.
    pub async fn forget_deck(&mut self, deck_id: i64) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DECK_FORGET).bind(deck_id).execute(c).await.map(drop))?;
        Ok(())
    }

    /// The current version of each tariff, by name.
    pub async fn current_tariffs(&mut self) -> Result<Vec<TariffVersion>, StoreError> {
        current_tariffs(self).await
    }

    /// Adds a tariff whose first version is inserted with it.
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

    /// Adds a version; it is current once [`Tx::insert_tariff`] or [`Tx::flip_tariff`] says so.
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
