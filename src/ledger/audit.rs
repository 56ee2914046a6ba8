//! Audit of the ledger: recomputes every derived value from its inputs and reports each difference.
//!
//! - every transaction sums to zero in each currency, and every entry has its transaction;
//! - every checkpoint is the sum of its account's entries;
//! - every call's charges and cost are what its own rates say for its own durations, its margin what remains of them,
//!   and its ledger entries are exactly those charges;
//! - every call key names one CDR, and every CDR except those of refused calls has a key;
//! - the charges of a replaced record are cancelled once (`audit::corrections`);
//! - every sent message is charged once, an unsent one never, and holds equal the cost of waiting messages
//!   (`audit::messages`);
//! - every eSIM order is charged once to all payers or not at all, and held while it waits (`audit::esim`).
//!
//! The audit reads page by page: its memory grows with the number of accounts, not of calls and messages.

mod corrections;
mod esim;
mod messages;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
};

use serde::Serialize;
use tollgate_rating::CallRate;

use crate::store::{
    Head, Store, StoreError,
    audit::{CallEntryRow, CallPage, CallRow, CheckpointRow, EntryRow, PayerRow},
    from_micros,
    posting::{CALL_REVENUE, LAST_SYSTEM_ACCOUNT, RESOLD_CALLS},
};

/// Maximum number of differences listed individually; a damaged ledger may have millions.
const NAMED_DIFFERENCES: usize = 1_000;
const NANOS_PER_UNIT: i128 = 1_000_000_000;

/// A value in the ledger that disagrees with the values it is derived from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Category of the difference.
    pub kind: &'static str,
    /// Subject: `call 12 payer 100`, `transaction 7`, …
    pub subject: String,
    /// Expected value.
    pub expected: String,
    /// Actual value.
    pub found: String,
}

/// Result of the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// True if nothing differs.
    pub ok: bool,
    /// Number of wallets with entries.
    pub wallets: u64,
    /// Number of entries read.
    pub entries: u64,
    /// Number of calls checked, refused ones included.
    pub calls: u64,
    /// Number of messages checked.
    pub messages: u64,
    /// The first thousand differences.
    pub differences: Vec<Difference>,
    /// Number of differences beyond those listed.
    pub more_differences: u64,
}

/// Audits the ledger in its current state; settlements may continue meanwhile.
pub async fn audit(store: &Store) -> Result<AuditReport, StoreError> {
    let checkpoints = store.audit_checkpoints().await?;
    let head = store.head().await?;
    let mut audit = Audit::default();
    audit.entries(store, head, &checkpoints).await?;
    audit.transactions(store, head).await?;
    audit.calls(store, head).await?;
    corrections::check(&mut audit, store, head).await?;
    audit.messages(store, head).await?;
    esim::check(&mut audit, store).await?;
    audit.report.ok = audit.report.differences.is_empty();
    Ok(audit.report)
}

type Sums = HashMap<(i64, String), i128>;

/// An audit in progress.
#[derive(Default)]
pub(super) struct Audit {
    report: AuditReport,
}

impl Audit {
    /// Records a difference.
    pub(super) fn differs(
        &mut self,
        kind: &'static str,
        subject: String,
        expected: &dyn Display,
        found: &dyn Display,
    ) {
        if self.report.differences.len() >= NAMED_DIFFERENCES {
            self.report.more_differences += 1;
            return;
        }
        let (expected, found) = (expected.to_string(), found.to_string());
        self.report.differences.push(Difference { kind, subject, expected, found });
    }

