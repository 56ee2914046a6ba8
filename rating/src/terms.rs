//! The terms of a rate that hold for a whole call.

use crate::money::Money;

/// The terms of a call that do not change while it lasts: those of the window in which it is answered, step 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Head {
    pub(crate) connect_fee: Money,
    pub(crate) initial_block: u32,
    pub(crate) free_below: u32,
    pub(crate) additional_time: u32,
    pub(crate) min_charge: Option<Money>,
    pub(crate) max_charge: Option<Money>,
}
