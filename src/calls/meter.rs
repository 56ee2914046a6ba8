//! Metering: holds of live calls are renewed by slices, and each call's new end is sent to Asterisk.
//!
//! A pass over the open calls a few times a second, in memory, extends due holds on the whole chain or not at all, and
//! returns the changed ends to push. A call that could not be paid in full is processed in every pass, so that credit
//! which arrives extends it at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tollgate_rating::credit::{ExtendRequest, Holds};

use super::channel::PROVEN;
use super::funding::{GUARD_MS, HOLD_GRACE, PayerPrice, days, paid_seconds};
use super::link_state::LinkIs;
use super::live::signed;
use super::open::OpenCall;
use super::orders::{METER_EVERY_MS, Steer};
use super::state::Calls;
use crate::catalog::Snapshot;
use crate::config::Reserve;
use crate::ledger::{CallKey, Held, OpenCall as JournalledCall};

/// Delay before a failed push is retried, in milliseconds.
const RETRY_MS: u64 = 500;

/// Result of one pass.
#[derive(Debug, Default)]
pub struct Metered {
    /// Ends to send to Asterisk.
    pub ends: Vec<Steer>,
    /// Number of calls whose holds were extended.
    pub renewed: usize,
    /// Number of calls that end where they are funded to, unless credit arrives.
    pub short: usize,
}

impl Calls {
    /// Processes every live call that is due at `now_ms` by the monotonic clock.
    pub fn meter(&self, now_ms: u64) -> Metered {
        let mut metered = Metered::default();
        let snapshot = self.catalog.snapshot();
        for mut entry in self.open.iter_mut() {
            let (key, call) = entry.pair_mut();
            metered.short += usize::from(call.live.short && call.live.answered_ms.is_some());
            if call.live.due_ms > now_ms || call.has_ended() || call.live.missing >= PROVEN {
                continue;
            }
            let Some(talked_ms) = call.live.talked_ms(now_ms) else { continue };
            let link = self.link_of(&key.server);
            if link == LinkIs::NotConfigured {
                call.live.due_ms = u64::MAX;
                continue;
            }
            let before = call.funded_seconds;
            let renewed = self.renew(&snapshot, key, call, talked_ms, now_ms);
            metered.renewed += usize::from(renewed > before);
            if link == LinkIs::Up
                && !call.live.pushing
                && let Some(end_ms) = Self::end_to_push(key, call)
                && let Some(channel) = call.live.called.clone()
            {
                call.live.pushing = true;
                let left_ms = end_ms.saturating_sub(talked_ms).max(1);
                metered.ends.push(Steer::End { key: key.clone(), channel, end_ms, left_ms });
            }
        }
        self.metrics.renewals.fetch_add(metered.renewed as u64, Ordering::Relaxed);
        self.metrics.calls_short.store(metered.short as u64, Ordering::Relaxed);
        metered
    }