    async fn entries(
        &mut self,
        store: &Store,
        head: Head,
        checkpoints: &[CheckpointRow],
    ) -> Result<(), StoreError> {
        let covers = checkpoints.first().map_or(0, |row| row.covers);
        let (mut sums, mut tx_sums) = (Sums::new(), BTreeMap::new());
        let (mut after, mut tx_id, mut compared) = (0, 0, false);
        loop {
            let page = store.audit_entries(after, head).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for entry in page {
                if entry.id > covers && !compared {
                    self.checkpoints(checkpoints, &sums);
                    compared = true;
                }
                if entry.tx_id != tx_id {
                    self.transaction(tx_id, &tx_sums);
                    tx_sums.clear();
                    self.order(&entry, tx_id);
                    tx_id = entry.tx_id;
                }
                self.report.entries += 1;
                *tx_sums.entry(entry.currency.clone()).or_insert(0) += i128::from(entry.amount);
                *sums.entry((entry.account_id, entry.currency)).or_insert(0) += i128::from(entry.amount);
            }
        }
        self.transaction(tx_id, &tx_sums);
        if !compared {
            self.checkpoints(checkpoints, &sums);
        }
        let wallets = sums.keys().filter(|(account, _)| *account > LAST_SYSTEM_ACCOUNT);
        self.report.wallets = u64::try_from(wallets.count()).unwrap_or(u64::MAX);
        for ((account, currency), sum) in sums {
            if account > LAST_SYSTEM_ACCOUNT && i64::try_from(sum).is_err() {
                self.differs(
                    "balance",
                    format!("account {account} in {currency}"),
                    &"an amount that fits",
                    &sum,
                );
            }
        }
        Ok(())
    }

    /// Checks that the entries of a transaction are adjacent and that transactions are in order.
    fn order(&mut self, entry: &EntryRow, before: i64) {
        if entry.tx_id < before {
            self.differs(
                "order",
                format!("entry {}", entry.id),
                &format!("a transaction after {before}"),
                &entry.tx_id,
            );
        }
        if entry.known_tx.is_none() {
            self.differs(
                "transaction",
                format!("entry {}", entry.id),
                &format!("transaction {}", entry.tx_id),
                &"none",
            );
        }
    }

    fn transaction(&mut self, tx_id: i64, sums: &BTreeMap<String, i128>) {
        for (currency, sum) in sums {
            if *sum != 0 {
                self.differs("sum", format!("transaction {tx_id} in {currency}"), &0, &sum);
            }
        }
    }

