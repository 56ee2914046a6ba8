//! SMPP 3.4: one bound transceiver, kept connected by a task of its own.
//!
//! What is sure and what is not: a message that was not written is not taken; one that was answered is what the answer says;
//! one that was written and not answered may have been taken and is never given again. A long text's parts are given one
//! after another, so that a refusal of the first is a refusal of the whole.

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
