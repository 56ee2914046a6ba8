//! `tollgate secrets …`: the key file.

use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;

use super::answer::{Answer, Failure, Outcome};
use crate::accounts::keys;
use crate::peers::{self, realtime};
use crate::services::Services;

/// `tollgate secrets …`
#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Create a new current key; older keys stay readable, and stored passwords are re-encrypted with the new key
    Rotate,
    /// Show the line of `site/realtime-token.conf` that lets Asterisk read peers
    Realtime,
    /// Show the header that lets a monitoring system read `/metrics` on the internal listener
    Metrics,
}

/// Runs `tollgate secrets …`, in the running server if there is one: its keys are the ones in use.
pub async fn run(services: &Services, command: &SecretsCommand) -> Outcome {
    match command {
        SecretsCommand::Rotate => rotate(services).await,
        SecretsCommand::Realtime => {
            let line = format!("userpwd = {}:{}", realtime::USER, services.realtime_token());
            Ok(Answer::new(json!({ "user": realtime::USER, "token": services.realtime_token() }), line))
        }
        SecretsCommand::Metrics => Ok(metrics_header(services)),
    }
}

/// Returns the header that a monitoring system must send.
fn metrics_header(services: &Services) -> Answer {
    let token = services.metrics_tokens().pop().unwrap_or_default();
    Answer::new(json!({ "token": token }), format!("Authorization: Bearer {token}"))
}

async fn rotate(services: &Services) -> Outcome {
    let failed = |e: String| Failure::new("key_file", e);
    let mut secrets = (**services.secrets.load()).clone();
    if let Some(oldest) = secrets.dropped_next() {
        // Values still encrypted with the dropped key would be lost.
        let under_oldest = peers::ops::seal_anew(&services.store, &secrets).await?
            + keys::seal_anew(&services.store, &secrets).await?;
        if under_oldest > 0 {
            tracing::warn!(key.id = oldest, peers = under_oldest, "passwords were still under older keys");
        }
    }
    let id = secrets.rotate(&services.config.key_file()).map_err(|e| failed(e.to_string()))?;
    let fingerprint = secrets.fingerprint();
    services.secrets.store(Arc::new(secrets.clone()));
    services
        .store
        .set_meta("key_fingerprint", &fingerprint)
        .await
        .map_err(|e| Failure::new("database", e.to_string()))?;
    let sealed = peers::ops::seal_anew(&services.store, &secrets).await?;
    let signing = keys::seal_anew(&services.store, &secrets).await?;
    let text = format!(
        "key {id} signs from now on; calls granted under older keys still settle; {sealed} SIP passwords and \
         {signing} signing secrets are encrypted anew"
    );
    Ok(Answer::new(
        json!({ "key_id": id, "fingerprint": fingerprint, "encrypted_anew": sealed + signing }),
        text,
    ))
}
