//! `tollgate rate`: what a number costs, and why.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate_rating::{
    AnswerRange, CallRate, E164, Money, PlanTerms, PricedTariff,
    number::{DialRules, normalise},
    plan::{BlockRounding, Derivation, DurationRounding, Markup, Rounding, RoundingMode},
};

use super::answer::{Answer, Failure, Outcome};
use super::tariff::open;
use crate::catalog::admin::parse_zone;
use crate::catalog::deck::{ColumnMap, Deck};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;

/// The longest call that a deck alone allows: nobody's caps are known.
const DECK_CAP_SECONDS: u32 = 14_400;
/// How long a call is priced for when nothing is said.
const DEFAULT_MS: u64 = 60_000;

/// What a LOGIN's plan says by itself.
const DECK_ONLY: [&str; 8] =
    ["deck", "columns", "rounding", "decimals", "duration_rounding", "block_rounding", "zone", "markup"];

/// `tollgate rate (LOGIN | --deck FILE) NUMBER …`
#[derive(Debug, Args)]
pub struct RateArgs {
    /// LOGIN and NUMBER; with --deck the NUMBER alone.
    #[arg(value_name = "LOGIN|NUMBER")]
    pub first: String,
    /// The number, after a LOGIN.
    #[arg(value_name = "NUMBER", required_unless_present = "deck", conflicts_with_all = DECK_ONLY)]
    pub second: Option<String>,
    /// Price by a deck's file; needs no database.
    #[arg(long, value_name = "FILE")]
    pub deck: Option<PathBuf>,
    /// The deck's columns by its own headers.
    #[arg(long, value_name = "COLUMN=HEADER,…", default_value = "")]
    pub columns: ColumnMap,
    /// Which way the cost is rounded: up, half-up, half-even, down.
    #[arg(long)]
    pub rounding: Option<RoundingMode>,
    /// Decimals of the cost.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub decimals: Option<u8>,
    /// How milliseconds become seconds: up, down, half-up.
    #[arg(long)]
    pub duration_rounding: Option<DurationRounding>,
    /// What is rounded to the increment: `after_initial` or `whole`.
    #[arg(long)]
    pub block_rounding: Option<BlockRounding>,
    /// Time zone of windows and dates.
    #[arg(long, value_name = "Z")]
    pub zone: Option<String>,
    /// Percent that is added to every price.
    #[arg(long, value_name = "P")]
    pub markup: Option<Markup>,
    /// Answered seconds; 60 when nothing is said.
    #[arg(long, value_name = "S", conflicts_with = "ms")]
    pub seconds: Option<u64>,
    /// Answered milliseconds.
    #[arg(long, value_name = "MS")]
    pub ms: Option<u64>,
    /// When the call is answered; now when not given.
    #[arg(long, value_name = "RFC3339")]
    pub at: Option<Timestamp>,
    /// Credit: how long a call does it pay?
    #[arg(long, value_name = "A", allow_hyphen_values = true, value_parser = money)]
    pub credit: Option<Money>,
}

fn money(text: &str) -> Result<Money, String> {
    Money::parse(text).map_err(|error| error.to_string())
}

impl RateArgs {
    /// The number as typed.
    pub fn number(&self) -> &str {
        self.second.as_deref().unwrap_or(&self.first)
    }

    /// Answered milliseconds to price.
    pub fn answered_ms(&self) -> u64 {
        self.ms.or_else(|| self.seconds.map(|seconds| seconds.saturating_mul(1_000))).unwrap_or(DEFAULT_MS)
    }

