//! One transaction that carries many facts: the ledger's group commit.
//!
//! Everything in a batch is durable together or not at all. A row that the database refuses fails the whole batch;
//! finding that row and going on without it is the ledger's work.

mod known;

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use jiff::Timestamp;
use tollgate_rating::Money;
use tollgate_rating::credit::MAX_PAYERS;

use super::{
    Reserved, Store, StoreError, Tx, attempts,
    attempts::RefusalCount,
    cdr::{CallKey, CallKind, RefusedAttempt, Settlement},
    cdr_rows::{self, NewCdr, NewPayer},
    insert::{ManyRows, Value},
    on, open_calls,
    open_calls::OpenCall,
    posting::{CALL_REVENUE, Fence, Posted, Posting, RESOLD_CALLS, TaxBase},
    to_micros,
};

pub(super) static TRANSACTIONS: LazyLock<ManyRows> =
    LazyLock::new(|| ManyRows::insert("transactions", "id, at, kind, cdr_id, note", ""));
pub(super) static ENTRIES: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "entries",
        "id, at, tx_id, kind, account_id, amount, currency, tax_amount, tax_included",
        "",
    )
});
pub(super) static CALL_KEYS: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "call_keys",
        "server, unique_id, leg, cdr_id, run, batch, provisional",
        " ON CONFLICT (server, unique_id, leg) DO NOTHING RETURNING cdr_id",
    )
});

pub use self::known::RecordedCall;

/// The start that postings which are written outside of the ledger's batches are named for.
const OUTSIDE_THE_LEDGER: i64 = -1;

const ADD_REFERENCE: &str = include_str!("../../sql/queries/posting_reference_add.sql");
const FIND_REFERENCE: &str = include_str!("../../sql/queries/posting_reference_find.sql");

/// A batch's name: the start of a ledger ([`Store::count_run`]) and a number of its own.
///
/// A batch that is tried again after its commit's answer was lost finds its rows under its own name, and they are not
/// duplicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchName {
    /// The start of the ledger.
    pub run: i64,
    /// Its batch.
    pub batch: i64,
}

/// What a batch carries.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// The same each time that it is tried.
    pub name: BatchName,
    /// Calls that ended.
    pub settlements: Vec<&'a Settlement>,
    /// Calls that were granted; a key comes once.
    pub opened: &'a [OpenCall],
    /// Under which the openings are written: they hold credit.
    pub opened_under: Fence,
    /// Calls that hold nothing any more and cost nothing.
    pub voided: Vec<&'a CallKey>,
    /// Refused calls that get a CDR.
    pub refused: &'a [RefusedAttempt],
    /// Refused calls that are only counted; a source, reason and minute comes once.
    pub counts: &'a [RefusalCount],
    /// Money that moves without a call.
    pub postings: Vec<&'a Posting>,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its CDR: the first one's, if the call had been settled before.
    pub cdr_id: i64,
    /// Whether it had been: nothing was added.
    pub duplicate: bool,
    /// Whether that record was written without the call's ticket, so that a settlement with the ticket replaces it.
    pub provisional: bool,
    /// The record without the ticket that it replaces.
    pub replaced: Option<Replaced>,
}

/// A record that another one of the same call replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its id.
    pub cdr_id: i64,
    /// What it had charged each payer of the settlement, in their order.
    pub charges: [Money; MAX_PAYERS],
}

impl Settled {
    fn first(cdr_id: i64, settlement: &Settlement) -> Self {
        Self { cdr_id, duplicate: false, provisional: settlement.provisional, replaced: None }
    }
}

/// Why one posting of a batch was not written; the rest of the batch was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostingRefusal {
    /// Its lines do not sum to zero.
    #[error("the lines of a posting must sum to zero")]
    Unbalanced,
    /// Its owner's epoch is over.
    #[error("epoch {epoch} no longer owns the accounts")]
    StaleEpoch {
        /// The epoch it carried.
        epoch: i64,
    },
    /// Its reference names another posting.
    #[error("reference {reference:?} names another posting")]
    ReferenceTaken {
        /// The reference.
        reference: String,
    },
}

