use bytes::BytesMut;

use super::{Command, EncodeError, Line, Refusal, success, unexpected};
use crate::reply::Reply;

/// Asks for the state of this channel.
///
/// ```text
/// CHANNEL STATUS
/// 200 result=4
/// ```
///
/// On a channel that is hung up the answer is 511.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelStatus;

/// A channel's state, as Asterisk numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// 0, down and available.
    Down,
    /// 1, down but reserved.
    Reserved,
    /// 2, off hook.
    OffHook,
    /// 3, digits have been dialled.
    Dialing,
    /// 4, ringing (an incoming call that nobody answered).
    Ring,
    /// 5, the remote end is ringing.
    Ringing,
    /// 6, up.
    Up,
    /// 7, busy.
    Busy,
    /// 8, digits have been dialled while off hook.
    DialingOffHook,
    /// 9, detected an incoming call before the ring.
    Prering,
    /// 10, muted.
    Mute,
}

impl Command for ChannelStatus {
    type Answer = ChannelState;

    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        Line::new(out, "CHANNEL STATUS").finish()
    }

    fn parse(&self, reply: Reply) -> Result<ChannelState, Refusal> {
        let success = success(reply)?;
        Ok(match success.code() {
            Some(0) => ChannelState::Down,
            Some(1) => ChannelState::Reserved,
            Some(2) => ChannelState::OffHook,
            Some(3) => ChannelState::Dialing,
            Some(4) => ChannelState::Ring,
            Some(5) => ChannelState::Ringing,
            Some(6) => ChannelState::Up,
            Some(7) => ChannelState::Busy,
            Some(8) => ChannelState::DialingOffHook,
            Some(9) => ChannelState::Prering,
            Some(10) => ChannelState::Mute,
            _ => return Err(unexpected(&success)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{answered, written};
    use super::*;

    #[test]
    fn a_state_is_a_number() {
        assert_eq!(written(&ChannelStatus).as_deref(), Ok("CHANNEL STATUS\n"));
        assert_eq!(answered(&ChannelStatus, "200 result=6"), Ok(ChannelState::Up));
        assert_eq!(
            answered(&ChannelStatus, "200 result=-1"),
            Err(Refusal::UnexpectedResult("-1".to_owned()))
        );
        let dead = "511 Command Not Permitted on a dead channel or intercept routine";
        assert_eq!(answered(&ChannelStatus, dead), Err(Refusal::DeadChannel));
    }
}
