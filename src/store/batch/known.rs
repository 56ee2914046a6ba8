//! Settlements of calls with an existing key: repetitions, corrections, and calls whose unique id occurred twice.
//!
//! | the key's record | the settlement | outcome |
//! |---|---|---|
//! | of another grant, by its time | any with a payer | written under its own key, once |
//! | with the ticket, or replaced already | any | a repetition: nothing is written |
//! | without the ticket | without the ticket | a repetition: nothing is written |
//! | without the ticket | with the ticket | the record's charges are cancelled and the settlement is written, once |

use tollgate_rating::Money;
use tollgate_rating::credit::MAX_PAYERS;

use super::content::{BatchName, Replaced, Settled};
use super::rows::{BatchRows, CALL_KEYS, count};
use crate::store::{
    Reserved, Store, StoreError, Tx,
    cdr::{CallKey, Settlement},
    cdr_rows::{self, NewCdr},
    insert::Value,
    on,
    posting::{CALL_REVENUE, RESOLD_CALLS, TaxBase},
    row, to_micros,
};

const FIND_CALL: &str = include_str!("../../../sql/queries/call_key_find.sql");
const ADD_CORRECTION: &str = include_str!("../../../sql/queries/call_correction_add.sql");
const CHARGES: &str = include_str!("../../../sql/queries/cdr_charges.sql");

row! {
    /// The record of a call's key.
    #[derive(Clone, Copy, Debug)]
    struct KnownCall {
        cdr_id: i64,
        run: i64,
        batch: i64,
        provisional: bool,
        setup_at: i64,
        corrected_cdr: Option<i64>,
        corrected_run: Option<i64>,
        corrected_batch: Option<i64>,
    }
}

impl KnownCall {
    fn name(&self) -> BatchName {
        BatchName { run: self.run, batch: self.batch }
    }

    /// Returns the record that replaced the first one, and the batch that wrote it.
    fn correction(&self) -> Option<(i64, BatchName)> {
        let name = BatchName { run: self.corrected_run?, batch: self.corrected_batch? };
        Some((self.corrected_cdr?, name))
    }

    /// Returns the record in effect.
    fn counting_cdr(&self) -> i64 {
        self.corrected_cdr.unwrap_or(self.cdr_id)
    }
}

/// The record in effect of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    /// Id of its CDR.
    pub cdr_id: i64,
    /// Time the call was granted, in microseconds since the epoch: two calls of one unique id differ in it.
    pub setup_at: i64,
    /// True if it was written without the call's ticket.
    pub provisional: bool,
    /// Id of the record that it replaces.
    pub replaced: Option<i64>,
}

impl Store {
    /// Reads the record in effect of a call, if it has one.
    pub async fn recorded_call(&self, key: &CallKey) -> Result<Option<RecordedCall>, StoreError> {
        let mut reader = self.reader().await?;
        let known: Option<KnownCall> = on!(&mut reader, c => sqlx::query_as(FIND_CALL).bind(&key.server)
            .bind(&key.unique_id).bind(i64::from(key.leg)).fetch_optional(c).await)?;
        Ok(known.map(|known| RecordedCall {
            cdr_id: known.counting_cdr(),
            setup_at: known.setup_at,
            provisional: known.provisional && known.corrected_cdr.is_none(),
            replaced: known.corrected_cdr.map(|_| known.cdr_id),
        }))
    }
}

impl<'a> BatchRows<'a> {
    /// Writes the new part of a settlement whose key exists; `id` is the CDR id to use if it gets a record. `earlier`
    /// holds the results of the settlements before it in the batch.
    pub(super) async fn settle_known_call(
        &mut self,
        tx: &mut Tx,
        id: i64,
        settlement: &'a Settlement,
        earlier: &[Settled],
    ) -> Result<Settled, StoreError> {
        let known = find_call(tx, &settlement.key).await?;
        if known.setup_at == to_micros(settlement.cdr.setup_at) || settlement.payers.is_empty() {
            return self.repeat_or_correct(tx, id, settlement, &settlement.key, known, earlier).await;
        }
        let key = settlement.key_apart();
        if self.take_key(tx, &key, id, settlement.provisional).await? {
            tracing::error!(call.key = ?key, "a unique id came twice; the later call has a key of its own");
            let cdr = self.new_cdr(id, settlement)?;
            cdr_rows::insert(tx, &[NewCdr { key: &key, ..cdr }], self.at).await?;
            return Ok(Settled::first(id, settlement));
        }
        let known = find_call(tx, &key).await?;
        self.repeat_or_correct(tx, id, settlement, &key, known, earlier).await
    }

    /// Claims a key for a record; `false` if it exists already.
    async fn take_key(
        &self,
        tx: &mut Tx,
        key: &CallKey,
        id: i64,
        provisional: bool,
    ) -> Result<bool, StoreError> {
        let row = [
            Value::Text(&key.server),
            Value::Text(&key.unique_id),
            Value::Int(i64::from(key.leg)),
            Value::Int(id),
            Value::Int(self.name.run),
            Value::Int(self.name.batch),
            Value::Bool(provisional),
        ];
        Ok(!CALL_KEYS.returning(tx, &row).await?.is_empty())
    }

