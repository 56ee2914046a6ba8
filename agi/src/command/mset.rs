use bytes::BytesMut;

use super::{Command, EncodeError, Line, MAX_COMMAND_BYTES, Refusal, expect_result, is_variable};
use crate::reply::Reply;

/// Most assignments one `MSet` takes: the 99th swallows whatever follows it (observed on 22.10.1).
pub const MAX_PAIRS: usize = 99;

/// The bytes that `MSet` passes on unchanged.
const PASSES: [bool; 256] = {
    let mut passes = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        passes[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'+' | b'@' | b':' | b';' | b'=' | b'/' | b'.' | b'_' | b'-');
        byte += 1;
    }
    passes
};

/// What stands on the wire around the list.
const FRAME_BYTES: usize = "EXEC MSet \n".len();

/// Sets many variables in one command.
///
/// ```text
/// EXEC MSet TG_STATUS=ALLOW,TG_ROUTES=1,TG_ROUTE_1=PJSIP/trunk/sip:4930123@carrier
/// 200 result=0
/// ```
///
/// `MSet` splits at commas and drops quotes and backslashes, so a value may hold only `[A-Za-z0-9+@:;=/._-]`, and may
/// be empty; anything else goes by [`SetVariable`](super::SetVariable). Allowed on a channel that is hung up.
///
/// # Example
///
/// ```
/// use tollgate_agi::command::{MSet, PairError};
/// let mut set = MSet::new();
/// set.push("TG_ROUTE_1", "PJSIP/trunk/sip:4930123@carrier")?;
/// assert_eq!(set.push("TG_REASON", "a,b"), Err(PairError::BadValue));
/// # Ok::<(), PairError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MSet {
    list: String,
    pairs: usize,
}

/// Why an assignment was not added; the list is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// Not a plain variable's name.
    #[error("not a plain variable's name")]
    BadName,
    /// A character that `MSet` would not pass on.
    #[error("a value that MSet would change")]
    BadValue,
    /// The list has [`MAX_PAIRS`] already, or the command would exceed [`MAX_COMMAND_BYTES`].
    #[error("the list is full")]
    Full,
}

impl MSet {
    /// A list with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self { list: String::with_capacity(512), pairs: 0 }
    }

    /// Adds one assignment.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), PairError> {
        if !is_variable(name) {
            return Err(PairError::BadName);
        }
        if !Self::takes(value) {
            return Err(PairError::BadValue);
        }
        let bytes = FRAME_BYTES + self.list.len() + ",=".len() + name.len() + value.len();
        if self.pairs == MAX_PAIRS || bytes > MAX_COMMAND_BYTES {
            return Err(PairError::Full);
        }
        if self.pairs > 0 {
            self.list.push(',');
        }
        self.list.push_str(name);
        self.list.push('=');
        self.list.push_str(value);
        self.pairs += 1;
        Ok(())
    }

    /// Whether `MSet` hands on this value unchanged.
    #[must_use]
    pub fn takes(value: &str) -> bool {
        value.bytes().all(|byte| PASSES[usize::from(byte)])
    }

    /// Whether there is nothing in the list; an empty list cannot be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs == 0
    }

    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.pairs = 0;
    }
}

impl Command for MSet {
    type Answer = ();

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        if self.is_empty() {
            return Err(EncodeError::Empty);
        }
        Line::new(out, "EXEC MSet").word(&self.list).finish()
    }

    fn parse(&self, reply: Reply) -> Result<(), Refusal> {
        expect_result(reply, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{answered, written};
    use super::*;

    #[test]
    fn pairs_are_joined_by_commas() {
        let mut set = MSet::new();
        assert_eq!(written(&set), Err(EncodeError::Empty));
        set.push("A", "1").expect("plain");
        set.push("B", "").expect("empty");
        set.push("C", "PJSIP/t/sip:+49@h:5060;x=y._-").expect("every character that is allowed");
        assert_eq!(written(&set).as_deref(), Ok("EXEC MSet A=1,B=,C=PJSIP/t/sip:+49@h:5060;x=y._-\n"));
        set.clear();
        assert!(set.is_empty());
    }

    #[test]
    fn what_mset_would_change_is_refused() {
        let mut set = MSet::new();
        for value in
            ["a,b", "\"a\"", "a b", "a\\b", "${X}", "a&b", "a|b", "a(b)", "a\n", "ä", "'", "a?b", "a%b"]
        {
            assert_eq!(set.push("A", value), Err(PairError::BadValue), "{value}");
        }
        for name in ["", "A=B", "F(x)", "1", "A,B"] {
            assert_eq!(set.push(name, "1"), Err(PairError::BadName), "{name}");
        }
        assert!(set.is_empty());
    }

    #[test]
    fn a_list_ends_at_99_pairs() {
        let mut set = MSet::new();
        for n in 0..MAX_PAIRS {
            set.push(&format!("V{n}"), "x").expect("room");
        }
        assert_eq!(set.push("V99", "x"), Err(PairError::Full));
    }

    #[test]
    fn a_list_ends_at_the_longest_command() {
        let mut set = MSet::new();
        let value = "x".repeat(MAX_COMMAND_BYTES - FRAME_BYTES - ",A=".len());
        set.push("A", &value).expect("just fits");
        assert!(written(&set).is_ok());
        assert_eq!(set.push("B", ""), Err(PairError::Full));
        assert_eq!(MSet::new().push("A", &"x".repeat(MAX_COMMAND_BYTES)), Err(PairError::Full));
    }

    #[test]
    fn only_zero_is_success() {
        let set = MSet::new();
        assert_eq!(answered(&set, "200 result=0"), Ok(()));
        assert_eq!(answered(&set, "200 result=-2"), Err(Refusal::UnexpectedResult("-2".to_owned())));
    }
}
