use bytes::BytesMut;

use super::{Command, EncodeError, Line, Refusal, optional_value};
use crate::reply::Reply;

/// Expands a dialplan expression, on this channel or another one.
///
/// ```text
/// GET FULL VARIABLE "${CHANNEL(name)}"
/// 200 result=1 (PJSIP/alice-00000001)
/// GET FULL VARIABLE "${X}" "PJSIP/gone-00000002"
/// 200 result=0
/// ```
///
/// Never put text that a caller wrote into the expression: Asterisk would expand it. Allowed on a channel that is
/// hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetFullVariable<'a> {
    /// The expression, `${…}` and all.
    pub expression: &'a str,
    /// Another channel's name.
    pub channel: Option<&'a str>,
}

impl Command for GetFullVariable<'_> {
    /// The expanded text; `None` if there is no such channel.
    type Answer = Option<String>;

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let line = Line::new(out, "GET FULL VARIABLE").quoted(self.expression);
        match self.channel {
            Some(channel) => line.quoted(channel).finish(),
            None => line.finish(),
        }
    }

    fn parse(&self, reply: Reply) -> Result<Option<String>, Refusal> {
        optional_value(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{answered, written};
    use super::*;

    #[test]
    fn expression_and_channel_are_quoted() {
        let get = GetFullVariable { expression: "${A} b", channel: None };
        assert_eq!(written(&get).as_deref(), Ok("GET FULL VARIABLE \"${A} b\"\n"));
        let get = GetFullVariable { expression: "${A}", channel: Some("PJSIP/a-1") };
        assert_eq!(written(&get).as_deref(), Ok("GET FULL VARIABLE \"${A}\" \"PJSIP/a-1\"\n"));
    }

    #[test]
    fn a_missing_channel_is_none() {
        let get = GetFullVariable { expression: "${A}", channel: Some("PJSIP/a-1") };
        assert_eq!(answered(&get, "200 result=0"), Ok(None));
        assert_eq!(answered(&get, "200 result=1 (x)"), Ok(Some("x".to_owned())));
    }
}
