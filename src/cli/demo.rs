//! `tollgate demo`: a complete system on this machine, with one sample call.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tollgate_rating::Money;

use super::call::{self, CallArgs, PlayedCall};
use crate::accounts::clients;
use crate::accounts::clients::NewClient;
use crate::accounts::keys;
use crate::accounts::ops::{self, NewReseller};
use crate::app::node::Node;
use crate::catalog::TariffKind;
use crate::catalog::admin::fx;
use crate::catalog::admin::plans::{self, Basis, PlanSpec};
use crate::catalog::admin::tariffs::{self, Import};
use crate::catalog::admin::trunks::{self, TrunkSpec};
use crate::catalog::deck::ColumnMap;
use crate::clock::{Clock, SkippingClock};
use crate::commands::answer::{Answer, Failure, Outcome};
use crate::commands::catalog::wallet_currency;
use crate::config::{Config, EsimKind, SmsProvider};
use crate::ledger::CallKey;
use crate::services::Services;
use crate::store::cdr_view::{CdrPayerView, CdrView};

const WHOLESALE_DECK: &str = include_str!("../../decks/world-wholesale.csv");
const CARRIER_A_DECK: &str = include_str!("../../decks/world-carrier-a.csv");
const CARRIER_B_DECK: &str = include_str!("../../decks/world-carrier-b.csv");
const SMS_DECK: &str = include_str!("../../decks/world-sms.csv");
const RESELLER: &str = "acme";
const CLIENT: &str = "1001";
/// A Berlin number that is not assigned.
const NUMBER: &str = "493012345678";
const TALK_SECONDS: u32 = 75;
/// Currency of the eSIM upstream.
const DOLLARS: &str = "USD";
/// Invented price of one unit of it.
const DOLLAR_RATE: &str = "0.92";

/// `tollgate demo …`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Exit after the call
    #[arg(long)]
    pub once: bool,
    /// Folder of the demo's database; `tollgate-demo` in the working directory by default (with `--once` a temporary
    /// folder)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Sets up, serves, plays a call and shows it; runs until a signal, or ends at once with `--once`.
pub async fn run(config: &Config, args: DemoArgs, json: bool) -> Outcome {
    let temporary = (args.once && args.data.is_none())
        .then(|| std::env::temp_dir().join(format!("tollgate-demo-{}", std::process::id())));
    let folder =
        args.data.clone().or_else(|| temporary.clone()).unwrap_or_else(|| PathBuf::from("tollgate-demo"));
    let outcome = play(config.clone(), &folder, args.once, json).await;
    if let Some(folder) = temporary {
        // A leftover temporary folder is harmless.
        let _ = std::fs::remove_dir_all(folder);
    }
    outcome
}

async fn play(mut config: Config, folder: &Path, once: bool, json: bool) -> Outcome {
    std::fs::create_dir_all(folder)
        .map_err(|e| Failure::new("data", format!("{} cannot be made: {e}", folder.display())))?;
    config.database.url = format!("sqlite://{}", folder.join("tollgate.db").display()).into();
    "warn".clone_into(&mut config.log.filter);
    super::system::log(&config);
    if once {
        config.fastagi.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.internal.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    }
    if config.sms.provider.is_empty() {
        config.sms.provider.push(SmsProvider::simulator("cryptosms", "CryptoSMS"));
    }
    if !config.esim.is_on() {
        config.esim.kind = EsimKind::Simulator;
    }
    let config = Arc::new(config);
    set_up(Arc::clone(&config)).await?;
    let clock = Arc::new(SkippingClock::default());
    let node = Node::start_with(Arc::clone(&config), Arc::clone(&clock) as Arc<dyn Clock>)
        .await
        .map_err(|e| Failure::new("serve", e.to_string()))?;
    let before = balances(&node.services).await?;
    let server = node.fastagi.to_string();
    let call = CallArgs {
        login: CLIENT.to_owned(),
        number: NUMBER.to_owned(),
        talk: TALK_SECONDS,
        server: None,
        caller: String::new(),
    };
    let skip = async |time| clock.skip(time);
    let played = call::play(&server, &call, &*clock, skip).await?;
    let mut shown = show(&node.services, &played, before).await?;
    let keys = keys(&node.services, folder).await?;
    shown.json["http"] = json!(node.http.to_string());
    shown.json["keys"] = json!({ "client": keys.client, "reseller": keys.reseller });
    if once {
        node.run(std::future::ready(())).await.map_err(|e| Failure::new("crashed", e.to_string()))?;
        return Ok(shown);
    }
    let text = if json {
        shown.json.to_string()
    } else {
        format!("{}\n{}", shown.text, how_to_go_on(&node, folder, &keys))
    };
    say(&text);
    let told = super::system::told_to_stop()?;
    node.run(told).await.map_err(|e| Failure::new("crashed", e.to_string()))?;
    // Everything was printed when the call was shown.
    Ok(Answer::new(serde_json::Value::Null, ""))
}

