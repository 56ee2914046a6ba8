//! A call that holds credit, as memory has it.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tollgate_rating::credit::{Chain, ChainError, Holds, Wallet};
use tollgate_rating::{CallRate, E164};

use super::ticket::TicketPayer;
use crate::accounts::directory::Account;
use crate::catalog::lcr::Route;
use crate::catalog::trunks::Occupied;

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
    /// The routes in the order they are tried.
    pub routes: Vec<Route>,
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
    /// Seconds the holds pay for.
    pub funded_seconds: u32,
    /// Seconds it may ring.
    pub ring_seconds: u32,
    /// When the holds end if nobody settles, by the monotonic clock: a step of the wall clock frees nothing.
    pub hold_until_ms: u64,
    /// Whether a settlement was tried whose outcome is not known: the book may have the charge already.
    pub tried: bool,
}

impl OpenCall {
    /// The payers' wallets, the client's first.
    pub fn with_chain<T>(&self, then: impl FnOnce(&Chain<'_>) -> T) -> Result<T, ChainError> {
        let wallets: Vec<&Wallet> = self.payers.iter().map(|payer| &payer.account.wallet).collect();
        Ok(then(&Chain::new(&wallets)?))
    }
}
