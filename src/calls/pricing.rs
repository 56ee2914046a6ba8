//! Pricing of a call's end: durations, charges of the payers, cost of the carrier, and the CDR.

use jiff::{SignedDuration, Timestamp};
use tollgate_rating::call_rate::MAX_CALL_SECONDS;
use tollgate_rating::{CallRate, Money};

use super::error::SettleError;
use super::funding::GUARD_MS;
use super::live::signed;
use super::open::{OpenCall, PricedSettlement};
use super::request::SettleRequest;
use super::state::Calls;
use crate::catalog::lcr::Route;
use crate::ledger::{
    BuyCost, CallKey, CallKind, CdrDraft, Direction, Disposition, DurationSource, PayerCharge, RouteAttempt,
    Settlement, TrunkUsed,
};

/// Tolerance, in milliseconds, by which Asterisk's wall clock may exceed the duration measured here: requests take
/// time.
const CLOCK_TOLERANCE_MS: u64 = 2_000;
/// Tolerance, in milliseconds, by which a call may end before its timer: its two channels are answered milliseconds
/// apart.
const TIMER_SLACK_MS: u64 = 100;

/// The end of a call, consistent with its grant.
struct CallEnd {
    disposition: Disposition,
    answered_at: Option<Timestamp>,
    ended_at: Timestamp,
    /// Real duration as measured by Asterisk, in milliseconds.
    answered_ms: u64,
    /// Duration that the payers are charged for, in milliseconds.
    charged_ms: u64,
    overrun_ms: u64,
}

impl Calls {
    /// Prices a call's end for every payer and the carrier.
    pub(super) fn price(
        &self,
        request: &SettleRequest,
        call: &OpenCall,
        source: DurationSource,
    ) -> Result<PricedSettlement, SettleError> {
        let ended = self.call_end(request, call, source);
        let (payers, charges) = payer_charges(call, &ended)?;
        let route = usize::try_from(request.route).ok().and_then(|n| n.checked_sub(1));
        let route = route.and_then(|index| call.routes.get(index)?.as_ref());
        let buy = route.map(|route| carrier_cost(&request.key, route, &ended, call)).transpose()?.flatten();
        let cdr = self.cdr(request, call, &ended, route, source);
        let provisional = request.ticket.is_empty();
        let settlement = Settlement { key: request.key.clone(), cdr, payers, buy, provisional };
        Ok(PricedSettlement { settlement, charges })
    }

    /// Builds the CDR of a call that ended.
    fn cdr(
        &self,
        request: &SettleRequest,
        call: &OpenCall,
        ended: &CallEnd,
        route: Option<&Route>,
        source: DurationSource,
    ) -> CdrDraft {
        CdrDraft {
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
            trunk: route.map(|route| TrunkUsed { trunk_id: route.trunk.id, name: route.trunk.name.clone() }),
            route: request.route,
            attempts: attempts(request, Some(call)),
            currency: self.settings.currency.clone(),
        }
    }

    /// Determines the times and durations of the end, consistent with the grant.
    fn call_end(&self, request: &SettleRequest, call: &OpenCall, source: DurationSource) -> CallEnd {
        let now = self.clock.now();
        // The hangup handler reports the end as it happens: only then is the end now.
        let talked_ms = match source {
            DurationSource::Asterisk => call.live.talked_ms(self.clock.monotonic_ms()),
            _ => None,
        };
        // A wall clock that was set back during the call yields no duration; one that was set forward from 1970 yields
        // an unpriceable one.
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
        // The answer time must lie in the range that the call was held for, whatever Asterisk's clock says.
        let last_answer = call.granted_at + SignedDuration::from_secs(i64::from(call.ring_seconds));
        let answered_at = told.unwrap_or(guessed).clamp(call.granted_at, last_answer);
        let funded_ms = u64::from(call.charged_at_most_seconds()) * 1_000;
        let now_ms = signed(self.clock.monotonic_ms());
        let own_ms = u64::try_from(now_ms.saturating_sub(call.origin.since_ms()))
            .unwrap_or(0)
            .saturating_add(CLOCK_TOLERANCE_MS);
        // If the answer was observed, the talk time itself was measured, without the ringing.
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

/// Computes the charge of each payer: as the ledger stores it, and the amounts alone.
fn payer_charges(call: &OpenCall, ended: &CallEnd) -> Result<(Vec<PayerCharge>, Vec<Money>), SettleError> {
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
    Ok((payers, charges))
}

/// Computes the carrier's cost for the real duration. A failure must not keep the payers' charges out of the ledger: it
/// is reported, and the call is recorded without a cost.
fn carrier_cost(
    key: &CallKey,
    route: &Route,
    ended: &CallEnd,
    call: &OpenCall,
) -> Result<Option<BuyCost>, SettleError> {
    let answered_at = ended.answered_at.unwrap_or(call.granted_at);
    let cost = match route.rate.charge(ended.answered_ms, answered_at) {
        Ok(cost) => cost,
        Err(error) => {
            tracing::error!(
                call.id = %key,
                trunk.name = %route.trunk.name,
                %error,
                "carrier cost not computed; call recorded without it"
            );
            return Ok(None);
        }
    };
    Ok(Some(BuyCost {
        tariff_version: Some(route.trunk.tariff_version_id),
        prefix: Some(route.rate.prefix().to_string()),
        price_per_minute: Some(route.rate.price_per_minute(answered_at)),
        currency: route.trunk.currency.clone(),
        fx_rate: route.trunk.fx_rate.clone(),
        billed_seconds: cost.billed_seconds,
        cost: cost.amount,
        rate_json: Some(rate_json(&route.rate)?),
    }))
}

/// Serialises the rate for the CDR.
fn rate_json(rate: &CallRate) -> Result<String, SettleError> {
    serde_json::to_string(rate).map_err(|error| SettleError::Prices(error.to_string()))
}

/// Returns a timestamp of Asterisk's if it lies between two of this process, with a minute of tolerance.
pub(super) fn plausible(us: Option<i64>, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let minute = SignedDuration::from_secs(60);
    let stamp = Timestamp::from_microsecond(us?).ok()?;
    (stamp >= from.checked_sub(minute).ok()? && stamp <= until.checked_add(minute).ok()?).then_some(stamp)
}

/// Reports whether the call ended because its chain could pay no more: neither side hung up, and it lasted to its
/// funded end, which credit and not a cap determined.
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
