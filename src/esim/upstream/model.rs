//! The upstream as the service sees it: the questions that it answers, and the answers.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::esim_orders::EsimStatus;

/// A seller of eSIMs.
pub trait Upstream: Send + Sync + fmt::Debug {
    /// Lists every package that can be bought.
    fn list_packages(&self) -> BoxFuture<'_, Result<Vec<ListedPackage>, UpstreamError>>;

    /// Orders one eSIM; returns the upstream's number of the order. The same transaction id again is the same order.
    fn place_order<'a>(&'a self, order: Order<'a>) -> BoxFuture<'a, Result<String, UpstreamError>>;

    /// Fetches the eSIM of an order; [`UpstreamError::NotYet`] until it is allocated.
    fn fetch_profile<'a>(
        &'a self,
        priority: Priority,
        order_no: &'a str,
        transaction_id: &'a str,
    ) -> BoxFuture<'a, Result<Profile, UpstreamError>>;

    /// Lists every eSIM that was bought between two instants, or fails: part of a list would look like the absence of the
    /// rest. eSIMs that are not allocated yet may be missing.
    fn list_purchases(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<Purchase>, UpstreamError>>;

    /// Time after an order within which its eSIM appears in [`Upstream::list_purchases`], if it was bought.
    fn purchases_listed_within(&self) -> Duration;

    /// Fetches the usage of eSIMs, of at most [`Upstream::usage_batch`] at once.
    fn fetch_usage<'a>(&'a self, tran_nos: &'a [String]) -> BoxFuture<'a, Result<Vec<Usage>, UpstreamError>>;

    /// The most eSIMs in one question about usage.
    fn usage_batch(&self) -> usize;

    /// Fetches the operator's balance at the upstream.
    fn fetch_balance(&self) -> BoxFuture<'_, Result<Balance, UpstreamError>>;

    /// The names of orders and eSIMs in a notice (webhook), in whatever shape it comes.
    fn names_in_notice(&self, body: &[u8]) -> Vec<String>;
}

/// The share of the upstream's request rate that a question may use, so that many questions do not delay purchases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Orders.
    Orders,
    /// Questions about orders that wait for their eSIM.
    Pending,
    /// All other questions.
    Questions,
}

/// Errors of the upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It refuses the order.
    #[error("the upstream refuses: {code} {message}")]
    Refused {
        /// Its error code.
        code: String,
        /// Its error text.
        message: String,
    },
    /// It rejects the request itself (header, signature, address), before it looks at the order: no proof about an earlier
    /// try.
    #[error("the upstream refuses: {code} {message}")]
    Rejected {
        /// Its error code.
        code: String,
        /// Its error text.
        message: String,
    },
    /// The eSIM is not allocated yet.
    #[error("the eSIM is not allocated yet")]
    NotYet,
    /// The outcome is unknown: no answer, or none that can be parsed.
    #[error("the upstream gives no clear answer: {0}")]
    Unknown(String),
    /// The request was not sent: the rate of requests is exhausted.
    #[error("too much is asked of the upstream at once")]
    Busy,
    /// The request was not sent: no connection.
    #[error("the upstream cannot be reached: {0}")]
    NotReached(String),
}

impl UpstreamError {
    /// The label of the metric of failures.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } | Self::Rejected { .. } => "refused",
            Self::NotYet => "not_yet",
            Self::Unknown(_) => "unknown",
            Self::Busy => "busy",
            Self::NotReached(_) => "not_reached",
        }
    }
}

/// A network operator in a country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name.
    pub operator: String,
    /// Its best technology: `4G`, `5G`.
    pub kind: String,
}

/// A country that a package covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Country {
    /// Its English name.
    pub name: String,
    /// Its ISO 3166 code, if known.
    pub code: Option<String>,
    /// The networks there.
    pub networks: Vec<Network>,
}

/// A package as the upstream lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPackage {
    /// Its code.
    pub code: String,
    /// Its alternative name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its cost in 1/10,000 of the currency.
    pub price_e4: i64,
    /// The currency of its cost, ISO 4217.
    pub currency: String,
    /// Data volume in bytes.
    pub volume_bytes: i64,
    /// Its validity, in `duration_unit`.
    pub duration: i64,
    /// `DAY`, mostly.
    pub duration_unit: String,
    /// ISO 3166 codes of the countries that it covers.
    pub locations: Vec<String>,
    /// Networks by country.
    pub coverage: Vec<Country>,
}

/// The state of an eSIM at the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileState {
    /// Allocated and not used.
    Allocated,
    /// In use.
    InUse,
    /// Its data is used up.
    UsedUp,
    /// Its validity is over.
    Expired,
    /// Cancelled before it was used; the upstream has refunded it.
    Cancelled,
    /// Revoked.
    Revoked,
    /// A state that the upstream does not document.
    Other(String),
}

impl ProfileState {
    /// The status of an order whose eSIM is in this state; `None` for an undocumented state.
    pub const fn status(&self) -> Option<EsimStatus> {
        match self {
            Self::Allocated => Some(EsimStatus::Allocated),
            Self::InUse => Some(EsimStatus::InUse),
            Self::UsedUp => Some(EsimStatus::UsedUp),
            Self::Expired => Some(EsimStatus::Expired),
            Self::Cancelled | Self::Revoked => Some(EsimStatus::Cancelled),
            Self::Other(_) => None,
        }
    }
}

/// An allocated eSIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The upstream's name of the eSIM.
    pub tran_no: String,
    /// Its card number.
    pub iccid: String,
    /// Its activation code: `LPA:1$…`.
    pub activation_code: String,
    /// Its state.
    pub state: ProfileState,
    /// Data volume in bytes.
    pub total_bytes: Option<i64>,
    /// Data used, in bytes.
    pub used_bytes: Option<i64>,
    /// End of its validity, or of the time in which it can be installed.
    pub expires_at: Option<Timestamp>,
}

/// An eSIM in the upstream's list of purchases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Our transaction id of its order.
    pub transaction_id: String,
    /// The upstream's number of its order.
    pub order_no: String,
}

/// Usage of an eSIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The upstream's name of the eSIM.
    pub tran_no: String,
    /// Data used, in bytes.
    pub used_bytes: i64,
    /// Data volume in bytes.
    pub total_bytes: i64,
}

/// The operator's balance at the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The amount, in 1/10,000 of the currency.
    pub amount_e4: i64,
    /// The currency, ISO 4217.
    pub currency: &'static str,
}

/// An order to place. The same transaction id again is the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// Our transaction id, at most 50 characters.
    pub transaction_id: &'a str,
    /// The package.
    pub package_code: &'a str,
    /// The known cost in 1/10,000 of its currency: at another price the upstream must refuse.
    pub price_e4: i64,
}
