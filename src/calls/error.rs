//! Errors of settling.

use tollgate_rating::RatingError;

use super::ticket::TicketError;
use crate::ledger::{CallKey, LedgerError};
use crate::store::StoreError;

/// Why a settle request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The ticket is not ours.
    #[error("the ticket is refused: {0}")]
    Ticket(#[from] TicketError),
    /// The ticket is another call's.
    #[error("the ticket belongs to call {ticket}")]
    OtherCall {
        /// The call the ticket names.
        ticket: CallKey,
    },
    /// A settle without a ticket, for a call that its dialplan may have dialled: it is live, or may be.
    #[error("a settle without a ticket ends no call that may have been dialled")]
    NoTicket,
    /// The versions it was granted under cannot be read.
    #[error("the granted prices cannot be read: {0}")]
    Prices(String),
    /// The price does not fit into money.
    #[error("the charge cannot be computed: {0}")]
    Rating(#[from] RatingError),
    /// Another request settles the same call at this moment.
    #[error("the call is being settled already")]
    InProgress,
    /// The book did not take it.
    #[error("the book did not take it: {0}")]
    Ledger(#[from] LedgerError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}