    fn checkpoints(&mut self, checkpoints: &[CheckpointRow], sums: &Sums) {
        let mut saved = Sums::new();
        for row in checkpoints {
            if let (Some(account), Some(currency)) = (row.account_id, &row.currency) {
                let units = i128::from(row.units.unwrap_or(0)) * NANOS_PER_UNIT;
                saved.insert((account, currency.clone()), units + i128::from(row.nanos.unwrap_or(0)));
            }
        }
        let covered = if checkpoints.first().is_some_and(|row| row.covers > 0) { sums } else { &Sums::new() };
        let mut accounts: Vec<_> = covered.keys().chain(saved.keys()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        for account in accounts {
            let (expected, found) = (covered.get(account).unwrap_or(&0), saved.get(account).unwrap_or(&0));
            if expected != found {
                self.differs(
                    "checkpoint",
                    format!("account {} in {}", account.0, account.1),
                    &expected,
                    &found,
                );
            }
        }
    }

    async fn transactions(&mut self, store: &Store, head: Head) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = store.audit_transactions(after, head).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            for transaction in page.iter().filter(|transaction| transaction.claimed_by.is_none()) {
                self.differs("call", format!("transaction {}", transaction.id), &"a CDR of its own", &"none");
            }
        }
    }

    async fn calls(&mut self, store: &Store, head: Head) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let CallPage { calls, payers, entries } = store.audit_calls(after, head).await?;
            let Some(last) = calls.last() else { return Ok(()) };
            after = last.id;
            let mut entries_of: HashMap<i64, BTreeMap<i64, i128>> = HashMap::new();
            for CallEntryRow { tx_id, account_id, amount } in entries {
                *entries_of.entry(tx_id).or_default().entry(account_id).or_insert(0) += i128::from(amount);
            }
            let mut payers_of: HashMap<i64, Vec<PayerRow>> = HashMap::new();
            for payer in payers {
                payers_of.entry(payer.cdr_id).or_default().push(payer);
            }
            for call in &calls {
                let payers = payers_of.remove(&call.id).unwrap_or_default();
                let entries = call.tx_id.and_then(|tx_id| entries_of.remove(&tx_id)).unwrap_or_default();
                self.call(call, &payers, &entries);
            }
        }
    }

    fn call(&mut self, call: &CallRow, payers: &[PayerRow], entries: &BTreeMap<i64, i128>) {
        self.report.calls += 1;
        let subject = format!("call {}", call.id);
        if call.disposition != "refused" && call.key_cdr_id != Some(call.id) {
            let found = call.key_cdr_id.map_or_else(|| "none".to_owned(), |id| format!("call {id}"));
            self.differs("call_key", subject.clone(), &subject, &found);
        }
        for payer in payers {
            let subject = format!("{subject} payer {}", payer.account_id);
            let rated = Rated { ms: call.charged_ms, seconds: payer.billed_seconds, amount: payer.charge };
            self.rated("charge", subject, call, payer.rate_json.as_deref(), rated);
        }
        if let Some(cost) = call.buy_cost {
            let seconds = call.buy_billed_seconds.unwrap_or(0);
            let rated = Rated { ms: call.answered_ms, seconds, amount: cost };
            self.rated("cost", format!("{subject} trunk"), call, call.buy_rate_json.as_deref(), rated);
        }
        let paid = payers.last().map_or(0, |payer| i128::from(payer.charge));
        let margin = paid - i128::from(call.buy_cost.unwrap_or(0));
        if margin != i128::from(call.margin) {
            self.differs("margin", subject.clone(), &margin, &call.margin);
        }
        let expected = expected_entries(payers);
        if expected != *entries {
            self.differs("entries", subject, &format!("{expected:?}"), &format!("{entries:?}"));
        }
    }

    /// Recomputes an amount from its rate.
    fn rated(
        &mut self,
        kind: &'static str,
        subject: String,
        call: &CallRow,
        rate: Option<&str>,
        rated: Rated,
    ) {
        let Some(rate) = rate else {
            if rated.amount != 0 {
                self.differs(kind, subject, &"a rate", &"none");
            }
            return;
        };
        if rated.ms == 0 && rated.amount == 0 {
            return;
        }
        let computed = match (serde_json::from_str::<CallRate>(rate), call.answered_at) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), None) => Err("no answer time".to_owned()),
            (Ok(rate), Some(answered_at)) => rate
                .charge(rated.ms.unsigned_abs(), from_micros(answered_at))
                .map(|charge| (charge.amount.nanos(), charge.billed_seconds))
                .map_err(|error| error.to_string()),
        };
        let found = (rated.amount, rated.seconds.unsigned_abs());
        match computed {
            Ok(computed) if computed == found => {}
            Ok((amount, seconds)) => {
                let found = format!("{} nanos for {} s", rated.amount, rated.seconds);
                self.differs(kind, subject, &format!("{amount} nanos for {seconds} s"), &found);
            }
            Err(reason) => self.differs(kind, subject, &"a rate that can be computed", &reason),
        }
    }
}

/// An amount in a CDR and the input it was computed from.
#[derive(Clone, Copy)]
struct Rated {
    ms: i64,
    seconds: i64,
    amount: i64,
}

/// Computes the effect of the payers' charges on each account.
pub(super) fn expected_entries(payers: &[PayerRow]) -> BTreeMap<i64, i128> {
    let mut expected = BTreeMap::new();
    for (position, payer) in payers.iter().enumerate() {
        if payer.charge != 0 {
            let collected = if position + 1 == payers.len() { CALL_REVENUE } else { RESOLD_CALLS };
            *expected.entry(payer.account_id).or_insert(0) -= i128::from(payer.charge);
            *expected.entry(collected).or_insert(0) += i128::from(payer.charge);
        }
    }
    expected
}
