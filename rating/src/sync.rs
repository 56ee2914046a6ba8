//! The lock of a wallet: std's, or loom's where loom explores the interleavings.

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(loom))]
use std::sync as imp;

use std::sync::PoisonError;

/// The protected value.
pub(crate) type Guard<'a, T> = imp::MutexGuard<'a, T>;

/// A mutex that is never poisoned: what it guards is changed only in steps that cannot panic, after everything that
/// could (a caller's pricing) has been asked.
#[derive(Debug)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
