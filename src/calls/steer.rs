//! Execution of decisions about live calls over the control link: change the end, or hang up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::orders::{METER_EVERY_MS, Steer};
use super::state::Calls;
use crate::ami::Links;
use crate::ledger::CallKey;

/// Maximum concurrent changes of an end per server: it answers each within milliseconds, and a slow one must not be
/// flooded.
const MAX_UNDER_WAY: usize = 128;
/// The Q.850 cause of a call that Tollgate ends: normal clearing.
const HANG_UP_CAUSE: u8 = 16;

/// Meters live calls and executes orders until `stop`.
pub async fn steer(
    calls: Arc<Calls>,
    links: Links,
    mut orders: mpsc::Receiver<Steer>,
    stop: CancellationToken,
) {
    // Permits for concurrent orders, per server: a slow server delays no other, and none delays the meter.
    let places: HashMap<String, Arc<Semaphore>> = links
        .iter()
        .map(|link| (link.server().to_owned(), Arc::new(Semaphore::new(MAX_UNDER_WAY))))
        .collect();
    let mut pass = tokio::time::interval(Duration::from_millis(METER_EVERY_MS));
    pass.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        let batch = tokio::select! {
            () = stop.cancelled() => return,
            // Another process may own the wallets: until that is known, no call gets more.
            _ = pass.tick() => if calls.may_spend() {
                calls.meter(calls.clock.monotonic_ms()).ends
            } else {
                Vec::new()
            },
            order = orders.recv() => match order {
                Some(order) => vec![order],
                None => return,
            },
        };
        for order in batch {
            let Some(places) = places.get(&order.key().server).cloned() else { continue };
            let (calls, links) = (Arc::clone(&calls), links.clone());
            // At most as many tasks as live calls: each call has one end in transit.
            tokio::spawn(async move {
                // Changes of an end wait for a permit, immediate hang-ups do not.
                let place = match order {
                    Steer::End { .. } => places.acquire_owned().await.ok(),
                    Steer::HangUp { .. } => None,
                };
                carry_out(&calls, &links, order).await;
                drop(place);
            });
        }
    }
}

async fn carry_out(calls: &Calls, links: &Links, order: Steer) {
    let Some(link) = links.get(&order.key().server) else { return };
    match &order {
        Steer::End { key, channel, end_ms, .. } => {
            // Computed now, because the order may have waited.
            let Some(left_ms) = calls.left_ms(key, *end_ms) else { return };
            let moved = link.absolute_timeout(channel, left_ms).await;
            match &moved {
                // The call has ended at an unknown time: its settlement is under way, or the next channel list lacks
                // it.
                Ok(false) => tracing::debug!(call.id = %key, channel, "the call's end found no channel"),
                Ok(true) => {}
                Err(error) => tracing::warn!(call.id = %key, %error, "the call's end could not be moved"),
            }
            calls.end_pushed(key, *end_ms, moved.is_ok_and(|there| there));
        }
        Steer::HangUp { key, channel } => match link.hangup(channel, HANG_UP_CAUSE).await {
            Ok(there) => tracing::info!(call.id = %key, call.was_up = there, "call hung up"),
            Err(error) => tracing::warn!(call.id = %key, %error, "the call could not be hung up"),
        },
    }
}

impl Calls {
    /// Hangs up every call of a peer as soon as its Asterisk can be reached; returns their number. Calls whose link is
    /// down are hung up when it is up again: the peer is checked again then.
    pub fn hang_up_endpoint(&self, endpoint: &str) -> usize {
        let of_peer: Vec<Steer> = self
            .open
            .iter()
            .filter(|call| call.endpoint == endpoint && !call.live.channel.is_empty())
            .map(|call| Steer::HangUp { key: call.key().clone(), channel: call.live.channel.clone() })
            .collect();
        let count = of_peer.len();
        for order in of_peer {
            self.order(order);
        }
        count
    }

    /// Hangs up a call as soon as its Asterisk can be reached; `false` if there is no such call, or its channel is
    /// unknown.
    pub fn hang_up(&self, key: &CallKey) -> bool {
        let channel = self.open.get(key).map(|call| call.live.channel.clone());
        match channel {
            Some(channel) if !channel.is_empty() => self.order(Steer::HangUp { key: key.clone(), channel }),
            _ => false,
        }
    }

    fn order(&self, order: Steer) -> bool {
        let key = order.key().clone();
        let given = self.orders.get().is_some_and(|orders| orders.push(order));
        if !given {
            tracing::error!(call.id = %key, "an order to a call could not be given: too many wait, or no link is there");
        }
        given
    }
}
