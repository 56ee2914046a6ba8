//! Campaigns that this process is writing.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Campaigns that this process is writing; any other that is not published was interrupted.
#[derive(Debug, Default)]
pub(super) struct Staging {
    under_way: Mutex<HashSet<i64>>,
    /// Discards campaigns one after another: a hold is released once.
    pub(super) discarding: tokio::sync::Mutex<()>,
}

/// A campaign that this process is writing, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay<'a> {
    staging: &'a Staging,
    id: i64,
}

impl Staging {
    pub(super) fn ids(&self) -> std::sync::MutexGuard<'_, HashSet<i64>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, id: i64) -> UnderWay<'_> {
        self.ids().insert(id);
        UnderWay { staging: self, id }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.staging.ids().remove(&self.id);
    }
}
