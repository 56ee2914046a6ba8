//! Orders to live calls: change the end, or hang up.

use tokio::sync::mpsc;

use crate::ledger::CallKey;

/// Interval of metering, in milliseconds: four passes a second end a call within the second in which its credit ends.
pub const METER_EVERY_MS: u64 = 250;
/// Maximum orders waiting for their server; further ones are refused, and requested again by the next pass of the
/// meter.
const MAX_ORDERS: usize = 8_192;
/// An order to the Asterisk server of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steer {
    /// Change a call's end.
    End {
        /// The call.
        key: CallKey,
        /// Called channel, on which the end is set.
        channel: String,
        /// End, in milliseconds after the answer.
        end_ms: u64,
        /// Time left until the end, in milliseconds from the decision; at least 1.
        left_ms: u64,
    },
    /// End a call now.
    HangUp {
        /// The call.
        key: CallKey,
        /// Its calling channel.
        channel: String,
    },
}

impl Steer {
    /// The call.
    pub const fn key(&self) -> &CallKey {
        match self {
            Self::End { key, .. } | Self::HangUp { key, .. } => key,
        }
    }
}

/// Queue of orders from outside the meter.
#[derive(Debug, Clone)]
pub struct Orders(mpsc::Sender<Steer>);

impl Orders {
    /// Creates a bounded queue of orders.
    pub fn queue() -> (Self, mpsc::Receiver<Steer>) {
        let (sender, receiver) = mpsc::channel(MAX_ORDERS);
        (Self(sender), receiver)
    }

    /// Queues an order; returns `false` if the queue is full.
    pub fn push(&self, order: Steer) -> bool {
        self.0.try_send(order).is_ok()
    }
}
