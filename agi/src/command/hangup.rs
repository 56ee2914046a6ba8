use bytes::BytesMut;

use super::{Command, EncodeError, Line, Refusal, expect_result};
use crate::reply::Reply;

/// Hangs up this channel.
///
/// ```text
/// HANGUP
/// 200 result=1
/// ```
///
/// The reply to the next command is preceded by a bare `HANGUP` line. On a channel that is hung up already the answer
/// is 511.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hangup;

impl Command for Hangup {
    type Answer = ();

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, "HANGUP").finish()
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
    fn a_channel_is_hung_up_once() {
        assert_eq!(written(&Hangup).as_deref(), Ok("HANGUP\n"));
        assert_eq!(answered(&Hangup, "200 result=1"), Ok(()));
        assert_eq!(answered(&Hangup, "511 Command Not Permitted"), Err(Refusal::DeadChannel));
    }
}
