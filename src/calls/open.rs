//! An open call that holds credit, in memory.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tollgate_rating::credit::{Chain, ChainError, Holds, Wallet};
use tollgate_rating::{AnswerRange, CallRate, E164, Money};

use super::live::Live;
use super::ticket::TicketPayer;
use crate::ami::ask::endpoint_of;
use crate::catalog::lcr::Route;
use crate::catalog::trunks::Occupied;
use crate::directory::Account;
use crate::ledger::Settlement;

/// Added to ringing time and caps before a call is presumed ended: Asterisk's timers and this process's clocks differ.
const LAST_GRACE_SECONDS: i64 = 60;

/// A payer of an open call.
#[derive(Debug)]
pub struct OpenPayer {
    /// The paying account.
    pub account: Arc<Account>,
    /// The price, from the granted versions.
    pub rate: CallRate,
    /// The granted versions.
    pub versions: TicketPayer,
}

/// A call between authorise and settle.
#[derive(Debug)]
pub struct OpenCall {
    /// The payers, the client first.
    pub payers: Vec<OpenPayer>,
    /// The routes in the order they are tried; `None` in place of a route whose prices cannot be read any more.
    pub routes: Vec<Option<Route>>,
    /// The holds in the payers' wallets; `None` for a call known only from its ticket.
    pub holds: Option<Holds>,
    /// The place occupied on the first route's trunk.
    pub place: Option<Occupied>,
    /// Number called.
    pub number: E164,
    /// Digits dialled.
    pub dialled: String,
    /// Name of the peer.
    pub endpoint: String,
    /// Caller number as presented to the carrier.
    pub caller: String,
    /// Source address of the SIP request.
    pub source: Option<IpAddr>,
    /// Time of the grant.
    pub granted_at: Timestamp,
    /// Process that granted the call, and the time by the monotonic clock.
    pub origin: Origin,
    /// The signed reference to the grant.
    pub ticket: Arc<str>,
    /// Duration that the caps allow, in seconds.
    pub limit_seconds: u32,
    /// Duration that the holds pay for, in seconds.
    pub funded_seconds: u32,
    /// State on its Asterisk server.
    pub live: Live,
    /// Maximum ringing time, in seconds.
    pub ring_seconds: u32,
    /// Time at which the holds end without a settlement, by the monotonic clock: a step of the wall clock releases
    /// nothing.
    pub hold_until_ms: u64,
    /// Progress of the call between grant and close.
    pub phase: Phase,
    /// Whether the ledger may have a settlement of it that memory has not charged, while it has not ended here.
    pub submission: Submission,
}

/// Process that granted a call. Times are by this process's monotonic clock; those of an earlier process are converted
/// from the wall clock once, so that its later steps do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Granted by this process.
    ThisProcess {
        /// Time of the grant.
        since_ms: i64,
    },
    /// Granted by an earlier process; recovered from the journal or its ticket, and open since.
    EarlierProcess {
        /// Time of the grant.
        since_ms: i64,
    },
    /// Known only from the ticket of its settlement: not among the open calls, and without holds.
    TicketOnly {
        /// Time of the grant.
        since_ms: i64,
    },
}

impl Origin {
    /// Returns the time of the grant.
    pub const fn since_ms(self) -> i64 {
        match self {
            Self::ThisProcess { since_ms }
            | Self::EarlierProcess { since_ms }
            | Self::TicketOnly { since_ms } => since_ms,
        }
    }

    /// Reports whether this process granted it.
    pub const fn is_this_process(self) -> bool {
        matches!(self, Self::ThisProcess { .. })
    }

    /// Reports whether only the ticket of its settlement is known.
    pub const fn is_ticket_only(self) -> bool {
        matches!(self, Self::TicketOnly { .. })
    }
}

/// Progress of a call between its grant and its close.
#[derive(Debug)]
pub enum Phase {
    /// The dialplan has no token: nothing can have been dialled, so the call is provably unanswered.
    Granted,
    /// The dialplan may have dialled.
    Dialled,
    /// It has ended, and the ledger has not acknowledged its settlement.
    Ended(Box<Ending>),
}

