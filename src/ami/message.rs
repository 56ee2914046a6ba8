//! A block of `Name: value` lines.

/// A block as received: an answer or an event.
///
/// Asterisk prints some values as a caller chose them, so a block may contain injected lines: a repeated name (other
/// than `Variable`, `ChanVariable` and `Output`) makes the block ambiguous, and nothing may be concluded from it. A
/// line without a name does so too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    fields: Vec<(String, String)>,
}

/// Names that may repeat, and prefixes of such names (`ChanVariable(PJSIP/…)`, `DestChanVariable`).
const REPEATED: [&str; 4] = ["variable", "chanvariable", "destchanvariable", "output"];

impl Message {
    /// Creates a block of these fields in their order.
    pub fn new(fields: Vec<(String, String)>) -> Self {
        Self { fields }
    }

    /// Returns the first value of a name, ignoring case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Returns all fields. A line without a colon has an empty name.
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// Reports whether a non-repeatable name is repeated, or a line has no name.
    pub fn is_ambiguous(&self) -> bool {
        let repeats = |name: &str| {
            REPEATED.iter().any(|known| {
                name.as_bytes()
                    .get(..known.len())
                    .is_some_and(|begin| begin.eq_ignore_ascii_case(known.as_bytes()))
            })
        };
        self.fields.iter().enumerate().any(|(at, (name, _))| {
            name.is_empty()
                || (self.fields[..at].iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name))
                    && !repeats(name))
        })
    }

    /// Returns the value of the first line if that line has this name; the first line determines the kind of block.
    pub(super) fn headed(&self, name: &str) -> Option<&str> {
        let (first, value) = self.fields.first()?;
        first.eq_ignore_ascii_case(name).then_some(value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &[(&str, &str)]) -> Message {
        Message::new(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_name_that_comes_twice_makes_a_block_ambiguous_whatever_its_case() {
        assert!(!message(&[("Event", "Hangup"), ("Uniqueid", "1.1")]).is_ambiguous());
        assert!(message(&[("Event", "Hangup"), ("Uniqueid", "1.1"), ("uniqueid", "1.2")]).is_ambiguous());
        assert!(message(&[("Event", "Hangup"), ("Event", "Hangup")]).is_ambiguous());
    }

    #[test]
    fn output_and_channel_variables_come_as_often_as_they_like() {
        assert!(!message(&[("Response", "Success"), ("Output", "a"), ("Output", "b")]).is_ambiguous());
        assert!(!message(&[("ChanVariable(x)", "a=1"), ("chanvariable(X)", "b=2")]).is_ambiguous());
    }

    #[test]
    fn a_line_without_a_name_makes_a_block_ambiguous() {
        assert!(message(&[("Event", "Hangup"), ("", "planted")]).is_ambiguous());
    }

    #[test]
    fn the_first_value_of_a_name_counts() {
        let block = message(&[("Response", "Error"), ("Message", "no"), ("Response", "Success")]);
        assert_eq!(block.get("RESPONSE"), Some("Error"));
        assert_eq!(block.headed("response"), Some("Error"));
        assert_eq!(block.headed("event"), None);
    }
}
