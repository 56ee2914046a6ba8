//! A channel of a server's complete channel list.

use crate::ami::ask::{ChannelRow, endpoint_of};

/// Number of lists without a call that prove its end.
pub(super) const PROVEN: u8 = 2;
/// Dialplan context of the hangup handler: a channel in it counts as ended, not as alive.
const ENDED_CONTEXT: &str = "tg-ended";
/// Dialplan context of accounts' calls.
const CALLER_CONTEXT: &str = "tollgate";

/// A channel of a complete channel list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub unique_id: String,
    /// Unique id of the channel that began the call (`Linkedid`).
    pub linked_id: String,
    /// True if the channel is up.
    pub is_up: bool,
    /// True if it runs the dialplan's hangup handler.
    pub has_ended: bool,
    /// True if it is in the context of accounts' calls.
    pub is_caller: bool,
}

impl From<ChannelRow> for Channel {
    fn from(row: ChannelRow) -> Self {
        Self {
            is_up: row.state == ChannelRow::UP,
            has_ended: row.context == ENDED_CONTEXT,
            is_caller: row.context == CALLER_CONTEXT,
            name: row.channel,
            unique_id: row.unique_id,
            linked_id: row.linked_id,
        }
    }
}

impl Channel {
    /// Returns the PJSIP endpoint of a channel: `1001` for `PJSIP/1001-0000002a`.
    pub fn endpoint(&self) -> Option<&str> {
        endpoint_of(&self.name)
    }
}
