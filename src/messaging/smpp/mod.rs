//! SMPP 3.4: one bound transceiver, kept connected by a task of its own.
//!
//! The outcome of a message: not accepted if it was not written; that of the answer if it was answered; unknown if it was
//! written and not answered, and then it is never submitted again. The parts of a long text are submitted one after another,
//! so that a refusal of the first is a refusal of the whole.

mod connector;
mod failure;
mod keeper;
pub(crate) mod pdu;
pub(crate) mod receipt;
mod session;
mod settings;
mod submission;

pub(crate) use self::connector::Smpp;
pub(crate) use self::settings::{Settings, Timing};
