//! Errors of settlements.

use tollgate_rating::RatingError;

use super::ticket::TicketError;
use crate::ledger::{CallKey, LedgerError};
use crate::store::StoreError;

/// Reasons why a settle request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The ticket was not issued by this service.
    #[error("the ticket is refused: {0}")]
    Ticket(#[from] TicketError),
    /// The ticket belongs to another call.
    #[error("the ticket belongs to call {ticket}")]
    OtherCall {
        /// The call that the ticket names.
        ticket: CallKey,
    },
    /// A settle request without a ticket, for a call that the dialplan may have dialled: it is or may be live.
    #[error("a settle without a ticket ends no call that may have been dialled")]
    NoTicket,
    /// The versions that the call was granted under cannot be read.
    #[error("the granted prices cannot be read: {0}")]
    Prices(String),
    /// The price exceeds the range of money.
    #[error("the charge cannot be computed: {0}")]
    Rating(#[from] RatingError),
    /// Another request is settling the same call.
    #[error("the call is being settled already")]
    InProgress,
    /// The ledger did not accept the settlement.
    #[error("the book did not take it: {0}")]
    Ledger(#[from] LedgerError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}
