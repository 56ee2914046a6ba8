//! `tollgate fx set | list`.

use std::fmt::Write as _;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome};
use super::catalog::refresh_catalog;
use crate::catalog::admin::fx;
use crate::catalog::fx::{Currency, Rate, parse_from};
use crate::clock::Clock;
use crate::services::Services;
use crate::store::{FxRate, Store, from_micros};

/// `tollgate fx …`
#[derive(Debug, Subcommand)]
pub enum FxCommand {
    /// Set the rate of one currency in another
    Set {
        /// Base currency, such as USD
        base: Currency,
        /// Quote currency, such as EUR
        quote: Currency,
        /// Price of one unit of the base currency in the quote currency, at most twelve decimals
        rate: Rate,
        /// Start of validity: a date (UTC) or an RFC 3339 time; now by default
        #[arg(long, value_name = "DATE", value_parser = from_date)]
        from: Option<Timestamp>,
    },
    /// List every rate ever set
    List,
}

fn from_date(text: &str) -> Result<Timestamp, String> {
    parse_from(text).ok_or_else(|| "say a date such as 2026-07-01 or an RFC 3339 time".to_owned())
}

/// Runs an exchange rate command.
pub async fn run(services: &Services, command: FxCommand) -> Outcome {
    let outcome = run_on(&services.store, &*services.clock, command).await;
    refresh_catalog(services).await;
    outcome
}

async fn run_on(store: &Store, clock: &dyn Clock, command: FxCommand) -> Outcome {
    match command {
        FxCommand::Set { base, quote, rate, from } => {
            let now = clock.now();
            let from = from.unwrap_or(now);
            let done = fx::set(store, base, quote, rate, from, now).await?;
            let mut text = format!("1 {base} = {rate} {quote} from {from}");
            if !done.repriced.is_empty() {
                let _ = write!(text, "\ntariffs priced anew: {}", done.repriced.join(", "));
            }
            let mut json = line_json(&done.line);
            if let Some(map) = json.as_object_mut() {
                map.insert("repriced".to_owned(), json!(done.repriced));
            }
            Ok(Answer::new(json, text))
        }
        FxCommand::List => {
            let lines = fx::list(store).await?;
            let mut text = String::from("base quote rate from");
            for line in &lines {
                let from = from_micros(line.valid_from);
                let _ = write!(text, "\n{:<4} {:<5} {} {from}", line.base, line.quote, rate_text(line));
            }
            Ok(Answer::new(json!({ "rates": lines.iter().map(line_json).collect::<Value>() }), text))
        }
    }
}

fn rate_text(line: &FxRate) -> String {
    Rate::from_pico(line.rate_pico).map_or_else(String::new, |rate| rate.to_string())
}

fn line_json(line: &FxRate) -> Value {
    json!({
        "id": line.id, "base": line.base, "quote": line.quote, "rate": rate_text(line),
        "from": from_micros(line.valid_from).to_string(), "set_at": from_micros(line.set_at).to_string(),
    })
}