#[expect(clippy::print_stdout, reason = "the demo shows its call before it goes on serving")]
fn say(text: &str) {
    println!("{text}");
}

/// Creates the sample decks, plans, carriers, a reseller and a client with credit; does nothing if they exist.
async fn set_up(config: Arc<Config>) -> Result<(), Failure> {
    let services = Services::open(config).await?;
    let known = services.store.account_by_login(CLIENT).await;
    let known = known.map_err(|e| Failure::new("database", e.to_string()))?.is_some();
    let made = if known { Ok(()) } else { make(&services).await };
    let rated = match made {
        Ok(()) => rate_dollars(&services).await,
        Err(failure) => Err(failure),
    };
    services.close().await;
    rated
}

/// Sets an invented exchange rate, so that eSIM plans, which cost dollars, can be sold.
async fn rate_dollars(services: &Services) -> Result<(), Failure> {
    let wallets = wallet_currency(services.currency())?;
    let known = fx::list(&services.store).await?;
    let is_known = known.iter().any(|line| line.base == DOLLARS && line.quote == wallets.as_str());
    if wallets.as_str() == DOLLARS || is_known {
        return Ok(());
    }
    let wrong = |_| Failure::new("demo", "the demo's exchange rate is none");
    let base = DOLLARS.parse().map_err(|_| Failure::new("demo", "dollars are no currency"))?;
    let now = services.clock.now();
    fx::set(&services.store, base, wallets, DOLLAR_RATE.parse().map_err(wrong)?, now, now).await?;
    Ok(())
}

async fn make(services: &Services) -> Result<(), Failure> {
    let now = services.clock.now();
    let wallets = wallet_currency(services.currency())?;
    for (name, kind, deck) in [
        ("world-wholesale", TariffKind::Voice, WHOLESALE_DECK),
        ("carrier-a", TariffKind::Voice, CARRIER_A_DECK),
        ("carrier-b", TariffKind::Voice, CARRIER_B_DECK),
        ("world-sms", TariffKind::Sms, SMS_DECK),
    ] {
        let import = Import {
            name: name.to_owned(),
            kind,
            currency: None,
            columns: ColumnMap::default(),
            dry_run: false,
        };
        tariffs::import(&services.store, &*services.clock, wallets, deck.as_bytes(), import).await?;
    }
    let wholesale = PlanSpec {
        sms_tariff: Some("world-sms".to_owned()),
        ..PlanSpec::new("WHOLESALE", Basis::Tariff("world-wholesale".to_owned()))
    };
    plans::create(&services.store, &wholesale, now).await?;
    let markup = "20".parse().map_err(|_| Failure::new("demo", "20 is no markup"))?;
    let retail = PlanSpec::new("RETAIL", Basis::Plan { name: "WHOLESALE".to_owned(), markup });
    plans::create(&services.store, &retail, now).await?;
    for name in ["carrier-a", "carrier-b"] {
        let mut trunk = TrunkSpec::new(name, name, name);
        trunk.host = Some("127.0.0.1".to_owned());
        trunks::create(&services.store, &trunk, now).await?;
    }
    let reseller = NewReseller {
        login: RESELLER.to_owned(),
        plan: "WHOLESALE".to_owned(),
        parent: None,
        credit_limit: None,
    };
    ops::create_reseller(services, reseller).await?;
    let client = NewClient {
        login: Some(CLIENT.to_owned()),
        reseller: Some(RESELLER.to_owned()),
        plan: "RETAIL".to_owned(),
        credit_limit: None,
    };
    clients::create_client(services, client).await?;
    let euros = |units: i64| Money::from_nanos(units * tollgate_rating::money::NANOS_PER_UNIT);
    ops::credit(services, RESELLER, euros(100), "demo").await?;
    ops::credit(services, CLIENT, euros(10), "demo").await?;
    Ok(())
}

/// The demo's API keys.
#[derive(Serialize, Deserialize)]
struct DemoKeys {
    client: String,
    reseller: String,
}

