//! State of a call on its Asterisk server, and its end there.

/// A call as its Asterisk has it. Times are milliseconds of this process's monotonic clock and may precede its start.
#[derive(Debug, Default, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and none excludes another")]
pub struct Live {
    /// Name of the calling channel; empty while unknown, after a restart.
    pub channel: String,
    /// Name of the called channel, once it has answered: the funded end is set on it.
    pub called: Option<String>,
    /// Number of the route whose carrier answered; 0 while unknown.
    pub route: u32,
    /// Time of the answer.
    pub answered_ms: Option<i64>,
    /// True if the answer was observed as it happened, by the monotonic clock; false if it was reported later, by a
    /// wall clock.
    pub answer_heard: bool,
    /// End confirmed by Asterisk, in milliseconds after the answer.
    pub end_ms: Option<u64>,
    /// Highest funded limit that was pushed, in seconds: payers are charged at most to it. It exceeds the seconds that
    /// the holds pay for only with `credit.on_link_loss = "run_to_grant"`.
    pub pushed_seconds: u32,
    /// Duration that the call may reach, in seconds: the holds pay for it or, with `credit.on_link_loss =
    /// "run_to_grant"`, its chain could pay for it.
    pub reach_seconds: u32,
    /// True if the meter has processed it since it was answered.
    pub metered: bool,
    /// True while a push is in progress.
    pub pushing: bool,
    /// True if the last renewal could not be paid in full: the call ends where it is funded to, unless credit arrives.
    pub short: bool,
    /// Time of the next metering.
    pub due_ms: u64,
    /// Last time at which it was known to be alive.
    pub alive_ms: Option<i64>,
    /// Time at which an event reported its end: a reason to reconcile, not a proof, and not used for charging.
    pub ending_ms: Option<i64>,
    /// Number of consecutive complete channel lists without it.
    pub missing: u8,
}

impl Live {
    /// Builds the state of a call granted just now, which Asterisk ends at `end_ms` after its answer.
    pub fn granted(channel: String, end_ms: u64, pushed_seconds: u32, short: bool, now_ms: u64) -> Self {
        Self {
            channel,
            end_ms: Some(end_ms),
            pushed_seconds,
            short,
            alive_ms: Some(signed(now_ms)),
            ..Self::default()
        }
    }

    /// Records a time at which the call was alive; earlier times have no effect.
    pub fn seen_alive(&mut self, at_ms: i64) {
        self.alive_ms = Some(self.alive_ms.map_or(at_ms, |known| known.max(at_ms)));
    }

    /// Returns how long it has been answered at a given time, in milliseconds.
    pub fn talked_ms(&self, now_ms: u64) -> Option<u64> {
        let answered = self.answered_ms?;
        Some(u64::try_from(signed(now_ms).saturating_sub(answered)).unwrap_or(0))
    }
}

/// Converts a time of the monotonic clock to a signed one, for arithmetic with times before the process began.
pub fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
