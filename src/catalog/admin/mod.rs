//! Changing the catalog: decks, exchange rates, plans, trunks.
//!
//! Plain functions over the [`Store`](crate::store::Store), so that the command line runs them by itself and a running
//! owner runs them for it. Each change appends to the feed in its own transaction; a server that runs sees it at once.

pub mod fx;
pub mod plans;
pub mod retail;
pub mod tariffs;
pub mod trunks;

use crate::catalog::TariffKind;
use crate::catalog::deck::DeckError;
use crate::store::{StoreError, TariffVersion, Tx};

/// Feed kind of a tariff with a new current version.
pub const FEED_TARIFF: &str = "tariff";
/// Feed kind of a plan with a new current version.
pub const FEED_PLAN: &str = "plan";
/// Feed kind of a trunk that was made or changed.
pub const FEED_TRUNK: &str = "trunk";

/// Why a change of the catalog is refused. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The named thing does not exist.
    #[error("there is no {what} {name:?}")]
    Unknown {
        /// Kind of the object.
        what: &'static str,
        /// Its name as given.
        name: String,
    },
    /// The name exists already.
    #[error("there is already a {what} {name:?}")]
    Exists {
        /// Kind of the object.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// An option holds what it cannot hold.
    #[error("{field}: {reason}")]
    Invalid {
        /// The option.
        field: &'static str,
        /// The reason.
        reason: String,
    },
    /// The tariff prices something else than what it is to be used for.
    #[error("tariff {name:?} prices {}, not {}: a tariff's kind never changes", kind.what(), wanted.what())]
    OtherKind {
        /// The tariff.
        name: String,
        /// The kind of its tariff.
        kind: TariffKind,
        /// The kind that is needed.
        wanted: TariffKind,
    },
    /// The plan would have more than [`plans::MAX_LEVELS`] markups.
    #[error(
        "{name:?} already stands on {} levels of markup, which is the most there can be",
        plans::MAX_LEVELS
    )]
    TooDeep {
        /// The base plan.
        name: String,
    },
    /// The reseller owns as many plans as its own plan lets it.
    #[error("a reseller on plan {plan:?} may own {limit} plans, and owns as many")]
    PlanLimit {
        /// The reseller's own plan.
        plan: String,
        /// Its `tariff_limit`.
        limit: i64,
    },
    /// The plan has as many prices of its own as it may have.
    #[error("{name:?} has {} prices of its own, which is the most there can be", plans::MAX_OVERRIDES)]
    TooManyPrices {
        /// The plan.
        name: String,
    },
    /// The deck is refused.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// The import took so long that it was swept as abandoned.
    #[error("the import was swept as abandoned; import the deck again")]
    Swept,
    /// Reading the deck was given up because the process stops.
    #[error("reading the deck was interrupted")]
    Interrupted,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    /// The machine code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "not_found",
            Self::Exists { .. } => "exists",
            Self::Invalid { .. } => "invalid",
            Self::OtherKind { .. } => "wrong_kind",
            Self::TooDeep { .. } => "too_deep",
            Self::PlanLimit { .. } => "plan_limit",
            Self::TooManyPrices { .. } => "limit_reached",
            Self::Deck(_) => "bad_deck",
            Self::Swept | Self::Interrupted => "interrupted",
            Self::Store(_) => "unavailable",
        }
    }
}

/// The longest name of a tariff, plan or trunk.
const MAX_NAME: usize = 64;

/// A name that can be used in a command line, a log line and a report without quotes: no control characters, no space at
/// its ends, no leading dash.
fn check_name(field: &'static str, name: &str) -> Result<(), AdminError> {
    let wrong = |reason: &str| Err(AdminError::Invalid { field, reason: reason.to_owned() });
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return wrong("a name has 1 to 64 characters");
    }
    if name.trim() != name || name.starts_with('-') || name.contains(char::is_control) {
        return wrong("a name has no space at its ends, no leading dash and no control characters");
    }
    Ok(())
}

fn invalid(field: &'static str, reason: impl Into<String>) -> AdminError {
    AdminError::Invalid { field, reason: reason.into() }
}

fn unknown(what: &'static str, name: &str) -> AdminError {
    AdminError::Unknown { what, name: name.to_owned() }
}

fn check_kind(tariff: &TariffVersion, wanted: TariffKind) -> Result<(), AdminError> {
    let kind = TariffKind::of(tariff);
    if kind == wanted {
        return Ok(());
    }
    Err(AdminError::OtherKind { name: tariff.name.clone(), kind, wanted })
}

/// The tariff of that name, if it is one that prices what is wanted.
async fn tariff_of_kind(tx: &mut Tx, name: &str, wanted: TariffKind) -> Result<TariffVersion, AdminError> {
    let tariff = tx.current_tariffs().await?.into_iter().find(|tariff| tariff.name == name);
    let tariff = tariff.ok_or_else(|| unknown("tariff", name))?;
    check_kind(&tariff, wanted)?;
    Ok(tariff)
}

/// The time zone of that IANA name.
pub fn parse_zone(name: &str) -> Result<jiff::tz::TimeZone, AdminError> {
    jiff::tz::TimeZone::get(name).map_err(|_| {
        invalid("zone", format!("{name:?} is no time zone; they are named as in Europe/Berlin or UTC"))
    })
}
