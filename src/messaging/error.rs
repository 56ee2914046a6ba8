//! Errors of messaging.

use tollgate_rating::credit::{ChainError, RefusalReason};

use super::price::NoPrice;
use super::providers::ProvidersError;
use super::segments::TextError;
use super::unsent::TooManyUnsent;
use crate::accounts::spending::SpendError;
use crate::services::ServiceError;
use crate::store::StoreError;

/// Errors of starting the messaging service.
#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    /// A provider cannot be opened.
    #[error(transparent)]
    Providers(#[from] ProvidersError),
    /// `sms.time_zone` is not a time zone.
    #[error("sms.time_zone: {0}")]
    Zone(String),
    /// The accounts cannot be read.
    #[error(transparent)]
    Services(#[from] ServiceError),
    /// Messages of an earlier process cannot be read.
    #[error("the messages of an earlier process cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// Errors of preparing messages.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No provider is configured.
    #[error("no provider of messages is set up")]
    NoProviders,
    /// No provider of that name is configured.
    #[error("there is no such provider")]
    UnknownProvider,
    /// The text cannot be sent.
    #[error("{0}")]
    Text(#[from] TextError),
    /// The sender id is neither a number nor a short name.
    #[error(
        "a number of 3 to 15 digits, or 1 to 11 letters, digits, spaces and . - _ & with a letter among them"
    )]
    Sender,
    /// Not an international number.
    #[error("an international number is needed, like +447575396991")]
    Number {
        /// Its place among the recipients.
        index: usize,
    },
    /// No recipients, or too many.
    #[error("1 to {most} numbers")]
    RecipientCount {
        /// The most recipients of a campaign.
        most: usize,
    },
    /// The cost is more than an account can hold.
    #[error("it costs more than an account can hold")]
    TooLarge,
    /// A recipient has no price.
    #[error(transparent)]
    NoPrice(#[from] NoPrice),
}

/// Errors of writing messages.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request is invalid, or has no price.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A payer is short of credit.
    #[error("{reason}")]
    Short {
        /// Place in the payer chain: 0 is the sender, which must not learn about those above it.
        payer_index: usize,
        /// No credit, or the daily spending limit.
        reason: RefusalReason,
    },
    /// The account, or a reseller above it, has reached its limit of unsent messages.
    #[error(
        "too many messages wait, were cancelled or were refused: {most} at most; cancelled and refused ones are deleted in time"
    )]
    TooManyUnsent {
        /// The limit.
        most: u32,
    },
    /// The payers do not form a chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The database is unavailable, or another process owns the wallets.
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

/// Errors of cancelling a message or a campaign.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The account has no such message or campaign.
    #[error("not found")]
    Unknown,
    /// It can no longer be cancelled.
    #[error("it is {state} already")]
    TooLate {
        /// Its present state.
        state: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
