use bytes::BytesMut;

use super::{Command, EncodeError, Line, Refusal, expect_result};
use crate::reply::Reply;

/// Sets a channel variable to any text.
///
/// ```text
/// SET VARIABLE TG_REASON "no credit, \"really\""
/// 200 result=1
/// ```
///
/// Allowed on a channel that is hung up. The text is not expanded: `${X}` stays `${X}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetVariable<'a> {
    /// The variable, or a writable function such as `CDR(userfield)`.
    pub name: &'a str,
    /// Any text without CR, LF and NUL.
    pub value: &'a str,
}

impl Command for SetVariable<'_> {
    type Answer = ();

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, "SET VARIABLE").name(self.name).quoted(self.value).finish()
    }

    fn parse(&self, reply: Reply) -> Result<(), Refusal> {
        expect_result(reply, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{answered, written};
    use super::*;

    fn set(name: &'static str, value: &'static str) -> SetVariable<'static> {
        SetVariable { name, value }
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(written(&set("A", "1")).as_deref(), Ok("SET VARIABLE A \"1\"\n"));
        assert_eq!(written(&set("A", "")).as_deref(), Ok("SET VARIABLE A \"\"\n"));
        assert_eq!(
            written(&set("A", r#"a "b" \c"#)).as_deref(),
            Ok("SET VARIABLE A \"a \\\"b\\\" \\\\c\"\n")
        );
        assert_eq!(
            written(&set("CDR(userfield)", "ü,;${X}")).as_deref(),
            Ok("SET VARIABLE CDR(userfield) \"ü,;${X}\"\n")
        );
    }

    #[test]
    fn a_second_command_cannot_be_smuggled_in() {
        for value in ["1\nHANGUP", "1\r", "\0"] {
            assert_eq!(written(&set("A", value)), Err(EncodeError::LineBreak));
        }
        for name in ["A B", "A\nHANGUP", "", "A\"", "9"] {
            assert_eq!(written(&set(name, "1")), Err(EncodeError::BadName));
        }
    }

    #[test]
    fn only_one_is_success() {
        assert_eq!(answered(&set("A", "1"), "200 result=1"), Ok(()));
        assert_eq!(answered(&set("A", "1"), "200 result=0"), Err(Refusal::UnexpectedResult("0".to_owned())));
        assert_eq!(answered(&set("A", "1"), "510 Invalid or unknown command"), Err(Refusal::UnknownCommand));
    }
}
