//! Recovery of calls that a server has and this process does not know, or does not know as answered, through their
//! channels.

use std::sync::Arc;

use tollgate_rating::Money;

use super::channel::Channel;
use super::ended::Charged;
use super::error::SettleError;
use super::live::signed;
use super::open::Origin;
use super::restored::from_ticket;
use super::state::Calls;
use super::ticket::Ticket;
use crate::ami::Link;
use crate::ledger::CallKey;

/// Reads a variable of a channel; `None` if it is empty or the channel is gone.
async fn variable(link: &Link, channel: &str, name: &str) -> Option<String> {
    match link.getvar(channel, name).await {
        Ok(value) => value.filter(|value| !value.is_empty()),
        Err(error) => {
            tracing::debug!(server = link.server(), channel, %error, "a channel's variable could not be read");
            None
        }
    }
}

/// Reads the answer time from the calling channel; the dialplan has recorded it in Asterisk's wall clock.
pub(super) async fn ask_answer(calls: &Calls, link: &Link, caller: &Channel, called_by_it: &Channel) {
    let Some(value) = variable(link, &caller.name, "SHARED(TG_ANSWER_US)").await else { return };
    let Ok(answered_us) = value.parse::<i64>() else {
        tracing::warn!(server = link.server(), channel = %caller.name, "the answer time of a channel cannot be read");
        return;
    };
    let now_ms = signed(calls.clock.monotonic_ms());
    let ago_ms = (calls.clock.now().as_microsecond() - answered_us) / 1_000;
    // Clocks differ: a time in the future counts as now.
    let at_ms = now_ms.saturating_sub(ago_ms.max(0));
    calls.was_answered(link.server(), &caller.unique_id, &called_by_it.name, at_ms);
}

/// Adopts a call whose grant was lost with an earlier process: the channel carries its ticket.
pub(super) async fn adopt(calls: &Calls, link: &Link, caller: &Channel) {
    // A channel without a ticket was not authorised yet, or was refused.
    let Some(text) = variable(link, &caller.name, "TG_TICKET").await else { return };
    match calls.adopt_ticket(link.server(), &text, caller).await {
        Ok(true) => tracing::warn!(
            server = link.server(),
            call.channel = %caller.unique_id,
            "a call that nobody knew was found by its ticket"
        ),
        Ok(false) => {}
        Err(error) => tracing::error!(
            server = link.server(),
            call.channel = %caller.unique_id,
            %error,
            "a call that nobody knows cannot be taken in"
        ),
    }
}

impl Calls {
    /// Adopts a call from its ticket; `false` if the call is known, settled, or locked by another request.
    pub async fn adopt_ticket(
        &self,
        server: &str,
        text: &str,
        caller: &Channel,
    ) -> Result<bool, SettleError> {
        let ticket = Ticket::open(text, &self.secrets())?;
        let named =
            CallKey { server: ticket.server.clone(), unique_id: ticket.unique_id.clone(), leg: ticket.leg };
        if named.server != server || named.unique_id != caller.unique_id {
            return Err(SettleError::OtherCall { ticket: named });
        }
        let key = &named;
        let Some(_lock) = self.lock_call(key) else { return Ok(false) };
        if self.open.contains_key(key) || self.charged(key) == Charged::Finally {
            return Ok(false);
        }
        // The live channel refutes a settlement made without the ticket: the call is alive and holds credit again.
        if self.store.recorded_call(key).await?.is_some_and(|record| !record.provisional) {
            return Ok(false);
        }
        let mut call = from_ticket(self, &ticket, None).await?;
        // The used time is not known yet: a slice is held, and the meter continues from there.
        call.funded_seconds = ticket.affordable_seconds.min(self.settings.slice_seconds).max(1);
        call.live.pushed_seconds = ticket.affordable_seconds;
        let answered = call.answer_range();
        let amounts: Vec<Money> = call
            .payers
            .iter()
            .map(|payer| payer.rate.hold(call.funded_seconds, answered).unwrap_or(Money::ZERO))
            .collect();
        call.origin = Origin::EarlierProcess { since_ms: call.origin.since_ms() };
        call.restore_holds(&amounts);
        self.check_top_up(&call);
        call.ticket = Arc::from(text);
        caller.name.clone_into(&mut call.live.channel);
        if let Some(endpoint) = caller.endpoint() {
            endpoint.clone_into(&mut call.endpoint);
        }
        let now_ms = self.clock.monotonic_ms();
        call.live.seen_alive(signed(now_ms));
        call.hold_until_ms = call.hold_until_ms.max(now_ms + u64::from(call.funded_seconds) * 1_000 + 60_000);
        self.ledger.open_call(self.journalled(key, &call, now_ms));
        self.open.insert(key.clone(), Box::new(call));
        Ok(true)
    }
}
