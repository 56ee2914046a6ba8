//! Live calls, for display.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::link_state::LinkIs;
use super::state::Calls;
use crate::ledger::CallKey;

/// A call that holds credit.
#[derive(Debug, Clone)]
pub struct LiveCall {
    /// Its key.
    pub key: CallKey,
    /// Login of the client.
    pub login: String,
    /// Name of the peer.
    pub endpoint: String,
    /// Number called.
    pub number: String,
    /// Time of the authorisation.
    pub setup_at: Timestamp,
    /// Time since the answer, in milliseconds; `None` while it rings, or if unknown.
    pub talked_ms: Option<u64>,
    /// Duration that its holds pay for, in seconds.
    pub funded_seconds: u32,
    /// Duration that the caps allow, in seconds.
    pub limit_seconds: u32,
    /// Amount held in the client's wallet.
    pub held: Money,
    /// State of the control link to its server.
    pub link: LinkIs,
    /// True if it has ended and only its settlement is pending.
    pub ended: bool,
}

impl Calls {
    /// Returns every call that holds credit, oldest first.
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

    /// Parses the key of a live call, in the format of [`CallKey`].
    pub fn live_key(&self, text: &str) -> Option<CallKey> {
        self.open.iter().find(|call| call.key().to_string() == text).map(|call| call.key().clone())
    }
}
