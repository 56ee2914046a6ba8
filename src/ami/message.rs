//! A block of `Name: value` lines.

/// One block as it came: an answer or an event.
///
/// Asterisk prints some values as a caller chose them, so a block may hold lines that somebody planted: a name that comes
/// twice (other than `Variable`, `ChanVariable` and `Output`) makes the block ambiguous, and nothing is to be concluded
/// from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    fields: Vec<(String, String)>,
}

impl Message {
    /// Of these fields, in their order.
    pub fn new(fields: Vec<(String, String)>) -> Self {
        Self { fields }
    }

    /// The first value of a name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// All fields.
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// Whether a name comes twice that may come once.
    pub fn is_ambiguous(&self) -> bool {
        let repeats = |name: &str| {
            ["variable", "chanvariable", "output"]
                .iter()
                .any(|known| name.to_ascii_lowercase().starts_with(known))
        };
        self.fields.iter().enumerate().any(|(at, (name, _))| {
            !repeats(name) && self.fields[..at].iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name))
        })
    }
}
