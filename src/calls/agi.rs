//! The FastAGI side: two scripts, `authorize` and `settle`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tollgate_agi::command::SetVariable;
use tollgate_agi::{Key, Session, SessionError};

use super::authorize::Refused;
use super::grant::Grant;
use super::refusal::Reason;
use super::request::{AuthorizeRequest, SettleRequest};
use super::state::Calls;
use crate::ledger::{CallKind, CdrDraft, Direction, Disposition, DurationSource, RefusedAttempt};

/// Reason sent to the dialplan when a request cannot be parsed.
const UNREADABLE: Reason = Reason::Unavailable;
/// Endpoint of the probe by `tollgate doctor`: refused like any unknown endpoint, without a record.
pub const PROBE: &str = "tollgate-doctor";
/// Maximum time Asterisk waits for a settlement: a channel in a silent request cannot be hung up.
const SETTLE_PATIENCE: Duration = Duration::from_secs(3);

/// Serves one request of the dialplan.
pub async fn handle(calls: Arc<Calls>, session: Session) {
    let script = session.environment().script().to_owned();
    let channel = session.environment().unique_id().to_owned();
    let served = match script.as_str() {
        "authorize" => authorize(&calls, session).await,
        "settle" => settle(&calls, session).await,
        _ => {
            tracing::warn!(call.channel = %channel, agi.script = %script, "the dialplan asked for an unknown script");
            Ok(())
        }
    };
    if let Err(error) = served {
        tracing::warn!(call.channel = %channel, agi.script = %script, %error, "the FastAGI session broke");
    }
}

async fn authorize(calls: &Calls, mut session: Session) -> Result<(), SessionError> {
    let started = Instant::now();
    let environment = session.environment();
    let args: Vec<&str> = environment.args().collect();
    let request = match AuthorizeRequest::parse(environment.unique_id(), &args) {
        Ok(request) => request.on_channel(environment.get(Key::Channel)),
        Err(error) => {
            tracing::warn!(call.channel = %environment.unique_id(), %error, "an authorize request cannot be read");
            calls.metrics.denied(UNREADABLE.as_str());
            return deny(&mut session, UNREADABLE).await;
        }
    };
    let decision = calls.authorize(&request);
    calls.metrics.authorised_in_us(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    match decision {
        Ok(grant) => {
            calls.metrics.calls_allowed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tracing::info!(
                call.id = %request.key,
                call.endpoint = %request.endpoint,
                call.dialled = %request.dialled,
                call.talk_ms = grant.talk_ms,
                call.routes = grant.dial_strings.len(),
                "call granted"
            );
            allow(calls, &request, &grant, session).await
        }
        Err(refused) => {
            let reason = refused.reason;
            calls.metrics.denied(reason.as_str());
            tracing::info!(
                call.id = %request.key,
                call.endpoint = %request.endpoint,
                call.dialled = %request.dialled,
                call.reason = reason.as_str(),
                "call refused"
            );
            // A probe is not a call attempt of any account.
            if request.endpoint != PROBE {
                calls.record_refusal(&request, &refused);
            }
            deny(&mut session, reason).await
        }
    }
}

/// Sends the grant's variables, and the token only after Asterisk has all of them. If they did not arrive nothing can
/// be dialled, so the hold is released at once.
async fn allow(
    calls: &Calls,
    request: &AuthorizeRequest,
    grant: &Grant,
    mut session: Session,
) -> Result<(), SessionError> {
    let variables = grant.variables();
    let mut pairs: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let proof = calls.proof("authorize", &request.key.unique_id);
    pairs.extend(proof.as_deref().map(|proof| ("TG_PROOF", proof)));
    if let Err(error) = session.set_variables(&pairs).await {
        calls.void(&request.key).await;
        return Err(error);
    }
    if !calls.allow_dialling(&request.key) {
        tracing::warn!(call.id = %request.key, "the call ended before it had its token");
        return session.finish().await;
    }
    // From here on Asterisk may dial, even if its answer does not arrive.
    session.send(&SetVariable { name: "TG_TOKEN", value: &grant.token }).await?;
    session.finish().await
}

async fn deny(session: &mut Session, reason: Reason) -> Result<(), SessionError> {
    let cause = reason.cause().to_string();
    session
        .set_variables(&[("TG_STATUS", "DENY"), ("TG_REASON", reason.as_str()), ("TG_CAUSE", cause.as_str())])
        .await
}

async fn settle(calls: &Arc<Calls>, mut session: Session) -> Result<(), SessionError> {
    let environment = session.environment();
    let args: Vec<&str> = environment.args().collect();
    let request = match SettleRequest::parse(environment.unique_id(), &args) {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(call.channel = %environment.unique_id(), %error, "a settle request cannot be read");
            return Ok(());
        }
    };
    // Run in a separate task: Asterisk is answered in time whatever the database does, and the settlement continues.
    let settling = {
        let (calls, request) = (Arc::clone(calls), request.clone());
        tokio::spawn(async move { calls.settle(&request).await })
    };
    let outcome = match timeout(SETTLE_PATIENCE, settling).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(crashed)) => {
            tracing::error!(call.id = %request.key, error = %crashed, "settling crashed");
            return Ok(());
        }
        Err(_) => {
            tracing::warn!(call.id = %request.key, "settling takes long; Asterisk keeps its record");
            return Ok(());
        }
    };
    match outcome {
        Ok(outcome) => {
            tracing::info!(
                call.id = %request.key,
                call.answered_ms = request.answered_ms,
                call.dial_status = %request.dial_status,
                cdr.id = outcome.cdr_id(),
                cdr.duplicate = outcome.is_duplicate(),
                outcome = outcome.as_str(),
                "call settled"
            );
            if let Some(proof) = calls.proof("settle", &request.key.unique_id) {
                session.send(&SetVariable { name: "TG_PROOF", value: &proof }).await?;
            }
            session.send(&SetVariable { name: "TG_SETTLED", value: "1" }).await
        }
        Err(error) => {
            // Without TG_SETTLED the dialplan keeps its record, and the call is settled from it later.
            tracing::error!(call.id = %request.key, %error, "the call could not be settled");
            Ok(())
        }
    }
}

