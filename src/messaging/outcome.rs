//! The outcome of a try to send a message.

use tokio::sync::oneshot;

use super::connector::Submitted;
use crate::store::messages::{ClaimedMessage, MessageState};

/// The outcome of a message that was submitted to its provider.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The message.
    pub(super) message: ClaimedMessage,
    /// The outcome.
    pub(super) submitted: Submitted,
    /// Billing currency of its provider.
    pub(super) currency: String,
    /// True if its provider must be asked about it by the provider's own name.
    pub(super) is_asked: bool,
    /// True if its provider can be asked for it by our reference.
    pub(super) can_find: bool,
    /// The request that waits for it.
    pub(super) reply: Option<oneshot::Sender<Ended>>,
}

/// Where a message is after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Where it is.
    pub state: MessageState,
    /// Why it is not sent.
    pub failure: Option<String>,
}