    /// Extends a call's holds if due; returns the seconds that they pay.
    fn renew(
        &self,
        snapshot: &Arc<Snapshot>,
        key: &CallKey,
        call: &mut OpenCall,
        talked_ms: u64,
        now_ms: u64,
    ) -> u32 {
        let slice = self.settings.slice_seconds;
        let limit = call.limit_seconds;
        let talked_seconds = u32::try_from(talked_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
        let target = match self.settings.reserve {
            Reserve::Full => limit,
            Reserve::Slice => talked_seconds.saturating_add(slice).min(limit),
        };
        let runs_to_grant = self.runs_to_grant(&key.server);
        // Credit that cannot extend this call is left for others.
        let can_lengthen =
            runs_to_grant || (self.link_of(&key.server) == LinkIs::Up && call.live.called.is_some());
        let half_used = u64::from(call.funded_seconds) * 1_000 <= talked_ms + u64::from(slice) * 500;
        let first = !call.live.metered;
        if can_lengthen && call.funded_seconds < limit && (half_used || call.live.short || first) {
            let (funded, affordable) = self.extend(snapshot, call, target);
            call.live.short = funded < target;
            let changed = funded > call.funded_seconds;
            call.funded_seconds = funded;
            call.live.reach_seconds =
                if runs_to_grant { affordable.max(call.funded_seconds) } else { call.funded_seconds };
            if changed {
                call.hold_until_ms = hold_until_ms(call, now_ms);
            }
            if changed || first {
                self.ledger.open_call(self.journalled(key, call, now_ms));
            }
        } else if first {
            call.live.reach_seconds = call.charged_at_most_seconds();
            self.ledger.open_call(self.journalled(key, call, now_ms));
        }
        call.live.metered = true;
        call.live.due_ms = if call.live.short || !can_lengthen {
            now_ms + METER_EVERY_MS
        } else if call.funded_seconds >= limit {
            u64::MAX
        } else {
            let half_ms = (u64::from(call.funded_seconds) * 1_000).saturating_sub(u64::from(slice) * 500);
            now_ms + half_ms.saturating_sub(talked_ms).max(METER_EVERY_MS)
        };
        call.funded_seconds
    }

    /// Extends a call's holds as far as its chain can pay; returns the seconds that they pay for then, and the seconds
    /// that the chain could pay.
    fn extend(&self, snapshot: &Snapshot, call: &mut OpenCall, target: u32) -> (u32, u32) {
        let unchanged = (call.funded_seconds, call.funded_seconds);
        let Some(mut holds) = call.holds.take() else { return unchanged };
        let chain: Vec<Arc<_>> = call.payers.iter().map(|payer| Arc::clone(&payer.account)).collect();
        let answered = call.answer_range();
        let prices: Vec<PayerPrice<'_>> =
            call.payers.iter().map(|payer| PayerPrice { rate: &payer.rate, answered }).collect();
        let request = ExtendRequest {
            caps_seconds: call.limit_seconds,
            funded_seconds: call.funded_seconds,
            target_seconds: target,
            days: days(snapshot, &chain, self.clock.now()),
        };
        let extended = call.with_chain(|wallets| wallets.extend(&mut holds, &prices, &request));
        let outcome = extended.map_or(unchanged, |extended| {
            let paid = paid_seconds(&prices, holds.amounts(), extended.affordable_seconds);
            (extended.funded_seconds.max(paid), extended.affordable_seconds)
        });
        call.holds = Some(holds);
        self.check_top_up(call);
        outcome
    }

    /// Returns the end that Asterisk must get, in milliseconds after the answer, if it has a different one.
    fn end_to_push(key: &CallKey, call: &mut OpenCall) -> Option<u64> {
        let reach = call.live.reach_seconds.max(call.funded_seconds);
        let end_ms = (u64::from(reach) * 1_000).saturating_sub(GUARD_MS);
        if call.live.end_ms == Some(end_ms) || call.live.called.is_none() {
            return None;
        }
        debug_assert!(reach <= call.limit_seconds.max(call.funded_seconds), "no end lies beyond the caps");
        // From now on Asterisk may have this end, even if no answer arrives.
        call.live.pushed_seconds = call.live.pushed_seconds.max(reach);
        tracing::debug!(call.id = %key, call.end_ms = end_ms, "the call's end is moved");
        Some(end_ms)
    }

    /// Returns the time left until a call's end, in milliseconds, at least 1; `None` if the call is not open any more.
    pub(super) fn left_ms(&self, key: &CallKey, end_ms: u64) -> Option<u64> {
        let call = self.open.get(key)?;
        let talked_ms = call.live.talked_ms(self.clock.monotonic_ms())?;
        Some(end_ms.saturating_sub(talked_ms).max(1))
    }

    /// Records whether Asterisk has accepted a call's end.
    pub fn end_pushed(&self, key: &CallKey, end_ms: u64, taken: bool) {
        let counter = if taken { &self.metrics.pushes } else { &self.metrics.pushes_failed };
        counter.fetch_add(1, Ordering::Relaxed);
        let now_ms = self.clock.monotonic_ms();
        let Some(mut call) = self.open.get_mut(key) else { return };
        call.live.pushing = false;
        if taken {
            call.live.end_ms = Some(end_ms);
            let reach = u32::try_from((end_ms + GUARD_MS) / 1_000).unwrap_or(u32::MAX);
            // Time talked before an end was moved nearer was talked under the earlier end.
            let talked_ms = call.live.talked_ms(now_ms).unwrap_or(0);
            let talked = u32::try_from(talked_ms.div_ceil(1_000)).unwrap_or(u32::MAX);
            call.live.pushed_seconds = talked.min(call.live.pushed_seconds).max(reach);
        } else {
            call.live.end_ms = None;
            call.live.due_ms = now_ms + RETRY_MS;
        }
    }

    /// Builds the journal record of an open call.
    pub(super) fn journalled(&self, key: &CallKey, call: &OpenCall, now_ms: u64) -> JournalledCall {
        let at = |ms: i64| self.wall_of(ms, now_ms);
        let until = i64::try_from(call.hold_until_ms).unwrap_or(i64::MAX);
        JournalledCall {
            key: key.clone(),
            ticket: call.ticket.to_string(),
            held: call
                .payers
                .iter()
                .zip(call.holds.iter().flat_map(Holds::amounts))
                .map(|(payer, amount)| Held { account_id: payer.account.id, amount: *amount })
                .collect(),
            granted_at: call.granted_at,
            hold_until: at(until).checked_sub(HOLD_GRACE).unwrap_or(call.granted_at),
            epoch: self.ownership.epoch(),
            funded_seconds: call.funded_seconds,
            pushed_seconds: call.live.pushed_seconds.max(call.live.reach_seconds),
            answered_at: call.live.answered_ms.map(at),
            alive_at: call.live.alive_ms.map(at).or(call.live.answered_ms.map(|_| at(signed(now_ms)))),
        }
    }

    /// Converts a time of the monotonic clock to the wall clock, based on the present time.
    pub(super) fn wall_of(&self, ms: i64, now_ms: u64) -> jiff::Timestamp {
        let now = self.clock.now();
        let since = jiff::SignedDuration::from_millis(ms.saturating_sub(signed(now_ms)));
        now.checked_add(since).unwrap_or(now)
    }
}

/// Returns the time at which the holds of an answered call end without a settlement.
fn hold_until_ms(call: &OpenCall, now_ms: u64) -> u64 {
    let grace = u64::try_from(HOLD_GRACE.as_millis()).unwrap_or(0);
    let talked = call.live.talked_ms(now_ms).unwrap_or(0);
    let left = (u64::from(call.funded_seconds) * 1_000).saturating_sub(talked);
    (now_ms + left + grace).max(call.hold_until_ms)
}