/// Returns the keys of the client and the reseller, created once and stored beside the demo's database.
async fn keys(services: &Services, folder: &Path) -> Result<DemoKeys, Failure> {
    let file = folder.join("keys.json");
    let failed = |e: std::io::Error| Failure::new("data", format!("{} cannot be used: {e}", file.display()));
    if let Ok(text) = std::fs::read_to_string(&file)
        && let Ok(kept) = serde_json::from_str(&text)
    {
        return Ok(kept);
    }
    let client = keys::create(services, CLIENT, false).await?.key;
    let reseller = keys::create(services, RESELLER, false).await?.key;
    let made = DemoKeys { client, reseller };
    let text = serde_json::to_string(&made).map_err(|e| Failure::new("data", e.to_string()))?;
    let mut options = std::fs::OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&file).map_err(failed)?;
    out.write_all(text.as_bytes()).map_err(failed)?;
    Ok(made)
}

/// Returns the balances of the client and the reseller.
async fn balances(services: &Services) -> Result<(Money, Money), Failure> {
    let client = ops::show(services, CLIENT).await?.balance;
    let reseller = ops::show(services, RESELLER).await?.balance;
    Ok((client, reseller))
}

async fn show(services: &Services, played: &PlayedCall, before: (Money, Money)) -> Outcome {
    let status = played.authorize.variable("TG_STATUS").unwrap_or("no answer");
    if status != "ALLOW" {
        let reason = played.authorize.variable("TG_REASON").unwrap_or(status);
        return Err(Failure::new(reason, format!("the demo's call is refused: {reason}")));
    }
    let token = played.authorize.variable("TG_TOKEN").unwrap_or_default();
    let key = CallKey { server: call::SERVER_NAME.to_owned(), unique_id: token.to_owned(), leg: 1 };
    let record =
        services.store.call_record(&key).await.map_err(|e| Failure::new("database", e.to_string()))?;
    let Some((cdr, payers)) = record else {
        return Err(Failure::new("not_settled", "the demo's call is not in the book"));
    };
    let [client, reseller] = payers.as_slice() else {
        return Err(Failure::new("not_settled", "the demo's call has not two payers"));
    };
    let after = balances(services).await?;
    let variable = |name: &str| played.authorize.variable(name).unwrap_or_default().to_owned();
    let text = lines(&cdr, client, reseller, &variable, before, after, services.currency());
    let payer = |payer: &CdrPayerView, before: Money, after: Money| {
        json!({
            "prefix": payer.prefix,
            "price_per_minute": payer.price.map(|p| Money::from_nanos(p).to_string()),
            "billed_seconds": payer.billed_seconds,
            "charge": Money::from_nanos(payer.charge).to_string(),
            "balance_before": before.to_string(),
            "balance_after": after.to_string(),
        })
    };
    let json = json!({
        "number": cdr.number,
        "destination": cdr.destination,
        "grant": { "talk_s": variable("TG_TALK_S"), "limit_ms": variable("TG_LIMIT_MS"), "route": variable("TG_ROUTE_1") },
        "answered_ms": cdr.answered_ms,
        "client": payer(client, before.0, after.0),
        "reseller": payer(reseller, before.1, after.1),
        "carrier": {
            "trunk": cdr.trunk_name,
            "prefix": cdr.buy_prefix,
            "price_per_minute": cdr.buy_price.map(|p| Money::from_nanos(p).to_string()),
            "billed_seconds": cdr.buy_billed_seconds,
            "cost": cdr.buy_cost.map(|p| Money::from_nanos(p).to_string()),
        },
        "margin": Money::from_nanos(cdr.margin).to_string(),
        "settled": played.settle.as_ref().and_then(|s| s.variable("TG_SETTLED")) == Some("1"),
    });
    Ok(Answer::new(json, text))
}

