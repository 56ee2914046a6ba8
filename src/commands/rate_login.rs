//! `tollgate rate LOGIN`: the price of a call for every payer, its routes, and the reasons to refuse it.

use std::sync::Arc;

use serde_json::{Value, json};
use tollgate_rating::credit::Wallet;
use tollgate_rating::number::normalise;
use tollgate_rating::{CallRate, Money};

use super::Owner;
use super::answer::{Answer, Failure, Outcome};
use super::rate::{Question, RateArgs, explain};
use crate::calls::Calls;
use crate::calls::authorize::PayerRate;
use crate::calls::refusal::Reason;
use crate::calls::ticket::TicketPayer;
use crate::catalog::{Snapshot, lcr};
use crate::directory::Account;

/// Explains a call of an account without placing a hold.
pub async fn run(owner: Owner<'_>, args: RateArgs) -> Outcome {
    if args.deck.is_some() {
        return Err(Failure::new("bad_usage", "--deck is read by the command line itself"));
    }
    let services = owner.services;
    let started;
    let calls = if let Some(calls) = owner.calls {
        calls
    } else {
        started = Calls::start(services).await?;
        &started
    };
    let login = args.first.as_str();
    let failed = |code: &str, message: String| Failure::new(code, message);
    let record = services
        .store
        .account_by_login(login)
        .await
        .map_err(|e| failed("database", e.to_string()))?
        .ok_or_else(|| failed("unknown_account", format!("there is no account {login}")))?;
    let account = calls
        .directory
        .account(record.id)
        .ok_or_else(|| failed("unknown_account", format!("there is no account {login} in memory")))?;
    let chain = account.chain();
    let number = normalise(args.number(), &account.settings().dial_rules)
        .map_err(|e| failed("bad_number", format!("{:?}: {e}", args.number())))?;
    let at = args.at.unwrap_or_else(|| services.clock.now());
    let snapshot = calls.catalog.snapshot();
    let cap_seconds = calls.cap_seconds(&snapshot, &chain);
    let question = Question { number, at, ms: args.answered_ms(), credit: args.credit, cap_seconds };
    let rates = rates(&snapshot, &chain, &question)?;

    let mut payers = Vec::new();
    let mut text = String::new();
    let mut top_json = Value::Null;
    for (place, (account, payer)) in chain.iter().zip(&rates).enumerate() {
        // The question's credit belongs to the caller; resellers above pay from their available balance.
        let available = account.wallet.snapshot().available;
        let credit = if place == 0 { question.credit.or(Some(available)) } else { Some(available) };
        let (mut json, lines) = explain(&payer.rate, &Question { credit, ..question.clone() })?;
        add(&mut json, "login", json!(account.login));
        add(&mut json, "kind", json!(account.kind.as_str()));
        add(&mut json, "available", json!(available.to_string()));
        add(&mut json, "plan_versions", json!(payer.versions.plan_version_ids));
        add(&mut json, "tariff_version", json!(payer.versions.tariff_version_id));
        if place == 0 {
            top_json = json.clone();
        }
        payers.push(json);
        text.push_str(&format!("{} {}:\n  {}\n", account.kind.as_str(), account.login, indented(&lines)));
    }
    let refusals = refusals(&chain, &rates, &question);
    let funded =
        payers.iter().filter_map(|payer| payer.get("max_seconds").and_then(Value::as_u64)).min().unwrap_or(0);
    let (routes, left_out, lines) = carriers(calls, &snapshot, &chain, &rates, &question, funded)?;
    text.push_str(&lines);
    let refused = refusals.first().copied().or_else(|| routes.is_empty().then_some(Reason::NoRoute));
    match refused {
        Some(reason) => text.push_str(&format!("would be refused: {}", reason.as_str())),
        None => text.push_str(&format!("would be granted for {funded} s")),
    }
    let mut json = top_json;
    add(&mut json, "payers", Value::Array(payers));
    add(&mut json, "routes", Value::Array(routes));
    add(&mut json, "left_out", Value::Array(left_out));
    add(&mut json, "funded_seconds", json!(funded));
    add(&mut json, "refused", json!(refused.map(Reason::as_str)));
    Ok(Answer::new(json, text))
}

