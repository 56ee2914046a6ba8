use bytes::BytesMut;

use super::{Command, EncodeError, Line, Refusal, expect_result};
use crate::reply::Reply;

/// Does nothing; its reply proves that Asterisk still listens.
///
/// ```text
/// NOOP
/// 200 result=0
/// ```
///
/// Allowed on a channel that is hung up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noop;

impl Command for Noop {
    type Answer = ();

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, "NOOP").finish()
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
    fn it_is_one_word() {
        assert_eq!(written(&Noop).as_deref(), Ok("NOOP\n"));
        assert_eq!(answered(&Noop, "200 result=0"), Ok(()));
    }
}
