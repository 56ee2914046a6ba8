//! A PDU on its way to the SMSC, and its outcome.

use rusmpp::pdus::SubmitSm;
use tokio::sync::oneshot;

/// The outcome of one PDU.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It was answered.
    Answered { status: u32, message_id: Option<String> },
    /// It was not written.
    NotWritten(String),
    /// It was written, and what became of it is not known.
    Lost(String),
}

/// A PDU to submit.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) pdu: SubmitSm,
    pub(super) outcome: oneshot::Sender<Outcome>,
}

impl Submission {
    pub(super) fn resolve(self, outcome: Outcome) {
        // Whoever waited may have gone.
        let _ = self.outcome.send(outcome);
    }
}
