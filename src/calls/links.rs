//! The control links as calls see them: whether a server's calls can be steered, and the consequence for new ones.

use std::sync::atomic::Ordering;

use tollgate_rating::Money;
use tollgate_rating::credit::Slice;

use super::link_state::LinkIs;
use super::live::signed;
use super::open::OpenCall;
use super::state::Calls;
use crate::config::{OnLinkLoss, Reserve};

/// Minimum seconds held, if credit allows, for a call that cannot be extended.
pub const CUT_MIN_SECONDS: u32 = 60;

/// Calls left without control by the loss of a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Answered or ringing calls on that server.
    pub calls: usize,
    /// Number of these calls that may outlast their holds.
    pub beyond_hold: usize,
    /// Maximum amount by which they can exceed their holds, at their clients' prices.
    pub amount: Money,
}

impl Calls {
    /// Adds a server whose calls can be metered; its link is down until reported up.
    pub fn add_server(&self, server: &str) {
        self.links.entry(server.into()).or_insert(LinkIs::Away);
    }

    /// Returns the state of the link to a server.
    pub fn link_of(&self, server: &str) -> LinkIs {
        self.links.get(server).map_or(LinkIs::NotConfigured, |link| *link)
    }

    /// Returns the part of a grant that is held at a time for this server's calls.
    pub(super) fn slice_of(&self, server: &str) -> Slice {
        match (self.settings.reserve, self.link_of(server), self.settings.on_link_loss) {
            // If a call that may last its whole grant cannot be shortened, the grant is held: nothing is exposed.
            (Reserve::Full, ..)
            | (_, LinkIs::NotConfigured, _)
            | (_, LinkIs::Away, OnLinkLoss::RunToGrant) => Slice::Full,
            (_, LinkIs::Away, OnLinkLoss::Cut) => {
                Slice::Seconds(self.settings.slice_seconds.max(CUT_MIN_SECONDS))
            }
            _ => Slice::Seconds(self.settings.slice_seconds),
        }
    }

    /// Reports whether Asterisk gets the whole affordable time as a call's end, while only a slice is held.
    pub(super) fn runs_to_grant(&self, server: &str) -> bool {
        self.settings.reserve == Reserve::Slice
            && self.settings.on_link_loss == OnLinkLoss::RunToGrant
            && self.link_of(server) != LinkIs::NotConfigured
    }

    /// Records that the link to a server is up: its calls are steered from now on.
    pub fn link_up(&self, server: &str) {
        self.links.insert(server.into(), LinkIs::Up);
        for mut call in self.open.iter_mut().filter(|call| call.key().server == server) {
            call.live.due_ms = 0;
            // Orders in transit when the link was lost may not have arrived.
            call.live.pushing = false;
            if self.settings.reserve == Reserve::Slice {
                call.live.end_ms = None;
            }
        }
    }

    /// Records that the link to a server is down; it was last heard at `heard_ms`, and its calls were alive then.
    pub fn link_down(&self, server: &str, heard_ms: u64) -> Exposure {
        self.links.insert(server.into(), LinkIs::Away);
        let mut exposure = Exposure::default();
        for mut call in self.open.iter_mut().filter(|call| call.key().server == server) {
            let call = call.value_mut();
            if call.live.ending_ms.is_none() && call.origin.since_ms() <= signed(heard_ms) {
                call.live.seen_alive(signed(heard_ms));
            }
            exposure.calls += 1;
            let beyond = beyond_hold(call);
            if beyond > Money::ZERO {
                exposure.beyond_hold += 1;
                exposure.amount = exposure.amount.checked_add(beyond).unwrap_or(Money::MAX);
            }
        }
        self.metrics.link_losses.fetch_add(1, Ordering::Relaxed);
        self.metrics.link_loss_calls.fetch_add(exposure.calls as u64, Ordering::Relaxed);
        let nanos = u64::try_from(exposure.amount.nanos()).unwrap_or(0);
        self.metrics.link_loss_exposed_nanos.fetch_add(nanos, Ordering::Relaxed);
        tracing::warn!(
            server,
            calls = exposure.calls,
            calls.beyond_hold = exposure.beyond_hold,
            exposure_nanos = exposure.amount.nanos(),
            "the control link was lost; live calls run on to where they are funded"
        );
        exposure
    }
}

/// Returns the amount by which a call can exceed its client's hold before Asterisk ends it.
fn beyond_hold(call: &OpenCall) -> Money {
    if call.live.pushed_seconds <= call.funded_seconds {
        return Money::ZERO;
    }
    let (Some(holds), Some(client)) = (&call.holds, call.payers.first()) else { return Money::ZERO };
    let most = client.rate.hold(call.live.pushed_seconds, call.answer_range()).unwrap_or(Money::ZERO);
    let held = holds.amounts().first().copied().unwrap_or(Money::ZERO);
    most.checked_sub(held).unwrap_or(Money::ZERO).max(Money::ZERO)
}