/// Returns every payer's rate, including blocked ones: they are shown with the reason for refusal.
fn rates(
    snapshot: &Snapshot,
    chain: &[Arc<Account>],
    question: &Question,
) -> Result<Vec<PayerRate>, Failure> {
    chain
        .iter()
        .map(|account| {
            let no_rate = |why: String| {
                let message = format!("{}: no rate for {}: {why}", account.login, question.number);
                Failure::new(Reason::NoRate.as_str(), message)
            };
            let plan_id = account.settings().plan_id;
            let plan = snapshot.plan(plan_id).ok_or_else(|| {
                let why = snapshot.broken_plan(plan_id).map(ToString::to_string);
                no_rate(why.unwrap_or_else(|| "its plan has no prices".to_owned()))
            })?;
            let rate = plan.priced.rate(question.number, question.at).map_err(|e| no_rate(e.to_string()))?;
            let versions = TicketPayer {
                account_id: account.id,
                tariff_version_id: plan.tariff_version_id,
                plan_version_ids: plan.plan_version_ids.clone(),
            };
            Ok(PayerRate { versions, rate, at: question.at })
        })
        .collect()
}

/// Lists the reasons why authorization would refuse the call, in the order of its checks.
fn refusals(chain: &[Arc<Account>], rates: &[PayerRate], question: &Question) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if chain.iter().any(|account| !account.settings().active) {
        reasons.push(Reason::Inactive);
    }
    let blocked = |(account, payer): (&Arc<Account>, &PayerRate)| {
        let settings = account.settings();
        settings.blocks(question.number)
            || payer.rate.is_blocked()
            || settings.is_too_dear(payer.rate.dearest_price_per_minute())
    };
    if chain.iter().zip(rates).any(blocked) {
        reasons.push(Reason::Blocked);
    }
    for (place, (account, payer)) in chain.iter().zip(rates).enumerate() {
        let credit = match question.credit {
            Some(credit) if place == 0 => credit,
            _ => available(&account.wallet),
        };
        if max_seconds(&payer.rate, credit, question) == 0 {
            reasons.push(if place == 0 { Reason::NoCredit } else { Reason::NoWholesaleCredit });
        }
    }
    reasons
}

fn available(wallet: &Wallet) -> Money {
    wallet.snapshot().available
}

fn max_seconds(rate: &CallRate, credit: Money, question: &Question) -> u32 {
    rate.max_seconds(credit, question.cap_seconds, tollgate_rating::AnswerRange::at(question.at))
}

fn carriers(
    calls: &Calls,
    snapshot: &Snapshot,
    chain: &[Arc<Account>],
    rates: &[PayerRate],
    question: &Question,
    funded: u64,
) -> Result<(Vec<Value>, Vec<Value>, String), Failure> {
    let Some(top) = rates.last() else { return Ok((Vec::new(), Vec::new(), String::new())) };
    // Routes are useful even without credit: evaluated as if the call lasted to its caps.
    let seconds = if funded == 0 { question.cap_seconds } else { u32::try_from(funded).unwrap_or(u32::MAX) };
    let request = calls.route_request(chain, question.number, top, seconds);
    let (used, left_out) =
        lcr::explain(snapshot, question.number, question.at, |_, bought| request.is_worth_it(bought));
    let mut text = String::new();
    let mut routes = Vec::new();
    for route in used.iter().take(calls.settings.max_routes) {
        let (mut json, lines) = explain(&route.rate, &Question { credit: None, ..question.clone() })?;
        let dial = route.trunk.dial_string(question.number);
        text.push_str(&format!("route {} ({dial}):\n  {}\n", route.trunk.name, indented(&lines)));
        add(&mut json, "trunk", json!(route.trunk.name));
        add(&mut json, "dial", json!(dial));
        routes.push(json);
    }
    let mut others = Vec::new();
    for (trunk, why) in left_out {
        text.push_str(&format!("not over {}: {why}\n", trunk.name));
        others.push(json!({ "trunk": trunk.name, "reason": why.to_string() }));
    }
    Ok((routes, others, text))
}

fn add(json: &mut Value, key: &str, value: Value) {
    if let Some(map) = json.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

fn indented(lines: &str) -> String {
    lines.replace('\n', "\n  ")
}
