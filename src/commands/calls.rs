//! `tollgate calls live | hangup`: the calls of the running server.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::answer::{Answer, Failure, Outcome};
use crate::calls::Calls;
use crate::calls::link_state::LinkIs;
use crate::calls::view::LiveCall;

/// `tollgate calls …`
#[derive(Debug, Subcommand)]
pub enum CallsCommand {
    /// List the calls that currently hold credit
    Live,
    /// End a call immediately
    Hangup(HangupArgs),
}

/// `tollgate calls hangup …`
#[derive(Debug, Args)]
pub struct HangupArgs {
    /// The call as listed by `calls live`: SERVER/UNIQUEID.LEG
    pub call: String,
}

/// Runs a calls command.
pub fn run(calls: Option<&Arc<Calls>>, command: &CallsCommand) -> Outcome {
    let calls = calls.ok_or_else(|| {
        Failure::new(
            "not_running",
            "no server is running: start `tollgate serve`; live calls run on to where they are funded",
        )
    })?;
    match command {
        CallsCommand::Live => Ok(live(calls)),
        CallsCommand::Hangup(args) => hangup(calls, &args.call),
    }
}

fn live(calls: &Calls) -> Answer {
    let live = calls.live_calls();
    let rows: Vec<_> = live
        .iter()
        .map(|call| {
            json!({
                "call": call.key.to_string(),
                "server": call.key.server,
                "login": call.login,
                "endpoint": call.endpoint,
                "number": call.number,
                "state": state(call),
                "setup_at": call.setup_at.to_string(),
                "talked_ms": call.talked_ms,
                "funded_seconds": call.funded_seconds,
                "limit_seconds": call.limit_seconds,
                "held": call.held.to_string(),
                "link": match call.link {
                    LinkIs::Up => "up",
                    LinkIs::Away => "away",
                    LinkIs::NotConfigured => "not_configured",
                },
            })
        })
        .collect();
    let mut lines: Vec<String> = live
        .iter()
        .map(|call| {
            let talked = call.talked_ms.map_or_else(|| "-".to_owned(), |ms| format!("{} s", ms / 1_000));
            let link = match call.link {
                LinkIs::Up => "",
                LinkIs::Away => ", as last heard: the link to its server is away",
                LinkIs::NotConfigured => ", not metered: its server has no [[asterisk]]",
            };
            format!(
                "{:<40} {:<12} {:<16} {:<9} talked {talked}, funded to {} s, held {}{link}",
                call.key.to_string(),
                call.login,
                call.number,
                state(call),
                call.funded_seconds,
                call.held,
            )
        })
        .collect();
    lines.push(format!("{} live", live.len()));
    Answer::new(json!({ "calls": rows }), lines.join("\n"))
}

fn state(call: &LiveCall) -> &'static str {
    match (call.ended, call.talked_ms) {
        (true, _) => "ended",
        (false, Some(_)) => "answered",
        (false, None) if call.link == LinkIs::NotConfigured => "granted",
        (false, None) => "ringing",
    }
}

fn hangup(calls: &Calls, text: &str) -> Outcome {
    let key = calls
        .live_key(text)
        .ok_or_else(|| Failure::new("unknown_call", format!("there is no live call {text}")))?;
    match calls.link_of(&key.server) {
        LinkIs::Up => {}
        LinkIs::Away => {
            let reason = format!("the control link to {} is away; the call was not hung up", key.server);
            return Err(Failure::new("unavailable", reason));
        }
        LinkIs::NotConfigured => {
            let reason =
                format!("no [[asterisk]] is named {}; the call cannot be hung up from here", key.server);
            return Err(Failure::new("unavailable", reason));
        }
    }
    if !calls.hang_up(&key) {
        let reason = "the call's channel is not known yet; try again in a few seconds";
        return Err(Failure::new("unavailable", reason));
    }
    Ok(Answer::new(json!({ "call": key.to_string(), "hung_up": true }), format!("{key} is hung up")))
}
