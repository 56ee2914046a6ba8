//! `tollgate key`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome};
use crate::accounts::keys;
use crate::services::Services;
use crate::store::keys::KeyRecord;

/// `tollgate key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create an API key for an account; the key is shown only once
    Create {
        /// Login of the account
        login: String,
        /// Make the subaccounts API answer this key with numbers, for clients that cannot parse text
        #[arg(long)]
        numbers: bool,
    },
    /// Show the secret that signs an account's requests to the subaccounts API; created on first use
    Signing {
        /// Login of the client
        login: String,
        /// Replace the secret: requests signed with the old one are refused from then on
        #[arg(long)]
        anew: bool,
    },
    /// List an account's keys, including revoked ones
    List {
        /// Login of the account
        login: String,
    },
    /// Revoke a key immediately and permanently
    Revoke {
        /// Id of the key
        id: i64,
    },
}

/// Runs `tollgate key …`.
pub async fn run(services: &Services, command: KeyCommand) -> Outcome {
    match command {
        KeyCommand::Create { login, numbers } => {
            let made = keys::create(services, &login, numbers).await?;
            let text = format!("key {} of {login}, shown this once: {}", made.id, made.key);
            Ok(Answer::new(json!({ "id": made.id, "login": login, "key": made.key }), text))
        }
        KeyCommand::Signing { login, anew } => {
            let secret = keys::signing_secret(services, &login, anew).await?;
            let text = format!("signing secret of {login}: {secret}");
            Ok(Answer::new(json!({ "login": login, "signing_secret": secret }), text))
        }
        KeyCommand::List { login } => {
            let keys = keys::list(services, &login).await?;
            let lines: Vec<String> = keys.iter().map(line).collect();
            let text = if lines.is_empty() { format!("{login} has no keys") } else { lines.join("\n") };
            Ok(Answer::new(
                json!({ "login": login, "keys": keys.iter().map(shown).collect::<Vec<Value>>() }),
                text,
            ))
        }
        KeyCommand::Revoke { id } => {
            let key = keys::revoke(services, id).await?;
            Ok(Answer::new(shown(&key), line(&key)))
        }
    }
}

fn shown(key: &KeyRecord) -> Value {
    json!({
        "id": key.id,
        "numbers": key.numbers,
        "created_at": key.created_at.to_string(),
        "revoked_at": key.revoked_at.map(|at| at.to_string()),
    })
}

fn line(key: &KeyRecord) -> String {
    let revoked = key.revoked_at.map_or_else(String::new, |at| format!(", revoked {at:.0}"));
    let numbers = if key.numbers { ", answers numbers" } else { "" };
    format!("key {}: made {:.0}{numbers}{revoked}", key.id, key.created_at)
}
