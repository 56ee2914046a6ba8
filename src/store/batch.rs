//! A transaction with many facts: the ledger's group commit.
//!
//! Everything in a batch is durable together or not at all. A row that the database refuses fails the whole batch; the
//! ledger finds that row and writes the rest without it.

mod content;
mod known;
mod rows;

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use self::rows::{BatchRows, count, json};
use super::{
    Store, StoreError, Tx, attempts,
    cdr::{CallKind, RefusedAttempt, Settlement},
    cdr_rows::{self, NewCdr, NewPayer},
    insert::Value,
    on, open_calls,
    posting::{Fence, Posted, Posting},
    to_micros,
};

pub use self::content::{Batch, BatchName, PostingRefusal, Replaced, Settled, Written};
pub use self::known::RecordedCall;
pub(super) use self::rows::{CALL_KEYS, ENTRIES, TRANSACTIONS};

/// Run number of postings that are written outside of the ledger's batches.
const OUTSIDE_THE_LEDGER: i64 = -1;

const ADD_REFERENCE: &str = include_str!("../../sql/queries/posting_reference_add.sql");
const FIND_REFERENCE: &str = include_str!("../../sql/queries/posting_reference_find.sql");

impl Store {
    /// Writes a batch and commits it.
    pub async fn write_batch(&self, batch: &Batch<'_>, at: Timestamp) -> Result<Written, StoreError> {
        let mut tx = self.begin().await?;
        let mut rows = BatchRows::open(&mut tx, batch, to_micros(at)).await?;
        let settled = rows.settle(&mut tx, &batch.settlements).await?;
        let posted = rows.post(&mut tx, &batch.postings).await?;
        let refused = rows.refuse(batch.refused)?;
        cdr_rows::insert(&mut tx, &refused, rows.at).await?;
        let entries = rows.write(&mut tx).await?;
        let fenced = !batch.opened.is_empty() && !tx.allows(batch.opened_under).await?;
        open_calls::insert(&mut tx, if fenced { &[] } else { batch.opened }).await?;
        // An emergency call was never journalled: an open call under its key is a different call.
        let ended = batch.settlements.iter().filter(|settlement| settlement.cdr.kind == CallKind::Call);
        let ended = ended.map(|settlement| &settlement.key).chain(batch.voided.iter().copied());
        open_calls::delete(&mut tx, ended).await?;
        attempts::add(&mut tx, batch.counts).await?;
        tx.commit().await?;
        Ok(Written { settled, posted, entries, fenced })
    }
}

impl Tx {
    /// Writes one posting as part of a larger transaction, which its caller commits: the posting and the thing it pays
    /// for are in the ledger together or not at all. All other postings go through the ledger, which shares commits.
    pub async fn post(
        &mut self,
        posting: &Posting,
        at: Timestamp,
    ) -> Result<Result<Posted, PostingRefusal>, StoreError> {
        let posted = self.post_all(&[posting], at).await?;
        let refused =
            || StoreError::Inconsistent { table: "entries", reason: "a posting got no answer".to_owned() };
        posted.into_iter().next().ok_or_else(refused)
    }

    /// Like [`Tx::post`] for several postings; returns a result for each, in order.
    pub async fn post_all(
        &mut self,
        postings: &[&Posting],
        at: Timestamp,
    ) -> Result<Vec<Result<Posted, PostingRefusal>>, StoreError> {
        let mut batch = Batch { postings: postings.to_vec(), ..Batch::default() };
        // No run of a ledger has this number; the transaction's id makes the name unique.
        batch.name.run = OUTSIDE_THE_LEDGER;
        let mut rows = BatchRows::open(self, &batch, to_micros(at)).await?;
        rows.name = BatchName { run: OUTSIDE_THE_LEDGER, batch: rows.next.transactions };
        let posted = rows.post(self, &batch.postings).await?;
        rows.write(self).await?;
        Ok(posted)
    }
}

