//! A plan's current price list.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tollgate_rating::plan::PriceList;

/// The list of a plan's prices, or of its prices for messages: made when the plan is published, and again after a rate
/// began or ended to hold.
#[derive(Debug, Default)]
pub(super) struct Listing(Mutex<Option<Arc<PriceList>>>);

impl Listing {
    fn latest(&self) -> MutexGuard<'_, Option<Arc<PriceList>>> {
        // It holds a whole list or none, whatever panics elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list, if it is right at an instant.
    pub(super) fn at(&self, at: Timestamp) -> Option<Arc<PriceList>> {
        self.latest().as_ref().filter(|list| list.holds(at)).cloned()
    }

    /// Replaces the list.
    pub(super) fn replace(&self, list: Arc<PriceList>) {
        *self.latest() = Some(list);
    }
}
