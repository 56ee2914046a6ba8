//! `tollgate rate`: explains the price of a number.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate_rating::{
    AnswerRange, CallRate, E164, Money, PlanTerms,
    plan::{BlockRounding, DurationRounding, Markup, Rounding, RoundingMode},
};

use super::answer::Failure;
use crate::catalog::admin::parse_zone;
use crate::catalog::deck::ColumnMap;

/// Default duration of a priced call in milliseconds.
const DEFAULT_MS: u64 = 60_000;

/// Options that a LOGIN's plan already defines.
const DECK_ONLY: [&str; 8] =
    ["deck", "columns", "rounding", "decimals", "duration_rounding", "block_rounding", "zone", "markup"];

/// `tollgate rate (LOGIN | --deck FILE) NUMBER …`
#[derive(Debug, Args)]
pub struct RateArgs {
    /// LOGIN and NUMBER; with --deck the NUMBER alone
    #[arg(value_name = "LOGIN|NUMBER")]
    pub first: String,
    /// The number, after a LOGIN
    #[arg(value_name = "NUMBER", required_unless_present = "deck", conflicts_with_all = DECK_ONLY)]
    pub second: Option<String>,
    /// Price by a deck file; needs no database
    #[arg(long, value_name = "FILE")]
    pub deck: Option<PathBuf>,
    /// Map the deck's columns to its own headers
    #[arg(long, value_name = "COLUMN=HEADER,…", default_value = "")]
    pub columns: ColumnMap,
    /// Rounding of the cost: up, half-up, half-even, down
    #[arg(long)]
    pub rounding: Option<RoundingMode>,
    /// Number of decimals of the cost
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub decimals: Option<u8>,
    /// Rounding of milliseconds to seconds: up, down, half-up
    #[arg(long)]
    pub duration_rounding: Option<DurationRounding>,
    /// Duration rounded to the increment: `after_initial` or `whole`
    #[arg(long)]
    pub block_rounding: Option<BlockRounding>,
    /// Time zone of time windows and dates
    #[arg(long, value_name = "Z")]
    pub zone: Option<String>,
    /// Markup in percent on every price
    #[arg(long, value_name = "P")]
    pub markup: Option<Markup>,
    /// Answered duration in seconds; 60 by default
    #[arg(long, value_name = "S", conflicts_with = "ms")]
    pub seconds: Option<u64>,
    /// Answered duration in milliseconds
    #[arg(long, value_name = "MS")]
    pub ms: Option<u64>,
    /// Time of answer; now by default
    #[arg(long, value_name = "RFC3339")]
    pub at: Option<Timestamp>,
    /// Credit: also compute the call duration it pays for
    #[arg(long, value_name = "A", allow_hyphen_values = true, value_parser = money)]
    pub credit: Option<Money>,
}

fn money(text: &str) -> Result<Money, String> {
    Money::parse(text).map_err(|error| error.to_string())
}

impl RateArgs {
    /// Returns the number as typed.
    pub fn number(&self) -> &str {
        self.second.as_deref().unwrap_or(&self.first)
    }

    /// Returns the answered duration to price, in milliseconds.
    pub fn answered_ms(&self) -> u64 {
        self.ms.or_else(|| self.seconds.map(|seconds| seconds.saturating_mul(1_000))).unwrap_or(DEFAULT_MS)
    }

    pub(crate) fn terms(&self) -> Result<PlanTerms, Failure> {
        let mut terms = PlanTerms::default();
        let mode = self.rounding.unwrap_or(terms.rounding.mode());
        let decimals = self.decimals.unwrap_or(terms.rounding.decimals());
        terms.rounding =
            Rounding::new(mode, decimals).ok_or_else(|| Failure::new("invalid", "decimals: 0 to 9"))?;
        terms.duration_rounding = self.duration_rounding.unwrap_or(terms.duration_rounding);
        terms.block_rounding = self.block_rounding.unwrap_or(terms.block_rounding);
        if let Some(zone) = &self.zone {
            terms.zone = parse_zone(zone)?;
        }
        Ok(terms)
    }
}

/// Input for the price of a call at one rate.
#[derive(Clone, Debug)]
pub struct Question {
    /// The number called.
    pub number: E164,
    /// Time of answer.
    pub at: Timestamp,
    /// Answered duration in milliseconds.
    pub ms: u64,
    /// Amount a payer can spend.
    pub credit: Option<Money>,
    /// Maximum duration of the call for the credit, in seconds.
    pub cap_seconds: u32,
}

/// Explains a rate as JSON and as text, in the same way for a deck, for each payer and for each route.
pub fn explain(rate: &CallRate, question: &Question) -> Result<(Value, String), Failure> {
    let Question { number, at, ms, credit, cap_seconds } = *question;
    let charge = rate.charge(ms, at).map_err(|error| Failure::new("too_long", error.to_string()))?;
    let terms = rate.terms(at);
    let parts = charge.parts.as_slice();
    let steps = terms.steps.iter().map(|step| {
        json!({
            "start": step.start, "increment": step.increment,
            "price_per_minute": step.price_per_minute.to_string(),
        })
    });
    let mut json = json!({
        "number": number.to_string(),
        "prefix": rate.prefix().to_string(),
        "deck_prefix": rate.deck_prefix().to_string(),
        "destination": rate.destination(),
        "at": at.to_string(),
        "price_per_minute": rate.price_per_minute(at).to_string(),
        "connect_fee": terms.connect_fee.to_string(),
        "initial_block": terms.initial_block,
        "increment": terms.steps.first().map(|step| step.increment),
        "steps": steps.collect::<Value>(),
        "free_below": terms.free_below,
        "additional_time": terms.additional_time,
        "min_charge": terms.min_charge.map(|charge| charge.to_string()),
        "max_charge": terms.max_charge.map(|charge| charge.to_string()),
        "rounding": rate.rounding().mode().to_string(),
        "decimals": rate.rounding().decimals(),
        "block_rounding": rate.block_rounding().to_string(),
        "answered_ms": ms,
        "billed_seconds": charge.billed_seconds,
        "cost": charge.amount.to_string(),
        "parts": parts.iter().map(|part| json!({
            "from_second": part.from_second, "seconds": part.seconds,
            "price_per_minute": part.price_per_minute.to_string(),
        })).collect::<Value>(),
    });
    let mut text = format!(
        "{number} matches {} {}: {} a minute, {}/{}",
        rate.prefix(),
        rate.destination(),
        rate.price_per_minute(at),
        terms.initial_block,
        terms.steps.first().map_or(0, |step| step.increment),
    );
    if charge.connect_fee != Money::ZERO {
        let _ = write!(text, "\nconnect fee {}", charge.connect_fee);
    }
    for part in parts {
        let _ = write!(
            text,
            "\nfrom second {}: {} s at {} a minute",
            part.from_second, part.seconds, part.price_per_minute
        );
    }
    let _ = write!(
        text,
        "\n{}.{:03} s answered, {} s billed: {}",
        ms / 1_000,
        ms % 1_000,
        charge.billed_seconds,
        charge.amount
    );
    if let Some(credit) = credit {
        let max_seconds = rate.max_seconds(credit, cap_seconds, AnswerRange::at(at));
        let longest = if max_seconds == cap_seconds { ", the longest call" } else { "" };
        let _ = write!(text, "\na credit of {credit} pays {max_seconds} s{longest}");
        if let Some(map) = json.as_object_mut() {
            map.insert("credit".to_owned(), json!(credit.to_string()));
            map.insert("max_seconds".to_owned(), json!(max_seconds));
        }
    }
    Ok((json, text))
}
