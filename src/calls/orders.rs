//! Orders to live calls: move an end, hang up.

use tokio::sync::mpsc;

use crate::ledger::CallKey;

/// How often live calls are looked at: four times a second ends a call within the second in which its credit does.
pub const METER_EVERY_MS: u64 = 250;
/// Orders that wait for their server; one more is refused, and asked for again by the next pass of the meter.
const MAX_ORDERS: usize = 8_192;
/// An order to the Asterisk server of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steer {
    /// Move a call's end.
    End {
        /// The call.
        key: CallKey,
        /// The called channel, on which the end stands.
        channel: String,
        /// The end, in milliseconds after the answer.
        end_ms: u64,
        /// The same, from the moment of the decision; at least 1.
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

/// The queue of orders from outside the meter.
#[derive(Debug, Clone)]
pub struct Orders(mpsc::Sender<Steer>);

impl Orders {
    /// A bounded queue of orders.
    pub fn queue() -> (Self, mpsc::Receiver<Steer>) {
        let (sender, receiver) = mpsc::channel(MAX_ORDERS);
        (Self(sender), receiver)
    }

    /// Queues an order; `false` when the queue is full.
    pub fn push(&self, order: Steer) -> bool {
        self.0.try_send(order).is_ok()
    }
}
