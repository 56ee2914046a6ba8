//! Recovery of calls granted by an earlier process, from the journal and their tickets.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tollgate_rating::{E164, Money};

use super::error::SettleError;
use super::funding::HOLD_GRACE;
use super::link_state::LinkIs;
use super::live::{Live, signed};
use super::open::{OpenCall, OpenPayer, Origin, Phase, Submission};
use super::request::SettleRequest;
use super::state::Calls;
use super::ticket::Ticket;
use crate::catalog::CatalogError;
use crate::ledger::{CallKey, LedgerError, OpenCall as JournalledCall};
use crate::store::{StoreError, to_micros, within};

/// Maximum time to wait for the ledger when a hold must end.
const BOOK_PATIENCE: Duration = Duration::from_secs(10);

/// Result of the recovery at the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Number of calls whose holds were restored.
    pub restored: usize,
    /// Number of calls whose holds had ended, or whose ticket cannot be read any more.
    pub dropped: usize,
}

/// Copies the data that a ticket lacks from the settle request: caller, dialled number, source address.
pub(super) fn apply_extras(call: &mut OpenCall, request: &SettleRequest) {
    let extra = |key: &str| request.extras.get(key);
    if let Some(dialled) = extra("dialled") {
        dialled.clone_into(&mut call.dialled);
    }
    if let Some(endpoint) = extra("endpoint") {
        endpoint.clone_into(&mut call.endpoint);
    }
    if let Some(caller) = extra("caller") {
        caller.clone_into(&mut call.caller);
    }
    call.source = extra("source").and_then(|source| source.parse().ok()).or(call.source);
}

/// Rebuilds the call of a ticket, without holds. Data that the ticket lacks comes from the settle request, if it has
/// them.
pub(super) async fn from_ticket(
    calls: &Calls,
    ticket: &Ticket,
    request: Option<&SettleRequest>,
) -> Result<OpenCall, SettleError> {
    let unreadable = |what: &str| SettleError::Prices(format!("{what} on the ticket"));
    let number: E164 = ticket.number.to_string().parse().map_err(|_| unreadable("the number"))?;
    let granted_at = Timestamp::from_microsecond(ticket.granted_at_us).map_err(|_| unreadable("the time"))?;
    // An unreachable database must not be treated as missing prices.
    let prices = |error: CatalogError| match error {
        CatalogError::Store(error) => SettleError::Store(error),
        error => SettleError::Prices(error.to_string()),
    };
    let mut payers = Vec::with_capacity(ticket.payers.len());
    for payer in &ticket.payers {
        let account = calls.directory.account(payer.account_id);
        let account = account.ok_or_else(|| unreadable("an unknown account"))?;
        let rate = calls
            .catalog
            .rate_at_versions(&payer.plan_version_ids, payer.tariff_version_id, number, granted_at)
            .await
            .map_err(prices)?;
        payers.push(OpenPayer { account, rate, versions: payer.clone() });
    }
    let mut routes = Vec::with_capacity(ticket.routes.len());
    for route in &ticket.routes {
        let catalog = &calls.catalog;
        let route =
            catalog.route_at_version(route.trunk_id, route.tariff_version_id, number, granted_at).await;
        routes.push(match route.map_err(prices) {
            Ok(route) => Some(route),
            Err(error @ SettleError::Store(_)) => return Err(error),
            // A failure to compute the carrier's cost must not keep the payers' charge out of the ledger.
            Err(error) => {
                tracing::error!(call.id = %ticket.unique_id, %error, "a granted route cannot be priced any more");
                None
            }
        });
    }
    let login = payers.first().map_or_else(String::new, |payer| payer.account.login.clone());
    let seconds = i64::from(ticket.affordable_seconds) + i64::from(ticket.ring_seconds);
    let now_ms = calls.clock.monotonic_ms();
    let age_ms = calls.clock.now().duration_since(granted_at).as_millis();
    let since_ms = signed(now_ms).saturating_sub(i64::try_from(age_ms).unwrap_or(0).max(0));
    let mut call = OpenCall {
        payers,
        routes,
        holds: None,
        place: None,
        number,
        dialled: number.to_string(),
        endpoint: login,
        caller: String::new(),
        source: None,
        granted_at,
        origin: Origin::TicketOnly { since_ms },
        ticket: Arc::from(""),
        limit_seconds: ticket.limit_seconds,
        funded_seconds: ticket.affordable_seconds,
        ring_seconds: ticket.ring_seconds,
        hold_until_ms: calls.ms_until(granted_at + SignedDuration::from_secs(seconds) + HOLD_GRACE),
        phase: Phase::Dialled,
        submission: Submission::NotSubmitted,
        live: Live::default(),
    };
    if let Some(request) = request {
        apply_extras(&mut call, request);
    }
    Ok(call)
}

