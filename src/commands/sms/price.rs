//! `tollgate sms price LOGIN NUMBER [TEXT]`: the price of a message for every payer, or the reason to refuse it.

use std::fmt::Write as _;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tollgate_rating::number::normalise;

use crate::commands::answer::{Answer, Failure, Outcome};
use crate::messaging::connector::Encoding;
use crate::messaging::price::{NoPrice, price};
use crate::messaging::segments::{Counted, count};
use crate::services::Services;

/// Default text of a message: one segment.
const ANY_TEXT: &str = "a";

/// `tollgate sms price …`
#[derive(Debug, Args)]
pub struct PriceArgs {
    /// Login of the sender
    pub login: String,
    /// Destination number, as the account's phones write it
    pub number: String,
    /// Message text; one segment by default
    pub text: Option<String>,
    /// Time of sending; now by default
    #[arg(long, value_name = "RFC3339")]
    pub at: Option<Timestamp>,
}

/// Explains a message of an account; sends nothing and holds nothing.
pub(super) async fn run(services: &Services, args: &PriceArgs) -> Outcome {
    let calls = services.memory().await?;
    let account = calls.directory.account_named(&args.login);
    let account = account
        .ok_or_else(|| Failure::new("unknown_account", format!("there is no account {}", args.login)))?;
    let rules = account.client_above().unwrap_or(&account).settings().dial_rules.clone();
    let number = normalise(&args.number, &rules)
        .map_err(|error| Failure::new("bad_number", format!("{:?}: {error}", args.number)))?;
    let Counted { encoding, segments } = count(args.text.as_deref().unwrap_or(ANY_TEXT))
        .map_err(|error| Failure::new("bad_text", format!("TEXT: {error}")))?;
    let encoding = match encoding {
        Encoding::Gsm7 => "gsm7",
        Encoding::Ucs2 => "ucs2",
    };
    let at = args.at.unwrap_or_else(|| services.clock.now());
    let chain = account.chain();
    let prices =
        price(&calls.catalog.snapshot(), &chain, number, segments, at).map_err(|error| refused(&error))?;

    let mut text = format!("{number}: {segments} segments ({encoding})");
    let mut payers = Vec::with_capacity(prices.len());
    for (account, payer) in chain.iter().zip(&prices) {
        let available = account.wallet.snapshot().available;
        let _ = write!(
            text,
            "\n{} {}: prefix {} {}, {} a segment, charge {} (available {available})",
            account.kind.as_str(),
            account.login,
            payer.prefix,
            payer.destination,
            payer.price_per_segment,
            payer.charge
        );
        payers.push(json!({
            "login": account.login,
            "kind": account.kind.as_str(),
            "prefix": payer.prefix.to_string(),
            "destination": &*payer.destination,
            "price_per_segment": payer.price_per_segment.to_string(),
            "charge": payer.charge.to_string(),
            "available": available.to_string(),
            "plan_versions": payer.plan_version_ids,
            "tariff_version": payer.tariff_version_id,
        }));
    }
    let json = json!({
        "number": number.to_string(), "encoding": encoding, "segments": segments, "at": at.to_string(),
        "payers": payers,
    });
    Ok(Answer::new(json, text))
}

fn refused(refused: &NoPrice) -> Failure {
    let mut failure = Failure::new(refused.reason.code(), refused.to_string());
    failure.details = Some(json!({ "login": refused.login }));
    failure
}