    fn terms(&self) -> Result<PlanTerms, Failure> {
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

/// What a call costs at one rate.
#[derive(Clone, Debug)]
pub struct Question {
    /// The number called.
    pub number: E164,
    /// When it is answered.
    pub at: Timestamp,
    /// For how long.
    pub ms: u64,
    /// What a payer can spend.
    pub credit: Option<Money>,
    /// The longest call, with the credit.
    pub cap_seconds: u32,
}

/// Explains a rate: as JSON, and as lines for a person. The same for a deck, for each payer and for each route.
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

/// `tollgate rate --deck FILE …`: without a database.
#[expect(clippy::needless_pass_by_value, reason = "a command's arguments are its own")]
pub fn deck(_config: &Config, args: RateArgs) -> Outcome {
    let file = args.deck.as_deref().ok_or_else(|| Failure::new("bad_usage", "--deck FILE is missing"))?;
    let tariff = Deck::read(open(file)?, &args.columns)?.compile()?;
    let markup = args.markup.unwrap_or(Markup::NONE);
    let levels = if markup == Markup::NONE { Vec::new() } else { vec![Arc::new(Derivation::markup(markup))] };
    let plan = PricedTariff::new(Arc::new(tariff), levels, Arc::new(args.terms()?));
    let number = normalise(args.number(), &DialRules::default())
        .map_err(|error| Failure::new("bad_number", format!("{:?}: {error}", args.number())))?;
    let at = args.at.unwrap_or_else(|| SystemClock::new().now());
    let rate =
        plan.rate(number, at).map_err(|error| Failure::new("no_rate", format!("{number}: {error}")))?;
    if rate.is_blocked() {
        let mut failure = Failure::new("blocked", format!("calls to {} are blocked", rate.prefix()));
        failure.details = Some(json!({ "prefix": rate.prefix().to_string() }));
        return Err(failure);
    }
    let question =
        Question { number, at, ms: args.answered_ms(), credit: args.credit, cap_seconds: DECK_CAP_SECONDS };
    let (json, text) = explain(&rate, &question)?;
    Ok(Answer::new(json, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::io::Write as _;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RateArgs,
    }

    fn parse(words: &[&str]) -> Result<RateArgs, clap::Error> {
        Line::try_parse_from(["rate"].iter().chain(words)).map(|line| line.args)
    }

    fn ask(deck_text: &str, words: &[&str]) -> Outcome {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(deck_text.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let words: Vec<&str> =
            ["--deck", &path, "--at", "2026-11-20T10:00:00Z"].iter().chain(words).copied().collect();
        deck(&Config::default(), parse(&words).unwrap())
    }

    const DECK: &str = "prefix,price_per_minute,destination,initial_block,increment,connect_fee,blocked\n\
                        49,0.05,Germany,30,6,0,\n4917,0.012,Mobile,60,60,0.01,\n4919,0.1,Premium,1,1,0,yes\n";

    #[test]
    fn a_number_is_priced_by_its_longest_prefix() {
        let json = ask(DECK, &["+4930123456", "--seconds", "45"]).unwrap().json;
        assert_eq!(json["prefix"], "49");
        assert_eq!(json["billed_seconds"], 48);
        assert_eq!(json["cost"], "0.04");
        assert_eq!(json["parts"][0]["seconds"], 48);
        assert!(json.get("max_seconds").is_none());
        let json = ask(DECK, &["004917123456", "--ms", "60001", "--markup", "20"]).unwrap().json;
        assert_eq!((json["prefix"].as_str(), json["cost"].as_str()), (Some("4917"), Some("0.0408")));
    }

    #[test]
    fn a_credit_is_turned_into_the_seconds_it_pays() {
        let longest =
            |credit| ask(DECK, &["4930123456", "--credit", credit]).unwrap().json["max_seconds"].clone();
        assert_eq!(longest("0.0249"), 0);
        assert_eq!(longest("0.025"), 30);
        assert_eq!(longest("0.0399"), 42);
        assert_eq!(longest("1000"), 14_400);
        assert_eq!(longest("-1"), 0);
    }

    #[test]
    fn a_number_without_a_rate_and_a_blocked_one_are_refused() {
        assert_eq!(ask(DECK, &["33123456789"]).unwrap_err().code, "no_rate");
        let blocked = ask(DECK, &["4919123456"]).unwrap_err();
        assert_eq!((blocked.code.as_str(), blocked.json()["prefix"].as_str()), ("blocked", Some("4919")));
        assert_eq!(ask(DECK, &["0301234"]).unwrap_err().code, "bad_number");
    }

    #[test]
    fn a_bad_deck_is_refused_with_its_lines() {
        let json = ask("Code,Rate\n49,0.01\n44,x\n", &["4930123456"]).unwrap_err().json();
        assert_eq!(json["code"], "bad_deck");
        assert_eq!(json["errors"][0]["line"], 3);
        assert_eq!(json["errors"][0]["column"], "Rate");
        assert_eq!(json["error_count"], 1);
    }

    #[test]
    fn a_login_and_a_number_or_a_deck_and_a_number_are_needed() {
        assert_eq!(parse(&["anna", "4930"]).unwrap().number(), "4930");
        assert!(parse(&["4930"]).is_err());
        assert!(parse(&["--deck", "x.csv", "anna", "4930"]).is_err());
        assert!(parse(&["--zone", "UTC", "anna", "4930"]).is_err());
        assert!(parse(&["anna", "4930", "--seconds", "1", "--ms", "1"]).is_err());
        assert!(parse(&["--deck", "x.csv", "4930", "--decimals", "10"]).is_err());
    }
}
