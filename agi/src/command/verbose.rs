use bytes::BytesMut;

use super::{Command, EncodeError, Line, Refusal, expect_result};
use crate::reply::Reply;

/// Writes to Asterisk's verbose log.
///
/// ```text
/// VERBOSE "call refused: no_credit" 3
/// 200 result=1
/// ```
///
/// Allowed on a channel that is hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verbose<'a> {
    /// The text.
    pub message: &'a str,
    /// The level from which on it shows, 1 to 4.
    pub level: u8,
}

impl Command for Verbose<'_> {
    type Answer = ();

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, "VERBOSE").quoted(self.message).word(&self.level.to_string()).finish()
    }

    fn parse(&self, reply: Reply) -> Result<(), Refusal> {
        expect_result(reply, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{answered, written};
    use super::*;

    #[test]
    fn message_then_level() {
        let verbose = Verbose { message: "a \"b\"", level: 3 };
        assert_eq!(written(&verbose).as_deref(), Ok("VERBOSE \"a \\\"b\\\"\" 3\n"));
        assert_eq!(written(&Verbose { message: "a\nHANGUP", level: 1 }), Err(EncodeError::LineBreak));
        assert_eq!(answered(&verbose, "200 result=1"), Ok(()));
    }
}
