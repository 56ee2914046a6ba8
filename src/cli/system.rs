//! `tollgate serve | migrate | check-config | audit | secrets`.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::node::{Node, NodeError};
use crate::commands::answer::{Answer, Failure, Outcome};
use crate::config::Config;
use crate::config::exposure::{self, Exposure};
use crate::control::folder::SocketError;
use crate::ledger::audit::{self, Difference};
use crate::ledger::spool::{Kept, look};
use crate::services::{ServiceError, Services};
use crate::store::{Store, StoreError};

/// Sets up logging to standard error as configured.
pub fn log(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second set-up in one process (tests) keeps the first.
    let _ = if config.log.json { builder.json().try_init() } else { builder.try_init() };
}

/// Serves until a signal. A second signal ends the process at once.
pub async fn serve(config: Arc<Config>, file: Option<&Path>) -> Outcome {
    refuse_exposed(file)?;
    log(&config);
    // Installed first: a signal during the start must not end it half-way, as if it had crashed.
    let mut told = Box::pin(told_to_stop()?);
    let node = tokio::select! {
        node = Node::start(config) => node.map_err(|error| start_failure(&error))?,
        () = &mut told => return Ok(Answer::new(json!({ "stopped": true }), "stopped")),
    };
    node.run(told).await.map_err(|e| Failure::new("crashed", e.to_string()))?;
    Ok(Answer::new(json!({ "stopped": true }), "stopped"))
}

/// Converts the failure of a start. Its exit status distinguishes failures that need a change of the configuration from
/// others. The key file does not count as configuration: a standby waits until the owner's new one is copied to it.
fn start_failure(error: &NodeError) -> Failure {
    let is_permanent = matches!(
        error,
        NodeError::Tls(_)
            | NodeError::Services(
                ServiceError::OtherCurrency { .. }
                    | ServiceError::OtherRealm { .. }
                    | ServiceError::OtherSpool { .. }
                    | ServiceError::Socket(SocketError::BadPath { .. } | SocketError::Folder { .. })
                    | ServiceError::Store(StoreError::Url(_))
            )
    );
    let failure = if is_permanent { Failure::of_config } else { Failure::new };
    failure("serve", error.to_string())
}

/// Completes at a termination signal; from then on a further signal ends the process with status 1.
pub fn told_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let catch = |kind| signal(kind).map_err(|e| Failure::new("signals", format!("no signals: {e}")));
    let (mut terminate, mut interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("told to stop");
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::error!("told to stop again: ending at once");
            std::process::exit(1);
        });
    })
}

/// Migrates the schema to the current version.
pub async fn migrate(config: &Config) -> Outcome {
    let failed = |e: StoreError| Failure::new("database", e.to_string());
    let store = Store::open(config.database.url.reveal()).await.map_err(failed)?;
    let clock = crate::clock::SystemClock::new();
    store.migrate(crate::clock::Clock::now(&clock)).await.map_err(failed)?;
    store.close().await;
    Ok(Answer::new(json!({ "migrated": true }), "the schema is up to date"))
}

/// Prints the effective configuration without secrets.
pub fn check_config(config: &Config, file: Option<&Path>) -> Outcome {
    refuse_exposed(file)?;
    let failed = |e: String| Failure::of_config("bad_config", e);
    let json = serde_json::to_value(config).map_err(|e| failed(e.to_string()))?;
    let text = toml::to_string_pretty(config).map_err(|e| failed(e.to_string()))?;
    Ok(Answer::new(json, text))
}

/// Refuses a configuration file with secrets that every user can read.
fn refuse_exposed(file: Option<&Path>) -> Result<(), Failure> {
    let refused = |error: Exposure| Failure::of_config("exposed_config", error.to_string());
    file.map_or(Ok(()), |file| exposure::check(file).map_err(refused))
}

/// Audits the ledger and reports records that wait outside of it.
pub async fn audit(config: Arc<Config>) -> Outcome {
    let failed = |e: StoreError| Failure::new("database", e.to_string());
    // Read first: records written meanwhile are in the ledger by then and not counted.
    let spool = look(&config.spool_dir()).map_err(|e| Failure::new("spool", e.to_string()))?;
    let services = Services::open(config).await?;
    let report = audit::audit(&services.store).await.map_err(failed)?;
    let spooled = outside(&services.store, &spool.waiting).await.map_err(failed)?;
    let refused = outside(&services.store, &spool.refused).await.map_err(failed)?;
    let mut json = serde_json::to_value(&report).map_err(|e| Failure::new("audit", e.to_string()))?;
    json["spooled"] = json!(spooled);
    json["refused"] = json!(refused);
    let mut text = format!(
        "{}: {} wallets, {} entries, {} calls, {} messages, {} differences",
        if report.ok { "the book is right" } else { "THE BOOK IS WRONG" },
        report.wallets,
        report.entries,
        report.calls,
        report.messages,
        report.differences.len(),
    );
    for difference in &report.differences {
        let Difference { kind, subject, expected, found } = difference;
        text.push_str(&format!("\n  {kind} {subject}: expected {expected}, found {found}"));
    }
    for (count, what) in [(spooled, "wait in the spool"), (refused, "were refused and lie beside the spool")]
    {
        if count > 0 {
            text.push_str(&format!("\n  {count} calls {what} and are not in the book"));
        }
    }
    Ok(Answer { json, text, status: u8::from(!report.ok) })
}

/// Counts the ended calls among these that are missing in the ledger.
async fn outside(store: &Store, kept: &[Kept]) -> Result<usize, StoreError> {
    let mut count = 0;
    for kept in kept {
        if let Kept::Settled(settlement) = kept
            && store.call_record(&settlement.key).await?.is_none()
        {
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shown_configuration_holds_no_secret() {
        let config = Config::from_text(
            "[internal]\nmetrics_token='s3cret'\n[realtime]\ntoken='s3cret'\n[database]\nurl='postgres://u:a@s3cret@h/d'\n[[asterisk]]\nname='a'\nhost='h'\nusername='u'\nsecret='s3cret'\n[[sms.provider]]\nname='a'\nkind='smpp'\nhost='h'\nport=1\nsystem_id='u'\npassword='s3cret'\n[[sms.provider]]\nname='b'\nkind='http'\nurl='https://h'\napi_key='s3cret'\n",
            [],
        )
        .unwrap();
        let shown = check_config(&config, None).unwrap();
        assert!(!shown.text.contains("s3cret") && !shown.json.to_string().contains("s3cret"));
        assert!(shown.text.contains("(set)") && !format!("{:?}", config.sms).contains("s3cret"));
    }
}
