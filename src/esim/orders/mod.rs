//! The life of an order.
//!
//! Its price is held and the order written in one transaction; then the upstream is asked under a transaction id of ours, by
//! which the same request is the same order. When the eSIM is allocated, the hold becomes a charge and the order gets the
//! eSIM; when it is refused, the hold is released and the order fails. Between these the order is stored as pending with its
//! credit held and is submitted again under the same id: it ends in one eSIM that is paid once, or in none.
//!
//! `transition` is the table of steps that follow from an answer; `advance` asks and applies it.

mod advance;
mod buy;
mod lookup;
mod records;
mod refresh;
mod shares;
mod transition;

pub use self::advance::{AdvanceError, advance, give_up};
pub use self::buy::{BuyError, buy};
pub use self::records::NotPending;
pub(super) use self::refresh::record_usage;
pub use self::refresh::refresh;
pub use super::due::Next;
