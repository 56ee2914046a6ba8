//! What a call cost, written once.
//!
//! One place decides duplicates: the ledger, by the call key. Everything before it only works out what would be
//! written, and may be done twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dashmap::Entry;
use jiff::{SignedDuration, Timestamp};
use tollgate_rating::call_rate::MAX_CALL_SECONDS;
use tollgate_rating::credit::Guarded;
use tollgate_rating::{CallRate, Money, RatingError};

use super::authorize::{GUARD_MS, days};
use super::ended::Charged;
use super::live::signed;
use super::open::{OpenCall, Unsettled};
use super::request::SettleRequest;
use super::ticket::{Ticket, TicketError};
use super::{Calls, restored};
use crate::ledger::{
    BuyCost, CallKey, CallKind, CdrDraft, Direction, Disposition, DurationSource, LedgerError, PayerCharge,
    RecordedCall, Replaced, RouteAttempt, Settled, Settlement, Taken, TrunkUsed,
};
use crate::store::{StoreError, to_micros};

/// How much longer than our own clock's measure Asterisk's wall clock may say a call was: requests take time.
const CLOCK_TOLERANCE_MS: u64 = 2_000;
/// How much earlier than its timer a call may seem to have ended: the two channels are answered milliseconds apart.
const TIMER_SLACK_MS: u64 = 100;

/// There was nothing to settle: the key holds nothing.
pub(super) const NOTHING: Taken =
    Taken::Booked(Settled { cdr_id: 0, duplicate: true, provisional: false, replaced: None });

