//! `tollgate rate --deck`: prices from a deck file, without a database.

use std::sync::Arc;

use serde_json::json;
use tollgate_rating::PricedTariff;
use tollgate_rating::number::{DialRules, normalise};
use tollgate_rating::plan::{Derivation, Markup};

use crate::catalog::deck::Deck;
use crate::clock::{Clock as _, SystemClock};
use crate::commands::answer::{Answer, Failure, Outcome};
use crate::commands::catalog::open_deck;
use crate::commands::rate::{Question, RateArgs, explain};

/// Maximum duration for a deck alone: the caps of an account are not known.
const DECK_CAP_SECONDS: u32 = 14_400;

/// `tollgate rate --deck FILE …`: without a database.
#[expect(clippy::needless_pass_by_value, reason = "a command's arguments are its own")]
pub fn deck(args: RateArgs) -> Outcome {
    let file = args.deck.as_deref().ok_or_else(|| Failure::new("bad_usage", "--deck FILE is missing"))?;
    let tariff = Deck::read(open_deck(file)?, &args.columns)?.compile()?;
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
        deck(parse(&words).unwrap())
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