    async fn repeat_or_correct(
        &mut self,
        tx: &mut Tx,
        id: i64,
        settlement: &'a Settlement,
        key: &CallKey,
        known: KnownCall,
        earlier: &[Settled],
    ) -> Result<Settled, StoreError> {
        // Written by an earlier attempt at this batch whose commit is in doubt, and by nothing else in it.
        let is_own = |cdr_id: i64, name: BatchName| {
            name == self.name && !earlier.iter().any(|settled| settled.cdr_id == cdr_id)
        };
        if settlement.provisional {
            let own = known.provisional && is_own(known.cdr_id, known.name());
            return Ok(Settled {
                cdr_id: if own { known.cdr_id } else { known.counting_cdr() },
                duplicate: !own,
                provisional: known.provisional && (own || known.corrected_cdr.is_none()),
                replaced: None,
            });
        }
        if let Some((cdr_id, name)) = known.correction() {
            let replaced = self.replaced(tx, known.cdr_id, settlement).await?;
            return Ok(Settled {
                cdr_id,
                duplicate: !is_own(cdr_id, name),
                provisional: false,
                replaced: Some(replaced),
            });
        }
        if !known.provisional {
            let duplicate = !is_own(known.cdr_id, known.name());
            return Ok(Settled { cdr_id: known.cdr_id, duplicate, provisional: false, replaced: None });
        }
        self.correct(tx, id, settlement, key, known.cdr_id).await
    }

    /// Cancels the charges of a record written without the ticket, and writes the settlement with it.
    async fn correct(
        &mut self,
        tx: &mut Tx,
        id: i64,
        settlement: &'a Settlement,
        key: &CallKey,
        replaced_cdr: i64,
    ) -> Result<Settled, StoreError> {
        let charged: Vec<(i64, i64)> =
            on!(tx, c => sqlx::query_as(CHARGES).bind(replaced_cdr).fetch_all(c).await)?;
        let replaced = Replaced::of(replaced_cdr, settlement, &charged);
        let need = Reserved {
            transactions: 2,
            entries: count((charged.len() + settlement.payers.len()) * 2),
            ..Reserved::default()
        };
        // The batch reserved the ids that calls need; the row of the counters is locked, so these are the next ones.
        let rest = std::mem::replace(&mut self.next, tx.reserve_ids(need).await?);
        let reversal_tx = self.reverse(settlement, &charged);
        let cdr = self.new_cdr(id, settlement);
        self.next = rest;
        cdr_rows::insert(tx, &[NewCdr { key, ..cdr? }], self.at).await?;
        let BatchName { run, batch } = self.name;
        on!(tx, c => sqlx::query(ADD_CORRECTION).bind(&key.server).bind(&key.unique_id).bind(i64::from(key.leg))
            .bind(id).bind(replaced_cdr).bind(reversal_tx).bind(run).bind(batch).execute(c).await.map(drop))?;
        Ok(Settled { cdr_id: id, duplicate: false, provisional: false, replaced: Some(replaced) })
    }

    /// Adds the entries that cancel a record's charges; none if the call was free.
    fn reverse(&mut self, settlement: &'a Settlement, charged: &[(i64, i64)]) -> Option<i64> {
        if charged.iter().all(|(_, charge)| *charge == 0) {
            return None;
        }
        let tx_id = self.new_transaction("call_reversal", None, None);
        let currency = &settlement.cdr.currency;
        for (position, &(account_id, charge)) in charged.iter().enumerate() {
            let collected = if position + 1 == charged.len() { CALL_REVENUE } else { RESOLD_CALLS };
            if charge != 0 {
                for (account_id, amount) in [(account_id, charge), (collected, charge.saturating_neg())] {
                    self.new_entry(tx_id, "call_reversal", account_id, amount, currency, (0, TaxBase::Net));
                }
            }
        }
        Some(tx_id)
    }

    async fn replaced(
        &self,
        tx: &mut Tx,
        cdr_id: i64,
        settlement: &Settlement,
    ) -> Result<Replaced, StoreError> {
        let charged: Vec<(i64, i64)> = on!(tx, c => sqlx::query_as(CHARGES).bind(cdr_id).fetch_all(c).await)?;
        Ok(Replaced::of(cdr_id, settlement, &charged))
    }
}

impl Replaced {
    fn of(cdr_id: i64, settlement: &Settlement, before: &[(i64, i64)]) -> Self {
        let mut charges = [Money::ZERO; MAX_PAYERS];
        for (charge, payer) in charges.iter_mut().zip(&settlement.payers) {
            let found = before.iter().find(|(account_id, _)| *account_id == payer.account_id);
            *charge = found.map_or(Money::ZERO, |(_, nanos)| Money::from_nanos(*nanos));
        }
        Self { cdr_id, charges }
    }
}

async fn find_call(tx: &mut Tx, key: &CallKey) -> Result<KnownCall, StoreError> {
    Ok(on!(tx, c => sqlx::query_as(FIND_CALL).bind(&key.server).bind(&key.unique_id)
        .bind(i64::from(key.leg)).fetch_one(c).await)?)
}
