//! The number of unsent messages (waiting, cancelled or refused) of each account and of each reseller's tree, with its limits.
//!
//! The numbers are in memory so that sending needs no query; they are read again whenever old messages are deleted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::accounts::spending::Share;
use crate::config::Limits;

/// The number of messages by account; a reseller's includes those of all accounts below it.
type Counts = HashMap<i64, i64>;

#[derive(Debug, Default)]
struct Inner {
    /// As last read, and what was added since.
    counts: Counts,
    /// Added since the present reading began.
    recent: Counts,
    /// Messages that are being written.
    reserved: Counts,
}

/// The numbers, and their limits.
#[derive(Debug)]
pub(super) struct Unsent {
    per_account: i64,
    per_reseller: i64,
    inner: Mutex<Inner>,
}

/// The limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyUnsent {
    /// The limit.
    pub(super) most: u32,
}

/// Messages that are being written; released unless they are written.
#[derive(Debug)]
pub(super) struct Reserved<'a> {
    unsent: &'a Unsent,
    /// The sender and the resellers above it.
    accounts: Vec<i64>,
    messages: i64,
}

impl Unsent {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            per_account: i64::from(limits.unsent_messages),
            per_reseller: i64::from(limits.unsent_messages_per_reseller),
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts messages of the sender, the first payer, before they are written.
    pub(super) fn reserve(&self, shares: &[Share], messages: usize) -> Result<Reserved<'_>, TooManyUnsent> {
        let accounts: Vec<i64> = shares.iter().map(|share| share.account.id).collect();
        let messages = i64::try_from(messages).unwrap_or(i64::MAX);
        let mut inner = self.inner();
        for (place, id) in accounts.iter().enumerate() {
            let most = if place == 0 { self.per_account } else { self.per_reseller };
            let number = |counts: &Counts| counts.get(id).copied().unwrap_or(0);
            let there = number(&inner.counts).saturating_add(number(&inner.reserved));
            if there.saturating_add(messages) > most {
                return Err(TooManyUnsent { most: u32::try_from(most).unwrap_or(u32::MAX) });
            }
        }
        add(&mut inner.reserved, &accounts, messages);
        drop(inner);
        Ok(Reserved { unsent: self, accounts, messages })
    }

    /// Counts a message down: it was sent.
    pub(super) fn sent(&self, payers: impl Iterator<Item = i64>) {
        let payers: Vec<i64> = payers.collect();
        add(&mut self.inner().counts, &payers, -1);
    }

    /// Notes that the numbers are being read: messages added from now on are counted on top.
    pub(super) fn begin_reading(&self) {
        self.inner().recent.clear();
    }

    /// Applies the numbers that were read: for each account, its chain of payers and its messages.
    pub(super) fn finish_reading(&self, read: impl Iterator<Item = (Vec<i64>, i64)>) {
        let mut inner = self.inner();
        let mut counts = std::mem::take(&mut inner.recent);
        for (accounts, messages) in read {
            add(&mut counts, &accounts, messages);
        }
        inner.counts = counts;
    }
}

impl Reserved<'_> {
    /// The messages are written.
    pub(super) fn written(mut self) {
        let messages = std::mem::take(&mut self.messages);
        let mut inner = self.unsent.inner();
        add(&mut inner.reserved, &self.accounts, -messages);
        add(&mut inner.counts, &self.accounts, messages);
        add(&mut inner.recent, &self.accounts, messages);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if self.messages != 0 {
            add(&mut self.unsent.inner().reserved, &self.accounts, -self.messages);
        }
    }
}

fn add(counts: &mut Counts, accounts: &[i64], messages: i64) {
    for id in accounts {
        let count = counts.entry(*id).or_insert(0);
        *count = count.saturating_add(messages);
        if *count <= 0 {
            counts.remove(id);
        }
    }
}
