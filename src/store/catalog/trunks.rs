//! Trunks: carriers' endpoints with their buying tariffs.

use jiff::Timestamp;

use crate::store::{Session, Store, StoreError, Tx, on, row, to_micros};

row! {
    /// A carrier's endpoint.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TrunkRow {
        /// Id of the trunk.
        pub trunk_id: i64,
        /// Name of the trunk.
        pub name: String,
        /// PJSIP endpoint.
        pub endpoint: String,
        /// Host of the dialled URI; `None` for the endpoint's own contact.
        pub host: Option<String>,
        /// Id of its buying tariff.
        pub tariff_id: i64,
        /// Priority among trunks of equal price: lower goes first.
        pub priority: i64,
        /// Share of the calls among trunks of equal price and priority.
        pub weight: i64,
        /// Time zone of the tariff's time windows and dates.
        pub zone: String,
        /// Duration rounded to the increment.
        pub block_rounding: String,
        /// Maximum concurrent calls; `None` is unlimited.
        pub max_calls: Option<i64>,
        /// Digits removed from the front.
        pub strip: String,
        /// Digits prepended.
        pub prepend: String,
        /// True if calls are routed over it.
        pub active: bool,
        /// Time of creation in microseconds since the epoch.
        pub created_at: i64,
    }
}

const TRUNK_INSERT: &str = include_str!("../../../sql/queries/trunk_insert.sql");
const TRUNK_LIST: &str = include_str!("../../../sql/queries/trunk_list.sql");

impl Store {
    /// Reads every trunk, by name.
    pub async fn trunks(&self) -> Result<Vec<TrunkRow>, StoreError> {
        trunks(&mut self.reader().await?).await
    }
}

impl Tx {
    /// Reads every trunk, by name.
    pub async fn trunks(&mut self) -> Result<Vec<TrunkRow>, StoreError> {
        trunks(self).await
    }

    /// Inserts a trunk.
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
