//! The settings of one SMPP connection.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::{LongMessages, Secret};
use crate::dial::Tls;

/// An SMSC.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) system_id: String,
    pub(crate) password: Secret,
    pub(crate) system_type: String,
    pub(crate) tls: Option<Tls>,
    /// Messages written and not answered, at most.
    pub(crate) window: u16,
    pub(crate) long_messages: LongMessages,
    pub(crate) zone: TimeZone,
    pub(crate) timing: Timing,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Connecting, TLS included.
    pub(crate) connect: Duration,
    /// An answer.
    pub(crate) answer: Duration,
    /// The silence after which the SMSC is asked whether it is there.
    pub(crate) quiet: Duration,
    /// The wait after the first failure; it doubles with each further one.
    pub(crate) retry_first: Duration,
    /// The longest wait.
    pub(crate) retry_longest: Duration,
    /// The wait after a refused bind: it does not mend by itself, and frequent failures may lock the account.
    pub(crate) retry_refused: Duration,
}

impl Timing {
    /// With these two as configured.
    pub(crate) const fn new(answer: Duration, quiet: Duration) -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer,
            quiet,
            retry_first: Duration::from_millis(250),
            retry_longest: Duration::from_secs(15),
            retry_refused: Duration::from_mins(1),
        }
    }
}