impl<'a> BatchRows<'a> {
    /// Claims the calls' keys, and writes CDRs and entries of those that were free.
    async fn settle(
        &mut self,
        tx: &mut Tx,
        settlements: &[&'a Settlement],
    ) -> Result<Vec<Settled>, StoreError> {
        let first_id = self.next.cdrs;
        self.next.cdrs += count(settlements.len());
        let mut keys = Vec::with_capacity(settlements.len() * CALL_KEYS.columns());
        for (id, settlement) in (first_id..).zip(settlements) {
            let key = &settlement.key;
            keys.extend([
                Value::Text(&key.server),
                Value::Text(&key.unique_id),
                Value::Int(i64::from(key.leg)),
                Value::Int(id),
                Value::Int(self.name.run),
                Value::Int(self.name.batch),
                Value::Bool(settlement.provisional),
            ]);
        }
        let fresh: HashSet<i64> = CALL_KEYS.returning(tx, &keys).await?.into_iter().collect();
        let mut cdrs = Vec::new();
        for (id, &settlement) in (first_id..).zip(settlements) {
            if fresh.contains(&id) {
                cdrs.push(self.new_cdr(id, settlement)?);
            }
        }
        cdr_rows::insert(tx, &cdrs, self.at).await?;
        // Known calls come after the records of this batch, which they may repeat or replace.
        let mut settled: Vec<Settled> = Vec::with_capacity(settlements.len());
        for (id, &settlement) in (first_id..).zip(settlements) {
            let outcome = if fresh.contains(&id) {
                Settled::first(id, settlement)
            } else {
                self.settle_known_call(tx, id, settlement, &settled).await?
            };
            settled.push(outcome);
        }
        Ok(settled)
    }

    /// Writes the valid postings.
    async fn post(
        &mut self,
        tx: &mut Tx,
        postings: &[&'a Posting],
    ) -> Result<Vec<Result<Posted, PostingRefusal>>, StoreError> {
        let mut owned: HashMap<i64, bool> = HashMap::new();
        let mut posted: Vec<Result<Posted, PostingRefusal>> = Vec::with_capacity(postings.len());
        for &posting in postings {
            if let Fence::Owner { epoch } = posting.fence
                && let std::collections::hash_map::Entry::Vacant(unknown) = owned.entry(epoch)
            {
                unknown.insert(tx.allows(posting.fence).await?);
            }
            let outcome = match posting.fence {
                _ if !posting.balances() => Err(PostingRefusal::Unbalanced),
                Fence::Owner { epoch } if owned.get(&epoch) != Some(&true) => {
                    Err(PostingRefusal::StaleEpoch { epoch })
                }
                _ => self.post_one(tx, posting).await?,
            };
            posted.push(outcome.map(|Posted { tx_id, duplicate }| {
                let earlier = posted.iter().any(|other| matches!(other, Ok(other) if other.tx_id == tx_id));
                Posted { tx_id, duplicate: duplicate || earlier }
            }));
        }
        Ok(posted)
    }

    async fn post_one(
        &mut self,
        tx: &mut Tx,
        posting: &'a Posting,
    ) -> Result<Result<Posted, PostingRefusal>, StoreError> {
        if let Some(reference) = &posting.reference {
            let (scope, text, tx_id) = (reference.scope, reference.text.as_str(), self.next.transactions);
            let fingerprint = posting.fingerprint();
            let added = on!(tx, c => sqlx::query(ADD_REFERENCE).bind(&posting.kind).bind(scope).bind(text).bind(tx_id)
                .bind(&fingerprint).bind(self.name.run).bind(self.name.batch).execute(c).await.map(|done| done.rows_affected()))?;
            if added == 0 {
                let (tx_id, first, run, batch): (i64, String, i64, i64) = on!(tx, c => sqlx::query_as(FIND_REFERENCE).bind(&posting.kind)
                    .bind(scope).bind(text).fetch_one(c).await)?;
                return Ok(if first == fingerprint {
                    Ok(Posted { tx_id, duplicate: self.name != BatchName { run, batch } })
                } else {
                    Err(PostingRefusal::ReferenceTaken { reference: text.to_owned() })
                });
            }
        }
        let tx_id = self.new_transaction(&posting.kind, None, posting.note.as_deref());
        for line in &posting.lines {
            let tax = (line.tax.nanos(), line.tax_base);
            self.new_entry(
                tx_id,
                &posting.kind,
                line.account_id,
                line.amount.nanos(),
                &posting.currency,
                tax,
            );
        }
        Ok(Ok(Posted { tx_id, duplicate: false }))
    }

    /// Adds CDRs of refused calls.
    fn refuse(&mut self, refused: &'a [RefusedAttempt]) -> Result<Vec<NewCdr<'a>>, StoreError> {
        let first_id = self.next.cdrs;
        self.next.cdrs += count(refused.len());
        (first_id..)
            .zip(refused)
            .map(|(id, attempt)| {
                Ok(NewCdr {
                    id,
                    tx_id: None,
                    key: &attempt.key,
                    draft: &attempt.cdr,
                    payers: attempt.account_ids.iter().copied().map(NewPayer::Named).collect(),
                    buy: None,
                    attempts: json(&attempt.cdr.attempts)?,
                })
            })
            .collect()
    }
}
