//! `tollgate callerid`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::answer::{Answer, Failure, Outcome};
use crate::accounts::callerids::{self, CalleridError, Listed};
use crate::accounts::ops::OpsError;
use crate::services::Services;
use crate::store::callerids::CalleridRecord;

/// `tollgate callerid …`
#[derive(Debug, Subcommand)]
pub enum CalleridCommand {
    /// List the numbers an account may present
    List {
        /// Login of the account
        login: String,
    },
    /// Approve a number for presentation (callerid.policy = "approval")
    Approve {
        /// Id of the number
        id: i64,
    },
    /// Reject and remove a number that does not belong to the account
    Reject {
        /// Id of the number
        id: i64,
    },
}

/// Runs `tollgate callerid …`.
pub async fn run(services: &Services, command: CalleridCommand) -> Outcome {
    match command {
        CalleridCommand::List { login } => {
            let account = services.store.account_by_login(&login).await.map_err(OpsError::from)?;
            let account = account.ok_or_else(|| OpsError::UnknownAccount(login.clone()))?;
            let listed = callerids::list(services, account.id, account.callerid.as_deref()).await?;
            let lines: Vec<String> = listed.iter().map(line_of).collect();
            let text = if lines.is_empty() { format!("{login} has no caller ids") } else { lines.join("\n") };
            let shown: Vec<Value> = listed.iter().map(shown).collect();
            Ok(Answer::new(json!({ "login": login, "callerids": shown }), text))
        }
        CalleridCommand::Approve { id } => Ok(done(&callerids::approve(services, id).await?, "approved")),
        CalleridCommand::Reject { id } => Ok(done(&callerids::reject(services, id).await?, "rejected")),
    }
}

fn shown(Listed { callerid, active }: &Listed) -> Value {
    json!({
        "id": callerid.id,
        "cid": callerid.cid,
        "name": callerid.name,
        "active": active,
        "approved": callerid.approved,
        "created_at": callerid.created_at.to_string(),
    })
}

fn line_of(Listed { callerid, active }: &Listed) -> String {
    let active = if *active { ", active" } else { "" };
    let waits = if callerid.approved { "" } else { ", waits for approval" };
    format!("caller id {}: {} {}{active}{waits}", callerid.id, callerid.cid, callerid.name)
}

fn done(callerid: &CalleridRecord, what: &str) -> Answer {
    let json = json!({ "id": callerid.id, "cid": callerid.cid, "status": what });
    Answer::new(json, format!("caller id {} {what}", callerid.cid))
}

impl From<CalleridError> for Failure {
    fn from(error: CalleridError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
