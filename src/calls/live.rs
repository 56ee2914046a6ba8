//! What is known of a call on its Asterisk, and where it ends there.

/// A call as its Asterisk has it. Times are by the monotonic clock of this process and may lie before its start.
#[derive(Debug, Default, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and none excludes another")]
pub struct Live {
    /// The calling channel's name; empty where it is not known yet, after a restart.
    pub channel: String,
    /// The called channel's name, once it has answered: the funded end stands on it.
    pub called: Option<String>,
    /// The number of the route whose carrier answered; 0 where that is not known.
    pub route: u32,
    /// When it was answered.
    pub answered_ms: Option<i64>,
    /// Whether that was heard as it happened, by the monotonic clock; otherwise it was told later, by a wall clock.
    pub answer_heard: bool,
    /// Where Asterisk ends it, in milliseconds after the answer, as far as it has confirmed.
    pub end_ms: Option<u64>,
    /// The latest funded limit that was pushed, in seconds: payers are charged at most to it. More than the holds pay
    /// for only with `credit.on_link_loss = "run_to_grant"`.
    pub pushed_seconds: u32,
    /// To where it may run, in seconds: what is held pays for it, or, with `credit.on_link_loss = "run_to_grant"`, its
    /// chain could pay it.
    pub reach_seconds: u32,
    /// Whether it was looked at since it was answered.
    pub metered: bool,
    /// A push is on its way.
    pub pushing: bool,
    /// The last renewal could not be paid in full: the call ends where it is funded to, unless credit arrives.
    pub short: bool,
    /// When it is to be looked at again.
    pub due_ms: u64,
    /// Its last proof of life.
    pub alive_ms: Option<i64>,
    /// When an event said that it ended: a hint to look, no proof, and no time to charge by.
    pub ending_ms: Option<i64>,
    /// How many whole channel lists in a row did not have it.
    pub missing: u8,
}

impl Live {
    /// A call that was granted just now, to be ended by Asterisk at `end_ms` after its answer.
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

    /// Takes a later proof of life.
    pub fn seen_alive(&mut self, at_ms: i64) {
        self.alive_ms = Some(self.alive_ms.map_or(at_ms, |known| known.max(at_ms)));
    }

    /// How long it has been answered at a moment, in milliseconds.
    pub fn talked_ms(&self, now_ms: u64) -> Option<u64> {
        let answered = self.answered_ms?;
        Some(u64::try_from(signed(now_ms).saturating_sub(answered)).unwrap_or(0))
    }
}

/// A moment of the monotonic clock, to reckon with moments before the process began.
pub fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
