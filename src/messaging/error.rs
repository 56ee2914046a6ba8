//! Errors of messaging.

use tollgate_rating::credit::{ChainError, RefusalReason};

use super::price::NoPrice;
use super::providers::ProvidersError;
use super::segments::TextError;
use super::unsent::TooManyUnsent;
use crate::accounts::spending::SpendError;
use crate::services::ServiceError;
use crate::store::StoreError;

/// Why messages cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    /// A provider cannot be used.
    #[error(transparent)]
    Providers(#[from] ProvidersError),
    /// `sms.time_zone` is none.
    #[error("sms.time_zone: {0}")]
    Zone(String),
    /// What was left over cannot be read.
    #[error("the messages of before cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// Why an order is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is nobody who could send anything.
    #[error("no provider of messages is set up")]
    NoProviders,
    /// No provider has this name.
    #[error("there is no such provider")]
    UnknownProvider,
    /// The text cannot be sent.
    #[error("{0}")]
    Text(#[from] TextError),
    /// The sender cannot be shown.
    #[error(
        "a number of 3 to 15 digits, or 1 to 11 letters, digits, spaces and . - _ & with a letter among them"
    )]
    Sender,
    /// It is no number.
    #[error("an international number is needed, like +447575396991")]
    Number,
    /// It has no price.
    #[error(transparent)]
    NoPrice(#[from] NoPrice),
}

/// Why a message is not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The order is not right, or has no price.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A payer has less than it would have to pay.
    #[error("{reason}")]
    Short {
        /// 0: who sends it. What is above is not for its eyes.
        payer_index: usize,
        /// No credit, or the day's spending limit.
        reason: RefusalReason,
    },
    /// The account, or a reseller above it, has as many messages that nobody has paid for as it may have.
    #[error(
        "too many messages wait, were cancelled or were refused: {most} at most; cancelled and refused ones are deleted in time"
    )]
    TooManyUnsent {
        /// The bound.
        most: u32,
    },
    /// It costs more than there can be.
    #[error("it costs more than an account can hold")]
    TooLarge,
    /// The payers are no chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The database is away, or the wallets are another process's.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl From<SpendError<std::convert::Infallible>> for SendError {
    fn from(error: SpendError<std::convert::Infallible>) -> Self {
        match error {
            SpendError::Refused(never) => match never {},
            SpendError::Short { payer_index, reason, .. } => Self::Short { payer_index, reason },
            SpendError::Chain(error) => Self::Chain(error),
            SpendError::Services(error) => Self::Services(error),
        }
    }
}

impl From<TooManyUnsent> for SendError {
    fn from(TooManyUnsent { most }: TooManyUnsent) -> Self {
        Self::TooManyUnsent { most }
    }
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Why something is not called back.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The account has none such.
    #[error("there is none such")]
    Unknown,
    /// It is too late.
    #[error("it is {state} already")]
    TooLate {
        /// Where it is.
        state: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