impl Calls {
    /// Computes the proof of an answer to the dialplan, if a secret is configured.
    fn proof(&self, script: &str, unique_id: &str) -> Option<String> {
        let secret = self.settings.proof_secret.as_ref()?;
        Some(super::proof::proof(secret.reveal(), script, unique_id))
    }

    /// Passes a refusal to the ledger's writer, which records or counts it without delaying the answer.
    fn record_refusal(&self, request: &AuthorizeRequest, refused: &Refused) {
        let now = self.clock.now();
        let cdr = CdrDraft {
            kind: CallKind::Call,
            direction: Direction::Outbound,
            disposition: Disposition::Refused,
            refused_reason: Some(refused.reason.as_str().to_owned()),
            account_id: refused.chain.first().map(|account| account.id),
            endpoint: request.endpoint.clone(),
            caller: request.caller.clone(),
            dialled: request.dialled.clone(),
            number: refused.number.map(|number| number.to_string()),
            destination: refused.destination.clone(),
            setup_at: now,
            answered_at: None,
            ended_at: now,
            answered_ms: 0,
            charged_ms: 0,
            overrun_ms: 0,
            pdd_ms: None,
            hangup_cause: Some(refused.reason.cause()),
            sip_code: None,
            hung_up_by: Some("tollgate".to_owned()),
            source_address: request.source.map(|address| address.to_string()),
            sip_call_id: request.extras.get("sip_call_id").map(str::to_owned),
            duration_source: DurationSource::None,
            trunk: None,
            route: 0,
            attempts: Vec::new(),
            currency: self.settings.currency.clone(),
        };
        self.ledger.attempt(RefusedAttempt {
            key: request.key.clone(),
            cdr,
            account_ids: refused.chain.iter().map(|account| account.id).collect(),
        });
    }
}
