//! Checks of messages for `doctor`.

use jiff::SignedDuration;

use super::Findings;
use crate::services::Services;

/// Delay of a due message beyond which it is reported.
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// Checks the providers, their waiting messages, and messages of unknown outcome.
pub(super) async fn messages(services: &Services, findings: &mut Findings) {
    let config = &services.config.sms;
    for provider in config.provider.iter().filter(|provider| provider.is_simulator()) {
        findings.warn(format!("sms.provider {} is a simulator: nothing real is sent", provider.name));
    }
    for provider in &config.provider {
        if provider.is_unencrypted() {
            findings.warn(format!(
                "sms.provider {} is spoken to without TLS: who listens on the way, or in its place, has its password",
                provider.name
            ));
        }
    }
    let waiting = match services.store.waiting_messages().await {
        Ok(waiting) => waiting,
        Err(error) => return findings.wrong(format!("the messages cannot be read: {error}")),
    };
    let now = services.clock.now();
    for queue in &waiting {
        if !config.provider.iter().any(|provider| provider.name == queue.provider) {
            findings.wrong(format!(
                "{} messages wait for the provider {}, which is not set up: set it up again, or they are \
                 given back a day after they were due",
                queue.waiting, queue.provider
            ));
        } else if now.duration_since(queue.first_due) > LATE {
            findings.warn(format!(
                "messages for the provider {} have been due since {:.0}: is the server running and the provider \
                 reachable?",
                queue.provider, queue.first_due
            ));
        }
    }
    match services.store.unknown_messages_count().await {
        Ok(0) => {}
        Ok(count) => findings.warn(format!(
            "of {count} messages nobody knows whether their provider has them: tollgate sms unknown"
        )),
        Err(error) => findings.wrong(format!("the messages cannot be read: {error}")),
    }
    match services.store.sending_messages_count(now - LATE).await {
        Ok(0) => {}
        Ok(count) => findings.warn(format!(
            "{count} messages have been written as being sent for minutes: where no server runs the next one finds out \
             about them; where one does, its log says why their outcome could not be written"
        )),
        Err(error) => findings.wrong(format!("the messages cannot be read: {error}")),
    }
    if let (false, Some(first)) = (config.provider.is_empty(), config.provider.first()) {
        findings.good(format!(
            "{} ways out for messages, {} by default",
            config.provider.len(),
            config.default_provider.as_ref().unwrap_or(&first.name)
        ));
    }
}
