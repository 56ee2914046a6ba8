//! A channel of a server's whole channel list.

use crate::ami::ask::{ChannelRow, endpoint_of};

/// Lists without a call that prove its end.
pub(super) const PROVEN: u8 = 2;
/// The context of the dialplan's hangup handler: a channel in it counts as ended, not as alive.
const ENDED_CONTEXT: &str = "tg-ended";
/// The context of accounts' calls.
const CALLER_CONTEXT: &str = "tollgate";

/// A channel of a whole channel list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub unique_id: String,
    /// The unique id of the channel that began it all.
    pub linked_id: String,
    /// Whether it is up.
    pub is_up: bool,
    /// Whether it runs the dialplan's hangup handler.
    pub has_ended: bool,
    /// Whether it is in the context of accounts' calls.
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
    /// The PJSIP endpoint that a channel belongs to: `PJSIP/1001-0000002a` is 1001's.
    pub fn endpoint(&self) -> Option<&str> {
        endpoint_of(&self.name)
    }
}