/// What became of a batch, in the order of what it carried.
#[derive(Debug, Default)]
pub struct Written {
    /// Of each settlement.
    pub settled: Vec<Settled>,
    /// Of each posting.
    pub posted: Vec<Result<Posted, PostingRefusal>>,
    /// Entries added.
    pub entries: usize,
    /// The openings were left out: their epoch is over.
    pub fenced: bool,
}

impl Store {
    /// Writes a batch and commits it.
    pub async fn write_batch(&self, batch: &Batch<'_>, at: Timestamp) -> Result<Written, StoreError> {
        let mut tx = self.begin().await?;
        let mut book = Book::open(&mut tx, batch, to_micros(at)).await?;
        let settled = book.settle(&mut tx, &batch.settlements).await?;
        let posted = book.post(&mut tx, &batch.postings).await?;
        let refused = book.refuse(batch.refused)?;
        cdr_rows::insert(&mut tx, &refused, book.at).await?;
        let entries = book.write(&mut tx).await?;
        let fenced = !batch.opened.is_empty() && !tx.allows(batch.opened_under).await?;
        open_calls::insert(&mut tx, if fenced { &[] } else { batch.opened }).await?;
        // An emergency call was never journalled: what stands under its key is another call's.
        let ended = batch.settlements.iter().filter(|settlement| settlement.cdr.kind == CallKind::Call);
        let ended = ended.map(|settlement| &settlement.key).chain(batch.voided.iter().copied());
        open_calls::delete(&mut tx, ended).await?;
        attempts::add(&mut tx, batch.counts).await?;
        tx.commit().await?;
        Ok(Written { settled, posted, entries, fenced })
    }
}

impl Tx {
    /// Writes one posting as part of a larger whole, which its caller commits: what the posting pays for and the posting
    /// are in the book together or not at all. Everything else goes through the ledger, which shares commits.
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

    /// As [`Tx::post`], of several: an answer for each, in order.
    pub async fn post_all(
        &mut self,
        postings: &[&Posting],
        at: Timestamp,
    ) -> Result<Vec<Result<Posted, PostingRefusal>>, StoreError> {
        let mut batch = Batch { postings: postings.to_vec(), ..Batch::default() };
        // No start of a ledger has this number; the transaction's id makes the name one of its own.
        batch.name.run = OUTSIDE_THE_LEDGER;
        let mut book = Book::open(self, &batch, to_micros(at)).await?;
        book.name = BatchName { run: OUTSIDE_THE_LEDGER, batch: book.next.transactions };
        let posted = book.post(self, &batch.postings).await?;
        book.write(self).await?;
        Ok(posted)
    }
}

/// The rows that a batch adds to the book, and the ids it has left.
struct Book<'a> {
    at: i64,
    name: BatchName,
    next: Reserved,
    transactions: Vec<Value<'a>>,
    entries: Vec<Value<'a>>,
}

impl<'a> Book<'a> {
    /// Reserves as many ids as the batch can need: duplicates leave some unused.
    async fn open(tx: &mut Tx, batch: &Batch<'_>, at: i64) -> Result<Self, StoreError> {
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

    /// Takes the calls' keys, and writes CDRs and entries of those that were free.
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
        // Those of known calls come after the records of this batch, which may be what they repeat or replace.
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

    fn new_cdr(&mut self, id: i64, settlement: &'a Settlement) -> Result<NewCdr<'a>, StoreError> {
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

    /// The entries of one call: each payer's charge goes to the account that collects it. A free call has none.
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

    /// Writes the postings that may be written.
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

    /// CDRs of refused calls.
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

    fn new_transaction(&mut self, kind: &'a str, cdr_id: Option<i64>, note: Option<&'a str>) -> i64 {
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

    fn new_entry(
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

    async fn write(&self, tx: &mut Tx) -> Result<usize, StoreError> {
        TRANSACTIONS.execute(tx, &self.transactions).await?;
        ENTRIES.execute(tx, &self.entries).await?;
        Ok(self.entries.len() / ENTRIES.columns())
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Inconsistent { table: "cdrs", reason: error.to_string() })
}

/// A length as an id's distance.
fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
