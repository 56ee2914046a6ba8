//! Events sent by Asterisk.

use super::Message;

/// The events that are subscribed to: the server sends no others, except those of requested lists.
pub const WANTED: [&str; 4] = ["DialEnd", "Hangup", "FullyBooted", "Shutdown"];

/// An event with a typed form, or any other event as received.
///
/// An ambiguous block, or one without the event's main fields, is never decoded as a typed event: it is
/// [`Event::Other`]. Even a typed event is only a hint, never a proof: callers can inject whole blocks.
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
        /// Name of the channel.
        channel: String,
        /// Unique id of the channel.
        unique_id: String,
        /// Unique id of the channel that began the call.
        linked_id: String,
    },
    /// `FullyBooted`.
    FullyBooted,
    /// `Shutdown`: the server is shutting down.
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
        "FullyBooted" => Some(Event::FullyBooted),
        "Shutdown" => Some(Event::Shutdown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded;
    use super::*;

    fn events(recorded: &str) -> Vec<Event> {
        let blocks = recorded::blocks(recorded);
        let is_event = |block: &Message| block.headed("Event").is_some() && block.get("ActionID").is_none();
        blocks.into_iter().filter(is_event).map(Event::from).collect()
    }

    #[test]
    fn a_recorded_call_is_answered_and_ends_on_both_channels() {
        let told = events("call");
        let [
            Event::FullyBooted,
            Event::DialEnd { unique_id, dest_unique_id, dial_status, .. },
            first,
            second,
        ] = told.as_slice()
        else {
            panic!("nothing but what is wanted: {told:#?}")
        };
        assert_eq!(dial_status, "ANSWER");
        let ended: Vec<_> = [first, second]
            .into_iter()
            .map(|event| match event {
                Event::Hangup { unique_id: ended, linked_id, .. } => {
                    assert_eq!(linked_id, unique_id);
                    ended
                }
                other => panic!("a hangup: {other:?}"),
            })
            .collect();
        assert_eq!(ended, [dest_unique_id, unique_id]);
    }

    #[test]
    fn a_recorded_end_of_the_server_is_told_and_a_registration_is_nobodys_event() {
        assert!(matches!(events("shutdown").last(), Some(Event::Shutdown)));
        let told = events("contact");
        let is_registration = |event: &Event| matches!(event, Event::Other(block) if block.headed("Event") == Some("ContactStatus"));
        assert!(told.iter().any(is_registration), "{told:#?}");
    }

    /// The recorded caller injected `Event: Hangup` with all of its fields; the fields Asterisk prints after it are in
    /// the same block and reveal the injection.
    #[test]
    fn a_recorded_caller_who_planted_a_hangup_ends_no_call() {
        let told = events("planted");
        let named =
            |event: &&Event| matches!(event, Event::Hangup { unique_id, .. } if unique_id.contains("evil"));
        assert_eq!(told.iter().filter(named).count(), 0);
        let planted =
            |event: &&Event| matches!(event, Event::Other(block) if block.get("Uniqueid") == Some("evil.1"));
        assert!(told.iter().filter(planted).count() > 1, "{told:#?}");
    }

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
