//! Ends without a ticket: calls that were never dialled, and emergency calls.
//!
//! The dialplan receives a call's token after its ticket, so a call whose end the dialplan reports without a ticket was
//! not dialled. A report from another source must not end a live call: only a call whose token was not sent is provably
//! unanswered. For any other call nothing is concluded here; its ticket settles it, or the proof of its end
//! ([`reconcile`](super::reconcile)), or its hold expires.

use std::sync::atomic::Ordering;

use jiff::{SignedDuration, Timestamp};
use tollgate_rating::Money;

use super::error::SettleError;
use super::open::Phase;
use super::pricing::{attempts, plausible, unanswered};
use super::request::SettleRequest;
use super::settle::SettleOutcome;
use super::state::Calls;
use crate::ledger::{CallKey, CallKind, CdrDraft, Direction, Disposition, DurationSource, Settlement};

impl Calls {
    /// Records that the dialplan gets the token of a call and may dial; `false` if the call was voided meanwhile and
    /// must not be dialled.
    pub fn allow_dialling(&self, key: &CallKey) -> bool {
        self.open.get_mut(key).is_some_and(|mut call| {
            if call.has_ended() {
                return false;
            }
            call.phase = Phase::Dialled;
            true
        })
    }

    /// Settles without a ticket: an emergency call is recorded; a call that was granted and provably not dialled ends;
    /// a key without holds needs no action.
    pub(super) async fn settle_without_ticket(
        &self,
        request: &SettleRequest,
    ) -> Result<SettleOutcome, SettleError> {
        if request.extras.get("kind") == Some("emergency") {
            return Ok(self.spool.settle(self.emergency(request)).await?.into());
        }
        let _lock = self.lock_call(&request.key).ok_or(SettleError::InProgress)?;
        let Some((_, call)) = self.open.remove_if(&request.key, |_, call| !call.may_have_dialled()) else {
            if !self.open.contains_key(&request.key) {
                return Ok(SettleOutcome::NothingHeld);
            }
            self.metrics.tickets_refused.fetch_add(1, Ordering::Relaxed);
            return Err(SettleError::NoTicket);
        };
        let unanswered = SettleRequest { answered_ms: 0, route: 0, ..request.clone() };
        self.price_and_submit(&unanswered, call, DurationSource::None).await
    }

    /// Releases a call's holds without a record: its grant never reached Asterisk, so nothing was dialled.
    pub async fn void(&self, key: &CallKey) {
        if let Some(_lock) = self.lock_call(key) {
            self.void_locked(key).await;
        }
    }

    /// Like [`Calls::void`], for a caller that has the call locked.
    pub(super) async fn void_locked(&self, key: &CallKey) {
        let Some((_, mut call)) = self.open.remove(key) else { return };
        let nothing = vec![Money::ZERO; call.payers.len()];
        self.close(key, &mut call, &nothing);
        if let Err(error) = self.spool.void(key.clone()).await {
            tracing::warn!(call.id = %key, %error, "a voided call stays in the journal until its hold ends");
        }
    }

    fn emergency(&self, request: &SettleRequest) -> Settlement {
        let now = self.clock.now();
        let real = i64::try_from(request.answered_ms).unwrap_or(0);
        let ended_at = plausible(request.ended_at_us, Timestamp::UNIX_EPOCH, now).unwrap_or(now);
        let answered_at = (request.answered_ms > 0)
            .then(|| ended_at.checked_sub(SignedDuration::from_millis(real)).unwrap_or(ended_at));
        let extra = |key: &str| request.extras.get(key).unwrap_or_default().to_owned();
        let peer = self.directory.peer(&extra("endpoint"));
        let cdr = CdrDraft {
            kind: CallKind::Emergency,
            direction: Direction::Outbound,
            disposition: if request.answered_ms > 0 {
                Disposition::Answered
            } else {
                unanswered(&request.dial_status)
            },
            refused_reason: None,
            account_id: peer.map(|peer| peer.account.id),
            endpoint: extra("endpoint"),
            caller: extra("caller"),
            dialled: extra("dialled"),
            number: None,
            destination: Some("emergency".to_owned()),
            setup_at: answered_at.unwrap_or(ended_at),
            answered_at,
            ended_at,
            answered_ms: request.answered_ms,
            charged_ms: 0,
            overrun_ms: 0,
            pdd_ms: None,
            hangup_cause: request.cause,
            sip_code: request.extras.get("sip_code").and_then(|code| code.parse().ok()),
            hung_up_by: request.extras.get("hung_up_by").map(str::to_owned),
            source_address: None,
            sip_call_id: request.extras.get("sip_call_id").map(str::to_owned),
            duration_source: if request.answered_ms > 0 {
                DurationSource::Asterisk
            } else {
                DurationSource::None
            },
            trunk: None,
            route: 0,
            attempts: attempts(request, None),
            currency: self.settings.currency.clone(),
        };
        Settlement { key: request.key.clone(), cdr, payers: Vec::new(), buy: None, provisional: true }
    }
}