/// Why a settle request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The ticket is not ours.
    #[error("the ticket is refused: {0}")]
    Ticket(#[from] TicketError),
    /// The ticket is another call's.
    #[error("the ticket belongs to call {ticket}")]
    OtherCall {
        /// The call the ticket names.
        ticket: CallKey,
    },
    /// A settle without a ticket, for a call that its dialplan may have dialled: it is live, or may be.
    #[error("a settle without a ticket ends no call that may have been dialled")]
    NoTicket,
    /// The versions it was granted under cannot be read.
    #[error("the granted prices cannot be read: {0}")]
    Prices(String),
    /// The price does not fit into money.
    #[error("the charge cannot be computed: {0}")]
    Rating(#[from] RatingError),
    /// Another request settles the same call at this moment.
    #[error("the call is being settled already")]
    InProgress,
    /// The book did not take it.
    #[error("the book did not take it: {0}")]
    Ledger(#[from] LedgerError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}

/// A call and how it ended, ready to be priced.
struct CallEnd {
    disposition: Disposition,
    answered_at: Option<Timestamp>,
    ended_at: Timestamp,
    /// The real duration, as Asterisk has it.
    answered_ms: u64,
    /// What the payers are charged for.
    charged_ms: u64,
    overrun_ms: u64,
}

impl Calls {
    /// Settles a call as its dialplan tells it. On `Ok` the charge is durable, or had been before.
    pub async fn settle(&self, request: &SettleRequest) -> Result<Taken, SettleError> {
        self.settle_from(request, DurationSource::Asterisk).await
    }

    /// As [`Calls::settle`], with where the duration comes from.
    pub async fn settle_from(
        &self,
        request: &SettleRequest,
        source: DurationSource,
    ) -> Result<Taken, SettleError> {
        if request.ticket.is_empty() {
            return self.settle_without_ticket(request).await;
        }
        let ticket = Ticket::open(&request.ticket, &self.secrets()).inspect_err(|_| {
            self.metrics.tickets_refused.fetch_add(1, Ordering::Relaxed);
        })?;
        let ticket_key =
            CallKey { server: ticket.server.clone(), unique_id: ticket.unique_id.clone(), leg: ticket.leg };
        if ticket_key != request.key {
            self.metrics.tickets_refused.fetch_add(1, Ordering::Relaxed);
            return Err(SettleError::OtherCall { ticket: ticket_key });
        }
        let turn = self.turn(&request.key).ok_or(SettleError::InProgress)?;
        let is_its_grant = |call: &OpenCall| to_micros(call.granted_at) == ticket.granted_at_us;
        let call = match self.open.remove_if(&request.key, |_, call| is_its_grant(call)) {
            Some((_, mut call)) => {
                // The journal keeps the ticket alone, like a call found by it.
                if call.granted_ms.is_none() {
                    restored::told(&mut call, request);
                }
                call
            }
            // Told again while the book is away, which would be asked for the prices.
            None if self.spool.holds(&request.key, ticket.granted_at_us) => {
                self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
                return Ok(Taken::Spooled { again: true });
            }
            // Told again: what the book has said is remembered for a while, and need not be asked for.
            None if self.charged(&request.key) == Charged::Finally => {
                self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
                return Ok(NOTHING);
            }
            None => {
                let mut call = restored::from_ticket(self, &ticket, Some(request)).await?;
                // What was concluded of it forgot the call, and not how far Asterisk was told to let it run.
                call.funded_seconds = self.limit_of(&request.key).unwrap_or(call.funded_seconds);
                Box::new(call)
            }
        };
        let settled = self.finish(request, call, source).await;
        drop(turn);
        settled
    }

    /// Writes a call's end. If the book does not take it, the call stays open with what it holds, and its end as it is
    /// known now is written again until the book answers.
    pub(super) async fn finish(
        &self,
        request: &SettleRequest,
        mut call: Box<OpenCall>,
        source: DurationSource,
    ) -> Result<Taken, SettleError> {
        // An end that was concluded without the ticket gives way to the one with it, written or not.
        let is_known = |unsettled: &Unsettled| request.ticket.is_empty() || !unsettled.settlement.provisional;
        if !call.unsettled.as_deref().is_some_and(is_known) {
            match self.price(request, &call, source) {
                Ok(unsettled) => call.unsettled = Some(Box::new(unsettled)),
                Err(error) => {
                    self.metrics.settles_failed.fetch_add(1, Ordering::Relaxed);
                    if call.holds.is_some() {
                        self.keep_open(&request.key, call);
                    }
                    return Err(error);
                }
            }
        }
        self.write(&request.key, call).await
    }

    /// Hands a call's end to the book, or to the spool before it, and closes the call by the answer.
    pub(super) async fn write(&self, key: &CallKey, mut call: Box<OpenCall>) -> Result<Taken, SettleError> {
        let Some(unsettled) = call.unsettled.clone() else { return Ok(NOTHING) };
        let known_from_ticket = call.holds.is_none();
        let newest_before = self.newest_before(&call);
        let charged = Charged::by(unsettled.settlement.provisional);
        let settled = match self.spool.settle(unsettled.settlement.clone()).await {
            Ok(Taken::Booked(settled)) => settled,
            Ok(Taken::Spooled { again }) => {
                let newest = (!again).then_some(newest_before);
                self.close_spooled(key, &mut call, &unsettled, newest);
                return Ok(Taken::Spooled { again });
            }
            Err(error) => {
                self.metrics.settles_failed.fetch_add(1, Ordering::Relaxed);
                hold_nothing(&mut call);
                call.tried = true;
                // It has ended: only its money waits.
                call.place = None;
                self.keep_open(key, call);
                return Err(error.into());
            }
        };
        self.newest_cdr.fetch_max(settled.cdr_id, Ordering::Relaxed);
        if !settled.duplicate {
            self.metrics.calls_settled.fetch_add(1, Ordering::Relaxed);
            hold_nothing(&mut call);
            let due = self.due(key, &unsettled.charges, settled.replaced);
            self.close(key, &mut call, &due);
            self.note_end(key, charged);
            return Ok(Taken::Booked(settled));
        }
        self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
        if known_from_ticket {
            return Ok(Taken::Booked(settled));
        }
        let record = RecordedCall {
            cdr_id: settled.cdr_id,
            setup_at: to_micros(call.granted_at),
            provisional: settled.provisional,
            replaced: settled.replaced.map(|replaced| replaced.cdr_id),
        };
        match self.close_as_recorded(key, &mut call, record).await {
            Ok(()) => Ok(Taken::Booked(settled)),
            Err(error) => {
                self.keep_open(key, call);
                Err(error)
            }
        }
    }

    /// Puts a call back among the open ones, unless another call of the same key is there: that one is live, and this
    /// one's end is told again.
    fn keep_open(&self, key: &CallKey, mut call: Box<OpenCall>) {
        match self.open.entry(key.clone()) {
            Entry::Vacant(place) => {
                place.insert(call);
            }
            Entry::Occupied(_) => {
                if let Some(holds) = call.holds.take() {
                    let released = call.with_chain(|wallets| wallets.release(holds).is_ok());
                    debug_assert!(released.is_ok_and(|released| released), "what is held can be released");
                }
            }
        }
    }

    /// What the wallets have to take for a record: its charges, less those of the record that it replaces, as far as the
    /// wallets have them.
    fn due(&self, key: &CallKey, charges: &[Money], replaced: Option<Replaced>) -> Vec<Money> {
        let mut due = charges.to_vec();
        let Some(replaced) = replaced else { return due };
        self.metrics.calls_corrected.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            call.id = %key,
            cdr.replaced = replaced.cdr_id,
            "settlement with a ticket replaced one without"
        );
        if self.has_charged(key, replaced.cdr_id, true) {
            for (due, before) in due.iter_mut().zip(replaced.charges) {
                *due = due.checked_sub(before).unwrap_or(*due);
            }
        }
        due
    }

    /// Closes a call whose settlement is in the book already.
    ///
    /// Where this process had tried to settle it, or found it open at its start, the wallets take that charge now,
    /// unless they have it: an end can be told again after it was paid.
    pub(super) async fn close_as_recorded(
        &self,
        key: &CallKey,
        call: &mut OpenCall,
        record: RecordedCall,
    ) -> Result<(), SettleError> {
        let charges = if self.has_charged(key, record.cdr_id, record.provisional) {
            vec![Money::ZERO; call.payers.len()]
        } else if call.tried || call.granted_ms.is_none() {
            let mut charges = self.written_charges(call, record.cdr_id).await?;
            if let Some(replaced) = record.replaced.filter(|id| self.has_charged(key, *id, true)) {
                let before = self.written_charges(call, replaced).await?;
                for (charge, before) in charges.iter_mut().zip(before) {
                    *charge = charge.checked_sub(before).unwrap_or(*charge);
                }
            }
            charges
        } else {
            tracing::error!(call.id = %key, cdr.id = record.cdr_id, "the book has a call of this unique id already");
            vec![Money::ZERO; call.payers.len()]
        };
        self.close(key, call, &charges);
        self.note_end(key, Charged::by(record.provisional));
        Ok(())
    }

    /// What the book says a call cost each of its payers.
    async fn written_charges(&self, call: &OpenCall, cdr_id: i64) -> Result<Vec<Money>, SettleError> {
        let written = self.store.cdr_charges(cdr_id).await?;
        let charge_of = |id: i64| written.iter().find(|(account, _)| *account == id);
        let charges =
            call.payers.iter().map(|payer| charge_of(payer.account.id).map_or(Money::ZERO, |c| c.1));
        Ok(charges.collect())
    }

    /// Replaces the holds by the charges. A negative one, of a correction, is released to its payer.
    pub(super) fn close(&self, key: &CallKey, call: &mut OpenCall, charges: &[Money]) {
        self.note_end(key, Charged::Nothing);
        self.note_limit(key, call.charged_at_most_seconds());
        let Some(holds) = call.holds.take() else { return };
        let chain: Vec<Arc<_>> = call.payers.iter().map(|payer| Arc::clone(&payer.account)).collect();
        // Spending counts in the day in which it is settled.
        let days = days(&self.catalog.snapshot(), &chain, self.clock.now());
        let taken: Vec<Money> = charges.iter().map(|charge| (*charge).max(Money::ZERO)).collect();
        for (payer, charge) in call.payers.iter().zip(charges).filter(|(_, charge)| charge.is_negative()) {
            let released =
                charge.checked_neg().map(|amount| payer.account.wallet.adjust(amount, Guarded::No));
            if !matches!(released, Some(Ok(_))) {
                tracing::error!(call.id = %key, "the book is right, but the wallets in memory are not");
            }
        }
        match call.with_chain(|wallets| wallets.settle(holds, &taken, &days)) {
            Ok(Ok(settled)) => {
                for (payer, overdrawn) in call.payers.iter().zip(settled.overdrawn) {
                    if overdrawn > Money::ZERO {
                        self.metrics.overdraws.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(
                            call.id = %key,
                            account.login = %payer.account.login,
                            account.overdrawn_nanos = overdrawn.nanos(),
                            "a settlement took more than was available"
                        );
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::error!(call.id = %key, %error, "the book is right, but the wallets in memory are not");
            }
            Err(error) => tracing::error!(call.id = %key, %error, "a call without payers was settled"),
        }
        self.look_at_purse(call);
    }

    /// What the call cost everybody.
    fn price(
        &self,
        request: &SettleRequest,
        call: &OpenCall,
        source: DurationSource,
    ) -> Result<Unsettled, SettleError> {
        let ended = self.call_end(request, call, source);
        let answered_at = ended.answered_at.unwrap_or(call.granted_at);
        let mut payers = Vec::with_capacity(call.payers.len());
        let mut charges = Vec::with_capacity(call.payers.len());
        for payer in &call.payers {
            let charge = payer.rate.charge(ended.charged_ms, answered_at)?;
            charges.push(charge.amount);
            payers.push(PayerCharge {
                account_id: payer.account.id,
                plan_versions: payer.versions.plan_version_ids.clone(),
                tariff_version: Some(payer.versions.tariff_version_id),
                prefix: Some(payer.rate.prefix().to_string()),
                price_per_minute: Some(payer.rate.price_per_minute(answered_at)),
                billed_seconds: charge.billed_seconds,
                charge: charge.amount,
                rate_json: Some(rate_json(&payer.rate)?),
            });
        }
        let route = usize::try_from(request.route).ok().and_then(|n| n.checked_sub(1));
        let route = route.and_then(|index| call.routes.get(index)?.as_ref());
        // The carrier is paid for the real duration. One that cannot be priced must not keep the payers' charge out of
        // the book.
        let cost = route.map(|route| (route, route.rate.charge(ended.answered_ms, answered_at)));
        let buy = match cost {
            Some((route, Ok(cost))) => Some(BuyCost {
                tariff_version: Some(route.trunk.tariff_version_id),
                prefix: Some(route.rate.prefix().to_string()),
                price_per_minute: Some(route.rate.price_per_minute(answered_at)),
                currency: route.trunk.currency.clone(),
                fx_rate: route.trunk.fx_rate.clone(),
                billed_seconds: cost.billed_seconds,
                cost: cost.amount,
                rate_json: Some(rate_json(&route.rate)?),
            }),
            Some((route, Err(error))) => {
                tracing::error!(
                    call.id = %request.key,
                    trunk.name = %route.trunk.name,
                    %error,
                    "the carrier's cost cannot be computed; the call is recorded without it"
                );
                None
            }
            None => None,
        };
        let trunk = route.map(|route| TrunkUsed { trunk_id: route.trunk.id, name: route.trunk.name.clone() });
        let cdr = CdrDraft {
            kind: CallKind::Call,
            direction: Direction::Outbound,
            disposition: ended.disposition,
            refused_reason: None,
            account_id: call.payers.first().map(|payer| payer.account.id),
            endpoint: call.endpoint.clone(),
            caller: call.caller.clone(),
            dialled: call.dialled.clone(),
            number: Some(call.number.to_string()),
            destination: call.payers.first().map(|payer| payer.rate.destination().to_owned()),
            setup_at: call.granted_at,
            answered_at: ended.answered_at,
            ended_at: ended.ended_at,
            answered_ms: ended.answered_ms,
            charged_ms: ended.charged_ms,
            overrun_ms: ended.overrun_ms,
            pdd_ms: request.extras.get("pdd_ms").and_then(|ms| ms.parse().ok()),
            hangup_cause: request.cause,
            sip_code: request.extras.get("sip_code").and_then(|code| code.parse().ok()),
            hung_up_by: request.extras.get("hung_up_by").map(str::to_owned),
            source_address: call.source.map(|address| address.to_string()),
            sip_call_id: request.extras.get("sip_call_id").map(str::to_owned),
            duration_source: if ended.answered_ms == 0 { DurationSource::None } else { source },
            trunk,
            route: request.route,
            attempts: attempts(request, Some(call)),
            currency: self.settings.currency.clone(),
        };
        let provisional = request.ticket.is_empty();
        let settlement = Settlement { key: request.key.clone(), cdr, payers, buy, provisional };
        Ok(Unsettled { settlement, charges })
    }

    /// The times and durations of the end, made consistent with the grant.
    fn call_end(&self, request: &SettleRequest, call: &OpenCall, source: DurationSource) -> CallEnd {
        let now = self.clock.now();
        // The hangup handler tells the end as it happens: only then is now the end.
        let talked_ms = match source {
            DurationSource::Asterisk => call.live.talked_ms(self.clock.monotonic_ms()),
            _ => None,
        };
        // A wall clock that was set back during the call leaves no duration; one that was set from 1970 makes one that
        // nobody can price.
        let answered_ms = match (request.answered_ms, request.dial_status.as_str(), talked_ms) {
            (0, "ANSWER", Some(talked)) => talked,
            (told, ..) => told,
        }
        .min(MAX_CALL_SECONDS * 1_000);
        if answered_ms == 0 {
            return CallEnd {
                disposition: unanswered(&request.dial_status),
                answered_at: None,
                ended_at: plausible(request.ended_at_us, call.granted_at, now).unwrap_or(now),
                answered_ms: 0,
                charged_ms: 0,
                overrun_ms: 0,
            };
        }
        let real = i64::try_from(answered_ms).unwrap_or(i64::MAX);
        let told = request.answered_at_us.and_then(|us| Timestamp::from_microsecond(us).ok());
        let guessed = now.checked_sub(SignedDuration::from_millis(real)).unwrap_or(call.granted_at);
        // It must be a moment the call was held for, whatever Asterisk's clock says.
        let last_answer = call.granted_at + SignedDuration::from_secs(i64::from(call.ring_seconds));
        let answered_at = told.unwrap_or(guessed).clamp(call.granted_at, last_answer);
        let funded_ms = u64::from(call.charged_at_most_seconds()) * 1_000;
        let now_ms = signed(self.clock.monotonic_ms());
        let own_ms = call.since_ms.map_or(u64::MAX, |since| {
            u64::try_from(now_ms.saturating_sub(since)).unwrap_or(0).saturating_add(CLOCK_TOLERANCE_MS)
        });
        // Where the answer was heard, the talk itself was measured too, the ringing left out.
        let heard_ms = talked_ms
            .filter(|_| call.live.answer_heard)
            .map_or(u64::MAX, |talked| talked.saturating_add(CLOCK_TOLERANCE_MS));
        let charged_ms = answered_ms.min(own_ms).min(heard_ms).min(funded_ms);
        CallEnd {
            disposition: if ran_out(request, call, answered_ms) {
                Disposition::CreditExhausted
            } else {
                Disposition::Answered
            },
            answered_at: Some(answered_at),
            ended_at: plausible(request.ended_at_us, answered_at, now).unwrap_or(now),
            answered_ms,
            charged_ms,
            overrun_ms: answered_ms.saturating_sub(funded_ms),
        }
    }
}

/// Gives a call that is known from its ticket alone a hold of nothing, so that it is closed like any other.
pub(super) fn hold_nothing(call: &mut OpenCall) {
    if call.holds.is_none() {
        let nothing = vec![Money::ZERO; call.payers.len()];
        call.holds = call.with_chain(|wallets| wallets.restore(&nothing)).ok().flatten();
    }
}

/// The rate as it is kept in the CDR.
fn rate_json(rate: &CallRate) -> Result<String, SettleError> {
    serde_json::to_string(rate).map_err(|error| SettleError::Prices(error.to_string()))
}

/// A stamp of Asterisk's that lies between two of ours, a minute of clock difference allowed.
pub(super) fn plausible(us: Option<i64>, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let minute = SignedDuration::from_secs(60);
    let stamp = Timestamp::from_microsecond(us?).ok()?;
    (stamp >= from.checked_sub(minute).ok()? && stamp <= until.checked_add(minute).ok()?).then_some(stamp)
}

/// Whether the call was ended because its chain could pay no more: neither side hung up, and it lasted to its funded end,
/// which money set and no cap.
fn ran_out(request: &SettleRequest, call: &OpenCall, answered_ms: u64) -> bool {
    let end_ms =
        (u64::from(call.charged_at_most_seconds()) * 1_000).saturating_sub(GUARD_MS + TIMER_SLACK_MS);
    let by_a_side = matches!(request.extras.get("hung_up_by"), Some("caller" | "callee"));
    !by_a_side && call.charged_at_most_seconds() < call.limit_seconds && answered_ms >= end_ms
}

pub(super) fn unanswered(dial_status: &str) -> Disposition {
    match dial_status {
        "BUSY" => Disposition::Busy,
        "NOANSWER" => Disposition::NoAnswer,
        "CANCEL" => Disposition::Cancelled,
        _ => Disposition::Failed,
    }
}

pub(super) fn attempts(request: &SettleRequest, call: Option<&OpenCall>) -> Vec<RouteAttempt> {
    request
        .attempts
        .iter()
        .map(|attempt| RouteAttempt {
            route: attempt.route,
            trunk: usize::try_from(attempt.route)
                .ok()
                .and_then(|n| n.checked_sub(1))
                .and_then(|index| call?.routes.get(index)?.as_ref())
                .map(|route| route.trunk.name.clone()),
            dial_status: attempt.dial_status.clone(),
            cause: attempt.cause,
            ms: Some(attempt.ms),
        })
        .collect()
}
