//! A call that holds credit, as memory has it.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tollgate_rating::credit::{Chain, ChainError, Holds, Wallet};
use tollgate_rating::{CallRate, E164, Money};

use super::live::Live;
use super::ticket::TicketPayer;
use crate::catalog::lcr::Route;
use crate::catalog::trunks::Occupied;
use crate::directory::Account;
use crate::ledger::Settlement;

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
    /// What the payers' wallets hold for it; nothing for a call known from its ticket alone.
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
    /// When it was granted by the monotonic clock of this process; unknown after a restart.
    pub granted_ms: Option<u64>,
    /// The same, after a restart too: reckoned from the wall clock once, so that later steps of it do not matter.
    pub since_ms: Option<i64>,
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
    /// Its end, worked out when it came, that the book has not acknowledged: it may have it all the same. Tried again
    /// as it stands, until the book answers.
    pub unsettled: Option<Box<Unsettled>>,
    /// Whether the book was asked to write it and did not answer.
    pub tried: bool,
    /// Whether the dialplan may have the token, and so may have dialled. As long as it has not, the call is provably
    /// unanswered; of a call of an earlier process it is not known.
    pub dialable: bool,
}

/// What is to be written of a call.
#[derive(Clone, Debug)]
pub struct Unsettled {
    /// For the book.
    pub settlement: Settlement,
    /// For the wallets, the client's first.
    pub charges: Vec<Money>,
}

impl OpenCall {
    /// The payers' wallets, the client's first.
    pub fn with_chain<T>(&self, then: impl FnOnce(&Chain<'_>) -> T) -> Result<T, ChainError> {
        let wallets: Vec<&Wallet> = self.payers.iter().map(|payer| &payer.account.wallet).collect();
        Ok(then(&Chain::new(&wallets)?))
    }
}
