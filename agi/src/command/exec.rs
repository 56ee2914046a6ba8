use bytes::BytesMut;

use super::{Command, EncodeError, Line, Refusal, success, unexpected};
use crate::reply::Reply;

/// Runs a dialplan application.
///
/// ```text
/// EXEC Verbose "1,hello"
/// 200 result=0
/// EXEC NoSuch ""
/// 200 result=-2
/// ```
///
/// The options are the application's own syntax: whoever composes them from foreign text must know its separators.
/// Allowed on a channel that is hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exec<'a> {
    /// The application's name.
    pub application: &'a str,
    /// Its options, separated by commas.
    pub options: &'a str,
}

impl Command for Exec<'_> {
    /// What the application returned: 0 went on, -1 wants to hang up.
    type Answer = i64;

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, "EXEC").word(self.application).quoted(self.options).finish()
    }

    fn parse(&self, reply: Reply) -> Result<i64, Refusal> {
        let success = success(reply)?;
        match success.code() {
            Some(-2) => Err(Refusal::NoSuchApplication),
            Some(code) => Ok(code),
            None => Err(unexpected(&success)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{answered, written};
    use super::*;

    #[test]
    fn options_are_quoted() {
        let exec = Exec { application: "Verbose", options: "1,\"hi\" there" };
        assert_eq!(written(&exec).as_deref(), Ok("EXEC Verbose \"1,\\\"hi\\\" there\"\n"));
        assert_eq!(written(&Exec { application: "No Op", options: "" }), Err(EncodeError::BadWord));
    }

    #[test]
    fn a_missing_application_is_told_apart() {
        let exec = Exec { application: "X", options: "" };
        assert_eq!(answered(&exec, "200 result=0"), Ok(0));
        assert_eq!(answered(&exec, "200 result=-1"), Ok(-1));
        assert_eq!(answered(&exec, "200 result=-2"), Err(Refusal::NoSuchApplication));
    }
}
