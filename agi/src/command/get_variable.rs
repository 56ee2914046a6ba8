use bytes::BytesMut;

use super::{Command, EncodeError, Line, Refusal, optional_value};
use crate::reply::Reply;

/// Reads a channel variable or a function.
///
/// ```text
/// GET VARIABLE DIALSTATUS
/// 200 result=1 (ANSWER)
/// GET VARIABLE NOSUCH
/// 200 result=0
/// ```
///
/// Asterisk cuts the value at 1,023 bytes. Allowed on a channel that is hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetVariable<'a> {
    /// The variable or function.
    pub name: &'a str,
}

impl Command for GetVariable<'_> {
    /// The value; `None` if it is not set.
    type Answer = Option<String>;

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, "GET VARIABLE").name(self.name).finish()
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
    fn it_names_the_variable_bare() {
        assert_eq!(written(&GetVariable { name: "DIALSTATUS" }).as_deref(), Ok("GET VARIABLE DIALSTATUS\n"));
        assert_eq!(written(&GetVariable { name: "A B" }), Err(EncodeError::BadName));
    }

    #[test]
    fn unset_and_empty_differ() {
        let get = GetVariable { name: "X" };
        assert_eq!(answered(&get, "200 result=0"), Ok(None));
        assert_eq!(answered(&get, "200 result=1 ()"), Ok(Some(String::new())));
        assert_eq!(answered(&get, "200 result=1 (a (b) c)"), Ok(Some("a (b) c".to_owned())));
        assert_eq!(answered(&get, "200 result=1"), Err(Refusal::UnexpectedResult("1".to_owned())));
    }
}
