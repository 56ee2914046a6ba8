//! A call that holds credit, as memory has it.

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

/// What is added to ringing and caps before a call is given up as ended: Asterisk's timers and our clocks are not one.
const LAST_GRACE_SECONDS: i64 = 60;

/// One payer of an open call.
#[derive(Debug)]
pub struct OpenPayer {
    /// Who pays.
    pub account: Arc<Account>,
    /// The price, from the versions granted.
    pub rate: CallRate,
    /// Those versions.
    pub versions: TicketPayer,
}

/// A call between authorise and settle.
#[derive(Debug)]
pub struct OpenCall {
    /// Who pays: the client first.
    pub payers: Vec<OpenPayer>,
    /// The routes in the order they are tried; one whose prices cannot be read any more is missing in its place.
    pub routes: Vec<Option<Route>>,
    /// The holds in the payers' wallets; `None` for a call known from its ticket alone.
    pub holds: Option<Holds>,
    /// The place taken on the first route's trunk.
    pub place: Option<Occupied>,
    /// The number called.
    pub number: E164,
    /// The digits dialled.
    pub dialled: String,
    /// The peer's name.
    pub endpoint: String,
    /// The caller's number as the carrier sees it.
    pub caller: String,
    /// Where the SIP request came from.
    pub source: Option<IpAddr>,
    /// When it was granted.
    pub granted_at: Timestamp,
    /// Where it was granted, and when by the monotonic clock.
    pub origin: Origin,
    /// The signed reference to the grant.
    pub ticket: Arc<str>,
    /// Seconds the caps allow.
    pub limit_seconds: u32,
    /// Seconds the holds pay for.
    pub funded_seconds: u32,
    /// What is known of it on its Asterisk.
    pub live: Live,
    /// Seconds it may ring.
    pub ring_seconds: u32,
    /// When the holds end if nobody settles, by the monotonic clock: a step of the wall clock frees nothing.
    pub hold_until_ms: u64,
    /// How far it has come.
    pub phase: Phase,
}

/// Where a call was granted. Moments are by the monotonic clock of this process; those of an earlier process are reckoned from
/// the wall clock once, so that later steps of it do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// By this process.
    ThisProcess {
        /// When.
        since_ms: i64,
    },
    /// By an earlier process; found again in the journal or by its ticket, and open since.
    EarlierProcess {
        /// When.
        since_ms: i64,
    },
    /// Known from the ticket of its settlement alone: not among the open calls, and nothing is held for it.
    TicketOnly {
        /// When.
        since_ms: i64,
    },
}

impl Origin {
    /// When it was granted.
    pub const fn since_ms(self) -> i64 {
        match self {
            Self::ThisProcess { since_ms }
            | Self::EarlierProcess { since_ms }
            | Self::TicketOnly { since_ms } => since_ms,
        }
    }

    /// Whether this process granted it.
    pub const fn is_this_process(self) -> bool {
        matches!(self, Self::ThisProcess { .. })
    }

    /// Whether only the ticket of its settlement is known.
    pub const fn is_ticket_only(self) -> bool {
        matches!(self, Self::TicketOnly { .. })
    }
}

/// How far a call has come between its grant and its close.
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
    /// Whether the ledger was asked to write it.
    pub submission: Submission,
    /// Whether the dialplan may have dialled before it ended.
    pub may_have_dialled: bool,
}

/// Whether the ledger was asked to write a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// It was not asked yet.
    NotSubmitted,
    /// It was asked and did not answer: it may have written it.
    InDoubt,
}

/// The settlement of a call, with what each wallet is charged.
#[derive(Clone, Debug)]
pub struct PricedSettlement {
    /// For the ledger.
    pub settlement: Settlement,
    /// For the wallets, the client's first.
    pub charges: Vec<Money>,
}

impl OpenCall {
    /// Whether it has ended and only its settlement is pending.
    pub const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// Whether the dialplan may have dialled.
    pub fn may_have_dialled(&self) -> bool {
        match &self.phase {
            Phase::Granted => false,
            Phase::Dialled => true,
            Phase::Ended(ending) => ending.may_have_dialled,
        }
    }

    /// Its settlement, if it has ended.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.phase {
            Phase::Ended(ending) => Some(ending),
            Phase::Granted | Phase::Dialled => None,
        }
    }

    /// Whether the ledger may have its settlement already.
    pub fn is_in_doubt(&self) -> bool {
        self.ending().is_some_and(|ending| ending.submission == Submission::InDoubt)
    }

    /// Gives a call that is known from its ticket alone a hold of zero, so that it is closed like any other.
    pub fn hold_zero_if_ticket_only(&mut self) {
        if let Origin::TicketOnly { since_ms } = self.origin {
            self.origin = Origin::EarlierProcess { since_ms };
        }
        if self.holds.is_none() {
            self.restore_holds(&vec![Money::ZERO; self.payers.len()]);
        }
    }

    /// Holds these amounts, the client's first, whatever the wallets have.
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

    /// The payers' wallets, the client's first.
    pub fn with_chain<T>(&self, then: impl FnOnce(&Chain<'_>) -> T) -> Result<T, ChainError> {
        let wallets: Vec<&Wallet> = self.payers.iter().map(|payer| &payer.account.wallet).collect();
        Ok(then(&Chain::new(&wallets)?))
    }

    /// The longest duration that the payers are charged for, in seconds.
    pub fn charged_at_most_seconds(&self) -> u32 {
        self.funded_seconds.max(self.live.pushed_seconds)
    }

    /// The last moment at which it can be alive, by the monotonic clock: the caps end it in Asterisk, whatever happens.
    pub fn last_possible_ms(&self) -> i64 {
        let seconds = i64::from(self.ring_seconds) + i64::from(self.limit_seconds) + LAST_GRACE_SECONDS;
        self.origin.since_ms().saturating_add(seconds * 1_000)
    }

    /// When it may have been answered, as its price was held for.
    pub fn answer_range(&self) -> AnswerRange {
        let ring = jiff::SignedDuration::from_secs(i64::from(self.ring_seconds));
        AnswerRange::new(self.granted_at, self.granted_at.checked_add(ring).unwrap_or(self.granted_at))
    }

    /// The number of the route whose trunk a called channel belongs to; 0 where there is none.
    pub fn route_of(&self, called: &str) -> u32 {
        let Some(endpoint) = endpoint_of(called) else { return 0 };
        let is_its =
            |route: &Option<Route>| route.as_ref().is_some_and(|route| route.trunk.endpoint == endpoint);
        let at = self.routes.iter().position(is_its);
        at.and_then(|at| u32::try_from(at + 1).ok()).unwrap_or(0)
    }
}
