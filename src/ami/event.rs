//! What Asterisk tells by itself.

use super::Message;

/// An event that somebody here acts on, or any other as it came.
///
/// An ambiguous block is never read as a typed event: it is [`Event::Other`]. Even so a typed event is a hint, never a
/// proof: callers can plant whole blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `DialEnd`: a dialled channel answered, or did not.
    DialEnd {
        /// The calling channel's unique id (`Uniqueid`); empty for a dial without one.
        unique_id: String,
        /// The called channel's name (`DestChannel`).
        dest_channel: String,
        /// `DestUniqueid`.
        dest_unique_id: String,
        /// `DialStatus`: `ANSWER`, `BUSY`, …
        dial_status: String,
    },
    /// `Hangup`: a channel is gone.
    Hangup {
        /// Its name.
        channel: String,
        /// Its unique id.
        unique_id: String,
        /// The unique id of the channel that began it all.
        linked_id: String,
    },
    /// `ContactStatus`: a registration came, changed or went.
    ContactStatus {
        /// The address of record: the SIP account's name.
        aor: String,
        /// The contact.
        uri: String,
        /// `ContactStatus`: `Created`, `Removed`, `Reachable`, …
        status: String,
    },
    /// `FullyBooted`.
    FullyBooted,
    /// `Shutdown`: the server ends by itself.
    Shutdown,
    /// Any other.
    Other(Message),
}