fn lines(
    cdr: &CdrView,
    client: &CdrPayerView,
    reseller: &CdrPayerView,
    variable: &impl Fn(&str) -> String,
    before: (Money, Money),
    after: (Money, Money),
    currency: &str,
) -> String {
    let money = |nanos: i64| Money::from_nanos(nanos).to_string();
    let price = |nanos: Option<i64>| nanos.map_or_else(|| "-".to_owned(), money);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |who: &str, prefix: &Option<String>, per_minute, billed: i64, cost: i64| {
        format!(
            "  {who:<22} prefix {:<8} {:>10} a minute  {billed:>4} s billed  {:>12} {currency}",
            text(prefix),
            price(per_minute),
            money(cost)
        )
    };
    let change = |who: &str, before: Money, after: Money| {
        format!("  {who:<22} {:>14} -> {:>14} {currency}", before.to_string(), after.to_string())
    };
    [
        "Tollgate demo: the prices are invented, the prefixes are real.".to_owned(),
        format!(
            "\nClient {CLIENT} of reseller {RESELLER} calls {} ({}).",
            text(&cdr.number),
            text(&cdr.destination)
        ),
        format!(
            "Granted before the phone rings: funded for {} s, at most {} s; held in both wallets; first route {}",
            variable("TG_TALK_S"),
            variable("TG_LIMIT_MS").parse::<u64>().unwrap_or(0) / 1_000,
            variable("TG_ROUTE_1"),
        ),
        format!("It was answered and talked {} s (the demo's clock skips them). In the ledger:\n", cdr.answered_ms / 1_000),
        row("client, retail", &client.prefix, client.price, client.billed_seconds, client.charge),
        row("reseller, wholesale", &reseller.prefix, reseller.price, reseller.billed_seconds, reseller.charge),
        row(
            &format!("{}, buying", text(&cdr.trunk_name)),
            &cdr.buy_prefix,
            cdr.buy_price,
            cdr.buy_billed_seconds.unwrap_or(0),
            cdr.buy_cost.unwrap_or(0),
        ),
        format!("  {:<75} {:>12} {currency}", "margin (wholesale - buying)", money(cdr.margin)),
        "\nBalances, before and after:".to_owned(),
        change(&format!("client {CLIENT}"), before.0, after.0),
        change(&format!("reseller {RESELLER}"), before.1, after.1),
    ]
    .join("\n")
}

fn how_to_go_on(node: &Node, folder: &Path, keys: &DemoKeys) -> String {
    let database = folder.join("tollgate.db");
    format!(
        "\nServing: FastAGI on {}, HTTP APIs on {}, health and metrics on {}. Ctrl-C ends it.\n\
         As the client:  curl -H 'X-API-Key: {}' 'http://{}/client-api/index.php?endpoint=me'\n\
         As the reseller: curl -H 'X-API-Key: {}' 'http://{}/reseller-api/index.php?endpoint=me'\n\
         Data packages (simulated): curl -H 'X-API-Key: {}' 'http://{}/esim-api/index.php?endpoint=packages&q=Europe&limit=5'\n\
         A message (simulated): curl -H 'X-API-Key: {}' -H 'Content-Type: application/json' \\\n  \
         -d '{{\"phone\":\"+491701234567\",\"message\":\"Hello\"}}' 'http://{}/sms-api/index.php?endpoint=send'\n\
         Every endpoint: http://{}/docs\n\
         An Asterisk:    README.md, \"From an empty Asterisk box to a metered call\"; this server's TG_AGI is {}.\n\
         Commands, with this program in the PATH, on this demo's book:\n  \
         export TOLLGATE_DATABASE__URL=sqlite://{}\n  \
         tollgate account show {CLIENT}\n  \
         tollgate sms price {CLIENT} 491701234567 Hello\n  \
         tollgate call {CLIENT} 447400123456 --talk 30 --server {}",
        node.fastagi,
        node.http,
        node.internal,
        keys.client,
        node.http,
        keys.reseller,
        node.http,
        keys.client,
        node.http,
        keys.client,
        node.http,
        node.http,
        node.fastagi,
        database.display(),
        node.fastagi,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_demo_charges_three_parties_and_the_balances_follow() {
        let folder = tempfile::tempdir().unwrap();
        let shown = play(Config::default(), folder.path(), true, true).await.unwrap().json;
        let amount = |path: &str| -> Money {
            let value = shown
                .pointer(path)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_else(|| panic!("{path}: {shown}"));
            Money::parse(value).unwrap()
        };
        for who in ["client", "reseller"] {
            let before = amount(&format!("/{who}/balance_before"));
            let charge = amount(&format!("/{who}/charge"));
            assert!(charge > Money::ZERO);
            assert_eq!(before.checked_sub(charge), Some(amount(&format!("/{who}/balance_after"))));
        }
        let margin = amount("/reseller/charge").checked_sub(amount("/carrier/cost")).unwrap();
        assert_eq!(margin, amount("/margin"));
        assert_eq!(shown["settled"], true);
        let key = shown["keys"]["client"].as_str().unwrap_or_default();
        assert!(key.len() >= 28, "a client's key has 160 bits or more: {key}");
        // A second run reuses everything and charges one more call.
        let again = play(Config::default(), folder.path(), true, true).await.unwrap().json;
        assert_eq!(again["client"]["balance_before"], shown["client"]["balance_after"]);
        assert_eq!(again["keys"], shown["keys"]);
    }
}
