//! The journal of calls that hold credit, from which a restarted process recovers the calls it had granted.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tollgate_rating::Money;

use super::{
    Session, Store, StoreError,
    cdr::CallKey,
    from_micros,
    insert::{ManyRows, Value},
    on, row, to_micros,
};

/// The amount that a payer holds for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Account of the wallet.
    pub account_id: i64,
    /// Amount held.
    pub amount: Money,
}

/// A granted call that is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// Key of the call.
    pub key: CallKey,
    /// Signed reference to its grant.
    pub ticket: String,
    /// Amounts held, the client's first.
    pub held: Vec<Held>,
    /// Time of the grant.
    pub granted_at: Timestamp,
    /// Time up to which the holds pay for it.
    pub hold_until: Timestamp,
    /// Epoch of the owner that granted it.
    pub epoch: i64,
    /// Seconds of talk that the holds pay for.
    pub funded_seconds: u32,
    /// Time limit set in Asterisk, in seconds after the answer; more than `funded_seconds` only where the operator lets
    /// calls run to their grant.
    pub pushed_seconds: u32,
    /// Time of answer, if known.
    pub answered_at: Option<Timestamp>,
    /// Time of its last proof of life before this was written, once answered.
    pub alive_at: Option<Timestamp>,
}

/// Statement that inserts granted calls; the rows are built in the caller's thread.
pub(super) static OPENED: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "open_calls",
        "server, unique_id, leg, ticket, payers, granted_at, hold_until, epoch, \
         funded_seconds, pushed_seconds, answered_at, alive_at",
        " ON CONFLICT (server, unique_id, leg) DO UPDATE SET ticket = excluded.ticket, payers = excluded.payers, \
         granted_at = excluded.granted_at, hold_until = excluded.hold_until, epoch = excluded.epoch, \
         funded_seconds = excluded.funded_seconds, pushed_seconds = excluded.pushed_seconds, \
         answered_at = excluded.answered_at, alive_at = excluded.alive_at",
    )
});
pub(super) static CLOSED: LazyLock<ManyRows> = LazyLock::new(|| ManyRows::delete_calls("open_calls"));

const LOAD: &str = include_str!("../../sql/queries/open_calls_load.sql");

row! {
    struct OpenCallRow {
        server: String,
        unique_id: String,
        leg: i64,
        ticket: String,
        payers: String,
        granted_at: i64,
        hold_until: i64,
        epoch: i64,
        funded_seconds: i64,
        pushed_seconds: i64,
        answered_at: Option<i64>,
        alive_at: Option<i64>,
    }
}

/// Journals calls; a call already in the journal (with a renewed grant) is replaced.
///
/// Each key must occur at most once in `calls`: `PostgreSQL` refuses to update a row twice in a statement.
pub(super) async fn insert(tx: &mut impl Session, calls: &[OpenCall]) -> Result<(), StoreError> {
    let held: Vec<String> = calls
        .iter()
        .map(|call| serde_json::to_string(&call.held))
        .collect::<Result<_, _>>()
        .map_err(inconsistent)?;
    let mut rows = Vec::with_capacity(calls.len() * 12);
    for (call, held) in calls.iter().zip(&held) {
        rows.extend([
            Value::Text(&call.key.server),
            Value::Text(&call.key.unique_id),
            Value::Int(i64::from(call.key.leg)),
            Value::Text(&call.ticket),
            Value::Text(held),
            Value::Int(to_micros(call.granted_at)),
            Value::Int(to_micros(call.hold_until)),
            Value::Int(call.epoch),
            Value::Int(i64::from(call.funded_seconds)),
            Value::Int(i64::from(call.pushed_seconds)),
            Value::IntOr(call.answered_at.map(to_micros)),
            Value::IntOr(call.alive_at.map(to_micros)),
        ]);
    }
    OPENED.execute(tx, &rows).await
}

/// Removes calls from the journal; calls that are not in it are ignored.
pub(super) async fn delete(
    tx: &mut impl Session,
    keys: impl Iterator<Item = &CallKey> + Send,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for key in keys {
        rows.extend([Value::Text(&key.server), Value::Text(&key.unique_id), Value::Int(i64::from(key.leg))]);
    }
    CLOSED.execute(tx, &rows).await
}

impl Store {
    /// Reads every call in the journal, oldest grant first. Used once, at the start.
    pub async fn open_calls(&self) -> Result<Vec<OpenCall>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<OpenCallRow> = on!(&mut reader, c => sqlx::query_as(LOAD).fetch_all(c).await)?;
        rows.into_iter().map(OpenCall::try_from).collect()
    }

    /// Removes a call from the journal outside of the ledger's batches.
    pub async fn delete_open_call(&self, key: &CallKey) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        delete(&mut tx, std::iter::once(key)).await?;
        tx.commit().await
    }
}

impl TryFrom<OpenCallRow> for OpenCall {
    type Error = StoreError;

    fn try_from(row: OpenCallRow) -> Result<Self, StoreError> {
        Ok(Self {
            key: CallKey {
                server: row.server,
                unique_id: row.unique_id,
                leg: u32::try_from(row.leg).map_err(inconsistent)?,
            },
            ticket: row.ticket,
            held: serde_json::from_str(&row.payers).map_err(inconsistent)?,
            granted_at: from_micros(row.granted_at),
            hold_until: from_micros(row.hold_until),
            epoch: row.epoch,
            funded_seconds: u32::try_from(row.funded_seconds).map_err(inconsistent)?,
            pushed_seconds: u32::try_from(row.pushed_seconds).map_err(inconsistent)?,
            answered_at: row.answered_at.map(from_micros),
            alive_at: row.alive_at.map(from_micros),
        })
    }
}

fn inconsistent(error: impl std::fmt::Display) -> StoreError {
    StoreError::Inconsistent { table: "open_calls", reason: error.to_string() }
}
