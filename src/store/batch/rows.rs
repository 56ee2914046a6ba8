//! The rows that a batch adds to the ledger's tables.

use std::sync::LazyLock;

use super::content::{Batch, BatchName};
use crate::store::{
    Reserved, StoreError, Tx,
    cdr::Settlement,
    cdr_rows::NewCdr,
    insert::{ManyRows, Value},
    posting::{CALL_REVENUE, RESOLD_CALLS, TaxBase},
};

pub(crate) static TRANSACTIONS: LazyLock<ManyRows> =
    LazyLock::new(|| ManyRows::insert("transactions", "id, at, kind, cdr_id, note", ""));
pub(crate) static ENTRIES: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "entries",
        "id, at, tx_id, kind, account_id, amount, currency, tax_amount, tax_included",
        "",
    )
});
pub(crate) static CALL_KEYS: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "call_keys",
        "server, unique_id, leg, cdr_id, run, batch, provisional",
        " ON CONFLICT (server, unique_id, leg) DO NOTHING RETURNING cdr_id",
    )
});

/// The rows that a batch adds, and its reserved ids that are still unused.
pub(super) struct BatchRows<'a> {
    pub(super) at: i64,
    pub(super) name: BatchName,
    pub(super) next: Reserved,
    transactions: Vec<Value<'a>>,
    entries: Vec<Value<'a>>,
}

impl<'a> BatchRows<'a> {
    /// Reserves as many ids as the batch can need: duplicates leave some unused.
    pub(super) async fn open(tx: &mut Tx, batch: &Batch<'_>, at: i64) -> Result<Self, StoreError> {
        let (calls, postings) = (batch.settlements.len(), batch.postings.len());
        let payers: usize = batch.settlements.iter().map(|settlement| settlement.payers.len()).sum();
        let lines: usize = batch.postings.iter().map(|posting| posting.lines.len()).sum();
        let need = Reserved {
            transactions: count(calls + postings),
            entries: count(payers * 2 + lines),
            cdrs: count(calls + batch.refused.len()),
            changes: 0,
        };
        let next = if need == Reserved::default() { need } else { tx.reserve_ids(need).await? };
        Ok(Self { at, name: batch.name, next, transactions: Vec::new(), entries: Vec::new() })
    }

    pub(super) fn new_cdr(&mut self, id: i64, settlement: &'a Settlement) -> Result<NewCdr<'a>, StoreError> {
        Ok(NewCdr {
            id,
            tx_id: self.charge(id, settlement),
            key: &settlement.key,
            draft: &settlement.cdr,
            payers: settlement.payers.iter().map(NewCdr::charged).collect(),
            buy: settlement.buy.as_ref(),
            attempts: json(&settlement.cdr.attempts)?,
        })
    }

    /// Adds the entries of one call: each payer's charge goes to the account that collects it. A free call has none.
    fn charge(&mut self, cdr_id: i64, settlement: &'a Settlement) -> Option<i64> {
        if settlement.payers.iter().all(|payer| payer.charge.nanos() == 0) {
            return None;
        }
        let tx_id = self.new_transaction("call", Some(cdr_id), None);
        let top = settlement.payers.len() - 1;
        for (position, payer) in settlement.payers.iter().enumerate() {
            let amount = payer.charge.nanos();
            let collected = if position == top { CALL_REVENUE } else { RESOLD_CALLS };
            if amount != 0 {
                let currency = &settlement.cdr.currency;
                self.new_entry(
                    tx_id,
                    "call",
                    payer.account_id,
                    amount.saturating_neg(),
                    currency,
                    (0, TaxBase::Net),
                );
                self.new_entry(tx_id, "call", collected, amount, currency, (0, TaxBase::Net));
            }
        }
        Some(tx_id)
    }

    pub(super) fn new_transaction(
        &mut self,
        kind: &'a str,
        cdr_id: Option<i64>,
        note: Option<&'a str>,
    ) -> i64 {
        let id = self.next.transactions;
        self.next.transactions += 1;
        self.transactions.extend([
            Value::Int(id),
            Value::Int(self.at),
            Value::Text(kind),
            Value::IntOr(cdr_id),
            Value::TextOr(note),
        ]);
        id
    }

    pub(super) fn new_entry(
        &mut self,
        tx_id: i64,
        kind: &'a str,
        account_id: i64,
        amount: i64,
        currency: &'a str,
        (tax, tax_base): (i64, TaxBase),
    ) {
        self.entries.extend([
            Value::Int(self.next.entries),
            Value::Int(self.at),
            Value::Int(tx_id),
            Value::Text(kind),
            Value::Int(account_id),
            Value::Int(amount),
            Value::Text(currency),
            Value::Int(tax),
            Value::Bool(tax_base == TaxBase::Gross),
        ]);
        self.next.entries += 1;
    }

    pub(super) async fn write(&self, tx: &mut Tx) -> Result<usize, StoreError> {
        TRANSACTIONS.execute(tx, &self.transactions).await?;
        ENTRIES.execute(tx, &self.entries).await?;
        Ok(self.entries.len() / ENTRIES.columns())
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Inconsistent { table: "cdrs", reason: error.to_string() })
}

/// Converts a length to a distance between ids.
pub(super) fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
