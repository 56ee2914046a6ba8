//! `tollgate call`: simulates Asterisk over FastAGI against a running server, in the way of the shipped dialplan.
//!
//! It takes as long as the conversation: a server charges at most the time since it granted the call.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tollgate_agi::client::{Call, Outcome as Played};

use crate::clock::{Clock, SystemClock};
use crate::commands::answer::{Answer, Failure, Outcome};
use crate::config::Config;
use crate::secrets::random_below;

/// How long to wait for a server that does not listen yet: `serve` in the background and then `call` must work.
const STARTING: Duration = Duration::from_secs(5);
/// The `systemname` of the simulated Asterisk.
pub const SERVER_NAME: &str = "tollgate-call";
/// Time limit of an answer from the server.
const DEADLINE: Duration = Duration::from_secs(10);

/// `tollgate call …`
#[derive(Debug, Args)]
pub struct CallArgs {
    /// SIP account that calls (a client's login)
    pub login: String,
    /// Dialled digits
    pub number: String,
    /// Talk time in seconds; 0 for an unanswered call
    #[arg(long, value_name = "SECONDS")]
    pub talk: u32,
    /// FastAGI server; the configured one by default
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Option<String>,
    /// Caller number
    #[arg(long, value_name = "NUMBER", default_value = "")]
    pub caller: String,
}

/// Result of a simulated call.
#[derive(Debug)]
pub struct PlayedCall {
    /// Variables set by the grant or refusal.
    pub authorize: Played,
    /// Answer to the settlement; `None` if the call was refused.
    pub settle: Option<Played>,
    /// Talk time in ms, after the limits of the grant.
    pub talked_ms: u64,
}

/// Runs `tollgate call …`.
pub async fn run(config: &Config, args: CallArgs, json: bool) -> Outcome {
    let server = args.server.clone().unwrap_or_else(|| config.fastagi.listen.to_string());
    until_it_listens(&server).await;
    let played = play(&server, &args, &SystemClock::new(), |time| talk(time, json)).await?;
    let variable = |name: &str| played.authorize.variable(name).map(str::to_owned);
    if variable("TG_STATUS").as_deref() != Some("ALLOW") {
        let reason = variable("TG_REASON").unwrap_or_else(|| "no answer".to_owned());
        let mut failure = Failure::new(&reason, format!("the call is refused: {reason}"));
        failure.details = Some(json!({ "status": "DENY", "cause": variable("TG_CAUSE") }));
        return Err(failure);
    }
    let settled = played.settle.as_ref().and_then(|settle| settle.variable("TG_SETTLED")) == Some("1");
    let routes: Vec<Value> = (1..=9)
        .filter_map(|n| played.authorize.variable(&format!("TG_ROUTE_{n}")))
        .map(Value::from)
        .collect();
    let text = format!(
        "granted: funded {} s, at most {} ms, routes {}\ntalked {} ms, {}",
        variable("TG_TALK_S").unwrap_or_default(),
        variable("TG_LIMIT_MS").unwrap_or_default(),
        routes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" then "),
        played.talked_ms,
        if settled { "settled" } else { "NOT settled" },
    );
    let json = json!({
        "status": "ALLOW",
        "talk_s": variable("TG_TALK_S"),
        "limit_ms": variable("TG_LIMIT_MS"),
        "ring_s": variable("TG_RING_S"),
        "routes": routes,
        "callerid": variable("TG_CALLERID"),
        "ticket": variable("TG_TICKET"),
        "talked_ms": played.talked_ms,
        "settled": settled,
    });
    Ok(Answer { json, text, status: u8::from(!settled) })
}

/// Waits for the talk time and shows the wait to a person.
#[expect(clippy::print_stderr, reason = "the answer on standard output comes when the call has ended")]
async fn talk(time: Duration, json: bool) {
    if !json {
        eprintln!("granted, talking for {} s", time.as_secs_f64());
    }
    tokio::time::sleep(time).await;
}

/// Waits briefly for a server that was just started; the caller's request then shows if it listens.
async fn until_it_listens(server: &str) {
    let began = tokio::time::Instant::now();
    while began.elapsed() < STARTING && tokio::net::TcpStream::connect(server).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Authorizes, talks, settles. `talk` waits for the talk time.
pub async fn play<F: Future<Output = ()>>(
    server: &str,
    call: &CallArgs,
    clock: &dyn Clock,
    talk: impl FnOnce(Duration) -> F,
) -> Result<PlayedCall, Failure> {
    let CallArgs { login, number, caller, talk: talk_seconds, .. } = call;
    let unique_id = format!("{SERVER_NAME}-{}.{}", clock.now().as_second(), random_below(1_000_000_000));
    let failed = |e: tollgate_agi::client::ClientError| {
        Failure::new("unreachable", format!("the FastAGI server {server}: {e}"))
    };
    let authorize = Call::new(&format!("agi://{server}/authorize"))
        .unique_id(&unique_id)
        .args([login.as_str(), number, caller, SERVER_NAME, "127.0.0.1", "1", ""])
        .deadline(DEADLINE)
        .run(server)
        .await
        .map_err(failed)?;
    let granted = authorize.variable("TG_STATUS") == Some("ALLOW")
        && authorize.variable("TG_TOKEN") == Some(unique_id.as_str());
    if !granted {
        return Ok(PlayedCall { authorize, settle: None, talked_ms: 0 });
    }
    let talked_ms = match authorize.variable("TG_TALK_S").and_then(milliseconds) {
        Some(limit_ms) => limit_ms.min(u64::from(*talk_seconds) * 1_000),
        None => return Err(Failure::new("bad_grant", "the grant has no TG_TALK_S")),
    };
    let answered = talked_ms > 0;
    let answered_us = clock.now().as_microsecond();
    talk(Duration::from_millis(talked_ms)).await;
    let ended_us = clock.now().as_microsecond();
    let settle = Call::new(&format!("agi://{server}/settle"))
        .unique_id(&unique_id)
        .args([
            authorize.variable("TG_TICKET").unwrap_or_default(),
            talked_ms.to_string().as_str(),
            if answered { "ANSWER" } else { "NOANSWER" },
            if answered { "16" } else { "19" },
            "1",
            SERVER_NAME,
            "1",
            if answered { answered_us.to_string() } else { String::new() }.as_str(),
            ended_us.to_string().as_str(),
            format!(
                "1:{}:{}:{talked_ms};",
                if answered { "ANSWER" } else { "NOANSWER" },
                if answered { 16 } else { 19 }
            )
            .as_str(),
            format!("hung_up_by=caller;endpoint={login};dialled={number};played=1").as_str(),
        ])
        .dead()
        .deadline(DEADLINE)
        .run(server)
        .await
        .map_err(failed)?;
    Ok(PlayedCall { authorize, settle: Some(settle), talked_ms })
}

/// Parses `4.700` as 4700.
fn milliseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let thousandths: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_funded_end_is_read_to_the_millisecond() {
        assert_eq!(milliseconds("4.700"), Some(4_700));
        assert_eq!(milliseconds("4.7"), Some(4_700));
        assert_eq!(milliseconds("14400"), Some(14_400_000));
        assert_eq!(milliseconds("x"), None);
    }
}
