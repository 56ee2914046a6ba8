//! Trunks: carriers' endpoints with their buying tariffs.

use jiff::Timestamp;

use crate::store::{Session, Store, StoreError, Tx, on, row, to_micros};

row! {
    /// A carrier's endpoint.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TrunkRow {
        /// Its id.
        pub trunk_id: i64,
        /// Its name.
        pub name: String,
        /// The PJSIP endpoint.
        pub endpoint: String,
        /// The host of the dialled URI; the endpoint's own contact where none.
        pub host: Option<String>,
        /// The tariff it is bought by.
        pub tariff_id: i64,
        /// Breaks ties of price: the lower first.
        pub priority: i64,
        /// Breaks ties of priority: its share of the calls.
        pub weight: i64,
        /// Time zone of the tariff's windows and dates.
        pub zone: String,
        /// What is rounded to the increment.
        pub block_rounding: String,
        /// The most calls at once; unlimited where none.
        pub max_calls: Option<i64>,
        /// Digits taken off the front.
        pub strip: String,
        /// Digits put in front.
        pub prepend: String,
        /// Whether calls are routed over it.
        pub active: bool,
        /// When it was made, in microseconds since the epoch.
        pub created_at: i64,
    }
}

const TRUNK_INSERT: &str = include_str!("../../../sql/queries/trunk_insert.sql");
const TRUNK_LIST: &str = include_str!("../../../sql/queries/trunk_list.sql");

impl Store {
    /// Every trunk, by name.
    pub async fn trunks(&self) -> Result<Vec<TrunkRow>, StoreError> {
        trunks(&mut self.reader().await?).await
    }
}

impl Tx {
    /// Every trunk, by name.
    pub async fn trunks(&mut self) -> Result<Vec<TrunkRow>, StoreError> {
        trunks(self).await
    }

    /// Adds a trunk.
    pub async fn insert_trunk(&mut self, trunk: &TrunkRow, now: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(TRUNK_INSERT).bind(trunk.trunk_id).bind(&trunk.name).bind(&trunk.endpoint)
            .bind(&trunk.host).bind(trunk.tariff_id).bind(trunk.priority).bind(trunk.weight).bind(&trunk.zone)
            .bind(&trunk.block_rounding).bind(trunk.max_calls).bind(&trunk.strip).bind(&trunk.prepend).bind(trunk.active)
            .bind(to_micros(now)).execute(c).await.map(drop))?;
        Ok(())
    }
}

async fn trunks(session: &mut impl Session) -> Result<Vec<TrunkRow>, StoreError> {
    Ok(on!(session, c => sqlx::query_as(TRUNK_LIST).fetch_all(c).await)?)
}