/// The end of a call whose settlement the ledger has not acknowledged.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Its settlement, priced once.
    pub settlement: PricedSettlement,
    /// State of the settlement's submission to the ledger.
    pub submission: Submission,
    /// True if the dialplan may have dialled before the call ended.
    pub may_have_dialled: bool,
}

/// State of a settlement's submission to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// The ledger was not asked yet.
    NotSubmitted,
    /// The ledger was asked and did not answer: it may have written the settlement.
    InDoubt,
}

/// The settlement of a call, with the charge of each wallet.
#[derive(Clone, Debug)]
pub struct PricedSettlement {
    /// The settlement for the ledger.
    pub settlement: Settlement,
    /// The charges for the wallets, the client's first.
    pub charges: Vec<Money>,
}

impl OpenCall {
    /// Reports whether the call has ended and only its settlement is pending.
    pub const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// Reports whether the dialplan may have dialled.
    pub fn may_have_dialled(&self) -> bool {
        match &self.phase {
            Phase::Granted => false,
            Phase::Dialled => true,
            Phase::Ended(ending) => ending.may_have_dialled,
        }
    }

    /// Returns its end, if it has ended.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.phase {
            Phase::Ended(ending) => Some(ending),
            Phase::Granted | Phase::Dialled => None,
        }
    }

    /// Reports whether the ledger may have its settlement already.
    pub fn is_in_doubt(&self) -> bool {
        self.ending().is_some_and(|ending| ending.submission == Submission::InDoubt)
    }

    /// Gives a call known only from its ticket a hold of zero, so that it is closed like any other.
    pub fn hold_zero_if_ticket_only(&mut self) {
        if let Origin::TicketOnly { since_ms } = self.origin {
            self.origin = Origin::EarlierProcess { since_ms };
        }
        if self.holds.is_none() {
            self.restore_holds(&vec![Money::ZERO; self.payers.len()]);
        }
    }

    /// Holds these amounts, the client's first, whatever the balances of the wallets.
    pub fn restore_holds(&mut self, amounts: &[Money]) {
        self.holds = self.with_chain(|wallets| wallets.restore(amounts)).ok().flatten();
    }

    /// Releases the holds.
    pub fn release_holds(&mut self) {
        if let Some(holds) = self.holds.take() {
            let released = self.with_chain(|wallets| wallets.release(holds).is_ok());
            debug_assert!(released.is_ok_and(|released| released), "holds can be released");
        }
    }

    /// Calls `then` with the payers' wallets, the client's first.
    pub fn with_chain<T>(&self, then: impl FnOnce(&Chain<'_>) -> T) -> Result<T, ChainError> {
        let wallets: Vec<&Wallet> = self.payers.iter().map(|payer| &payer.account.wallet).collect();
        Ok(then(&Chain::new(&wallets)?))
    }

    /// Returns the maximum duration that the payers are charged for, in seconds.
    pub fn charged_at_most_seconds(&self) -> u32 {
        self.funded_seconds.max(self.live.pushed_seconds)
    }

    /// Returns the last time at which it can be alive, by the monotonic clock: Asterisk ends it by the caps in any
    /// case.
    pub fn last_possible_ms(&self) -> i64 {
        let seconds = i64::from(self.ring_seconds) + i64::from(self.limit_seconds) + LAST_GRACE_SECONDS;
        self.origin.since_ms().saturating_add(seconds * 1_000)
    }

    /// Returns the range of answer times that its price was held for.
    pub fn answer_range(&self) -> AnswerRange {
        let ring = jiff::SignedDuration::from_secs(i64::from(self.ring_seconds));
        AnswerRange::new(self.granted_at, self.granted_at.checked_add(ring).unwrap_or(self.granted_at))
    }

    /// Returns the number of the route whose trunk a called channel belongs to; 0 if there is none.
    pub fn route_of(&self, called: &str) -> u32 {
        let Some(endpoint) = endpoint_of(called) else { return 0 };
        let is_its =
            |route: &Option<Route>| route.as_ref().is_some_and(|route| route.trunk.endpoint == endpoint);
        let at = self.routes.iter().position(is_its);
        at.and_then(|at| u32::try_from(at + 1).ok()).unwrap_or(0)
    }
}
