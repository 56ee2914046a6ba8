//! Live calls, for showing.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::link_state::LinkIs;
use super::state::Calls;
use crate::ledger::CallKey;

/// A call that holds credit now.
#[derive(Debug, Clone)]
pub struct LiveCall {
    /// Its key.
    pub key: CallKey,
    /// The client's login.
    pub login: String,
    /// The peer's name.
    pub endpoint: String,
    /// The number called.
    pub number: String,
    /// When it was authorised.
    pub setup_at: Timestamp,
    /// How long it has been answered, in milliseconds; `None` while it rings, or where it is not known.
    pub talked_ms: Option<u64>,
    /// For how many seconds its holds pay.
    pub funded_seconds: u32,
    /// The caps, in seconds.
    pub limit_seconds: u32,
    /// What the client's wallet holds for it.
    pub held: Money,
    /// How the control link to its server is.
    pub link: LinkIs,
    /// Whether it has ended and only its settlement waits.
    pub ended: bool,
}

impl Calls {
    /// Every call that holds credit now, the oldest first.
    pub fn live_calls(&self) -> Vec<LiveCall> {
        let now_ms = self.clock.monotonic_ms();
        let mut calls: Vec<LiveCall> = self
            .open
            .iter()
            .map(|call| LiveCall {
                key: call.key().clone(),
                login: call.payers.first().map_or_else(String::new, |payer| payer.account.login.clone()),
                endpoint: call.endpoint.clone(),
                number: call.number.to_string(),
                setup_at: call.granted_at,
                talked_ms: call.live.talked_ms(now_ms),
                funded_seconds: call.funded_seconds,
                limit_seconds: call.limit_seconds,
                held: call
                    .holds
                    .as_ref()
                    .and_then(|holds| holds.amounts().first().copied())
                    .unwrap_or(Money::ZERO),
                link: self.link_of(&call.key().server),
                ended: call.has_ended(),
            })
            .collect();
        calls.sort_by(|a, b| a.setup_at.cmp(&b.setup_at).then_with(|| a.key.cmp(&b.key)));
        calls
    }

    /// The key of a live call from its text, as [`CallKey`] shows it.
    pub fn live_key(&self, text: &str) -> Option<CallKey> {
        self.open.iter().find(|call| call.key().to_string() == text).map(|call| call.key().clone())
    }
}