impl Calls {
    /// Reads the journal after a start and restores the holds, whatever the present balances of the wallets: the calls
    /// are still in progress.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let mut recovered = Recovered::default();
        let now = self.clock.now();
        for journalled in self.store.open_calls().await? {
            let granted_at = to_micros(journalled.granted_at);
            let record = self.store.recorded_call(&journalled.key).await?;
            let settled = record.is_some_and(|record| record.setup_at == granted_at);
            let over = journalled.hold_until + HOLD_GRACE < now;
            // Its server can still report how it ended, or show that it continues: its state is kept, without a hold,
            // as long as it can be alive.
            let asked = over && !settled && self.link_of(&journalled.key.server) != LinkIs::NotConfigured;
            if over && !settled && !asked {
                tracing::warn!(
                    call.id = %journalled.key,
                    call.held = ?journalled.held,
                    "nobody settled the call before its hold ended"
                );
            }
            if settled || (over && !asked) {
                self.store.delete_open_call(&journalled.key).await?;
                recovered.dropped += 1;
                continue;
            }
            match self.restore(&journalled, over).await {
                Ok(true) => recovered.restored += 1,
                Ok(false) => {
                    self.store.delete_open_call(&journalled.key).await?;
                    recovered.dropped += 1;
                }
                // Serving without the hold would sell its credit again.
                Err(SettleError::Store(error)) => return Err(error),
                Err(error) => {
                    tracing::error!(
                        call.id = %journalled.key,
                        %error,
                        "an open call's grant cannot be read; its settlement will need its ticket"
                    );
                    recovered.dropped += 1;
                }
            }
        }
        Ok(recovered)
    }

    /// Restores a journalled call, with its holds unless they are over; `false` if it cannot be alive any more.
    async fn restore(&self, journalled: &JournalledCall, over: bool) -> Result<bool, SettleError> {
        let ticket = Ticket::open(&journalled.ticket, &self.secrets())?;
        let mut call = from_ticket(self, &ticket, None).await?;
        let held_of = |id: i64| journalled.held.iter().find(|held| held.account_id == id);
        let amounts: Vec<Money> = call
            .payers
            .iter()
            .map(|payer| held_of(payer.account.id).filter(|_| !over).map_or(Money::ZERO, |held| held.amount))
            .collect();
        call.hold_until_ms = self.ms_until(journalled.hold_until + HOLD_GRACE);
        if over {
            let last_ms = call.last_possible_ms();
            if last_ms < signed(self.clock.monotonic_ms()) {
                return Ok(false);
            }
            call.hold_until_ms = u64::try_from(last_ms).unwrap_or(0);
        }
        call.ticket = Arc::from(journalled.ticket.as_str());
        let reach = ticket.affordable_seconds.max(journalled.funded_seconds);
        // The last renewal may have reached Asterisk and not the journal.
        let renewed = journalled.funded_seconds.saturating_add(self.settings.slice_seconds).min(reach);
        call.live.pushed_seconds = renewed.max(journalled.pushed_seconds);
        call.funded_seconds = journalled.funded_seconds;
        let now_ms = signed(self.clock.monotonic_ms());
        let before = |at: Timestamp| {
            let ago = self.clock.now().duration_since(at).as_millis();
            now_ms.saturating_sub(i64::try_from(ago).unwrap_or(0).max(0))
        };
        call.live.answered_ms = journalled.answered_at.map(before);
        call.live.alive_ms = journalled.alive_at.or(journalled.answered_at).map(before);
        call.origin = Origin::EarlierProcess { since_ms: call.origin.since_ms() };
        call.restore_holds(&amounts);
        call.place = call.routes.first().and_then(|route| Some(route.as_ref()?.trunk.occupy()));
        self.open.insert(journalled.key.clone(), Box::new(call));
        Ok(true)
    }

    /// Converts a time of the wall clock to the monotonic clock; a time in the past becomes now.
    fn ms_until(&self, moment: Timestamp) -> u64 {
        let left = u64::try_from(moment.duration_since(self.clock.now()).as_millis()).unwrap_or(0);
        self.clock.monotonic_ms().saturating_add(left)
    }

    /// Resubmits settlements that the ledger has not acknowledged, and ends the holds of calls that were not settled in
    /// time; their tickets still settle, without a hold. A call whose charge is in the ledger is closed by it.
    pub async fn sweep(&self) {
        let pending: Vec<CallKey> =
            self.open.iter().filter(|call| call.has_ended()).map(|call| call.key().clone()).collect();
        for key in pending {
            let Some(_lock) = self.lock_call(&key) else { continue };
            let Some((_, call)) = self.open.remove_if(&key, |_, call| call.has_ended()) else { continue };
            let Some(ending) = call.ending().cloned() else { continue };
            match self.submit(&key, call, ending).await {
                Ok(outcome) => {
                    tracing::info!(call.id = %key, outcome = outcome.as_str(), "call settled late");
                }
                // The database is still unreachable: waiting for the other calls is useless.
                Err(SettleError::Ledger(LedgerError::Unavailable(_) | LedgerError::Spool(_))) => return,
                Err(error) => tracing::error!(call.id = %key, %error, "call not settled"),
            }
        }
        let now_ms = self.clock.monotonic_ms();
        // A call that a channel list showed recently is alive, and keeps its hold.
        let is_unheard = |call: &OpenCall| {
            let grace_ms = i64::try_from(HOLD_GRACE.as_millis()).unwrap_or(i64::MAX);
            call.live.alive_ms.is_none_or(|alive| alive.saturating_add(grace_ms) < signed(now_ms))
        };
        let is_over = |call: &OpenCall| !call.has_ended() && call.hold_until_ms < now_ms && is_unheard(call);
        let over: Vec<CallKey> =
            self.open.iter().filter(|call| is_over(call)).map(|call| call.key().clone()).collect();
        for key in over {
            let Some(_lock) = self.lock_call(&key) else { continue };
            if let Err(error) = self.expire_hold(&key, is_over).await {
                tracing::warn!(call.id = %key, %error, "the book cannot be asked; the hold stays");
                return;
            }
        }
    }

    /// Releases a call's holds and keeps its state until `last_ms`: the seconds it was funded for, and its end in
    /// Asterisk. If it proves alive, the meter holds credit for it again.
    fn release_and_wait(&self, key: &CallKey, call: &mut OpenCall, last_ms: i64) {
        call.release_holds();
        call.restore_holds(&vec![Money::ZERO; call.payers.len()]);
        self.check_top_up(call);
        call.hold_until_ms = u64::try_from(last_ms).unwrap_or(0);
        let now_ms = self.clock.monotonic_ms();
        let mut journalled = self.journalled(key, call, now_ms);
        // In the past, so that a later restart restores no hold for it.
        journalled.hold_until = self.wall_of(signed(now_ms), now_ms) - HOLD_GRACE - HOLD_GRACE;
        self.ledger.open_call(journalled);
    }

    /// Ends a hold that is over, as the ledger records if it has the call.
    async fn expire_hold(
        &self,
        key: &CallKey,
        is_over: impl Fn(&OpenCall) -> bool,
    ) -> Result<(), SettleError> {
        let record = within(BOOK_PATIENCE, self.store.recorded_call(key)).await?;
        let Some((_, mut call)) = self.open.remove_if(key, |_, call| is_over(call)) else { return Ok(()) };
        if let Some(record) = record.filter(|record| record.setup_at == to_micros(call.granted_at)) {
            if let Err(error) = self.close_as_recorded(key, &mut call, record, true).await {
                // Its settlement, reported later, finds that record and charges it.
                call.submission = Submission::InDoubt;
                self.open.insert(key.clone(), call);
                return Err(error);
            }
            return Ok(());
        }
        self.metrics.holds_expired.fetch_add(1, Ordering::Relaxed);
        let last_ms = call.last_possible_ms();
        if self.link_of(&key.server) != LinkIs::NotConfigured && last_ms > signed(self.clock.monotonic_ms()) {
            tracing::warn!(call.id = %key, "nothing is heard of the call; its hold ends, and it is waited for");
            self.release_and_wait(key, &mut call, last_ms);
            self.open.insert(key.clone(), call);
            return Ok(());
        }
        tracing::warn!(call.id = %key, "nobody settled the call; its hold ends");
        self.open.insert(key.clone(), call);
        self.void_locked(key).await;
        Ok(())
    }
}
