//! What Asterisk tells by itself.

use super::Message;

/// The events that are asked for: the server sends no other ones, lists of ours apart.
pub const WANTED: [&str; 5] = ["DialEnd", "Hangup", "ContactStatus", "FullyBooted", "Shutdown"];

/// An event that somebody here acts on, or any other as it came.
///
/// An ambiguous block is never read as a typed event, nor is one that lacks what the event is about: it is
/// [`Event::Other`]. Even so a typed event is a hint, never a proof: callers can plant whole blocks.
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

impl From<Message> for Event {
    fn from(block: Message) -> Self {
        let read = if block.is_ambiguous() { None } else { read(&block) };
        read.unwrap_or(Self::Other(block))
    }
}

fn read(block: &Message) -> Option<Event> {
    let field = |name: &str| block.get(name).map(str::to_owned);
    match block.headed("Event")? {
        "DialEnd" => Some(Event::DialEnd {
            unique_id: field("Uniqueid").unwrap_or_default(),
            dest_channel: field("DestChannel")?,
            dest_unique_id: field("DestUniqueid")?,
            dial_status: field("DialStatus")?,
        }),
        "Hangup" => Some(Event::Hangup {
            channel: field("Channel")?,
            unique_id: field("Uniqueid")?,
            linked_id: field("Linkedid")?,
        }),
        "ContactStatus" => Some(Event::ContactStatus {
            aor: field("AOR")?,
            uri: field("URI")?,
            status: field("ContactStatus")?,
        }),
        "FullyBooted" => Some(Event::FullyBooted),
        "Shutdown" => Some(Event::Shutdown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Message {
        let fields = text.lines().map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        });
        Message::new(fields.collect())
    }

    #[test]
    fn a_hangup_is_read_with_its_ids() {
        let told = "Event: Hangup\nChannel: PJSIP/a-1\nUniqueid: pbx1-1.1\nLinkedid: pbx1-1.0\nCause: 16";
        let Event::Hangup { channel, unique_id, linked_id } = block(told).into() else { panic!("a hangup") };
        assert_eq!([channel, unique_id, linked_id], ["PJSIP/a-1", "pbx1-1.1", "pbx1-1.0"]);
    }

    #[test]
    fn lines_that_a_caller_planted_make_no_typed_event() {
        let planted = "Event: Hangup\nChannel: PJSIP/a-1\nCallerIDNum: 1\nUniqueid: evil.1\nUniqueid: pbx1-1.1\n\
                       Linkedid: pbx1-1.0";
        assert!(matches!(Event::from(block(planted)), Event::Other(_)));
        let short = "Event: Hangup\nUniqueid: evil.1\nCause: 16";
        assert!(matches!(Event::from(block(short)), Event::Other(_)));
        let not_first = "Privilege: call,all\nEvent: Shutdown";
        assert!(matches!(Event::from(block(not_first)), Event::Other(_)));
    }
}
