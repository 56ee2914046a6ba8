//! `tollgate esim sync | packages | price | orders | give-up | balance` and `tollgate esim-simulator`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate_rating::Money;

use super::answer::{Answer, Failure, Outcome};
use crate::esim::catalogue::Package;
use crate::esim::price::{Prices, Unsold, upstream_amount};
use crate::esim::{self as sale, Esim, SyncError, orders};
use crate::store::StoreError;
use crate::store::esim::EsimPrice;
use crate::store::esim_orders::{EsimOrder, EsimStatus};

/// Maximum number of orders listed.
const LISTED: i64 = 200;

/// `tollgate esim …`
#[derive(Debug, Subcommand)]
pub enum EsimCommand {
    /// Read the upstream's catalogue now
    Sync,
    /// List packages with their cost, their prices, and the reason if they are not sold
    Packages {
        /// Words that must all occur in a package's name, code or countries
        #[arg(value_name = "WORDS")]
        q: Vec<String>,
        /// List only packages that cannot be bought
        #[arg(long)]
        unsold: bool,
        /// Maximum number of packages
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
    },
    /// Fix the prices of a package, or let them follow its cost again
    Price(PriceArgs),
    /// List orders, newest first
    Orders {
        /// List only pending orders without an eSIM from the upstream after `esim.stuck_minutes`
        #[arg(long)]
        stuck: bool,
        /// List only orders of one status, such as FAILED
        #[arg(long, value_name = "STATUS", value_parser = status, conflicts_with = "stuck")]
        status: Option<EsimStatus>,
    },
    /// Fail a pending order that the upstream reports as unknown, and release its hold
    GiveUp {
        /// Id of the order
        order: i64,
    },
    /// Show the operator's balance at the upstream
    Balance,
}

/// `tollgate esim price …`
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["client", "reseller", "remove"])))]
pub struct PriceArgs {
    /// Code of the package
    pub package: String,
    /// Price for clients
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub client: Option<Money>,
    /// Price for resellers
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub reseller: Option<Money>,
    /// Allow a price below the cost
    #[arg(long)]
    pub allow_loss: bool,
    /// Let both prices follow the cost again
    #[arg(long, conflicts_with_all = ["client", "reseller", "allow_loss"])]
    pub remove: bool,
}

fn amount(text: &str) -> Result<Money, String> {
    let amount = Money::parse(text).map_err(|error| error.to_string())?;
    if amount > Money::ZERO { Ok(amount) } else { Err("it must be above 0".to_owned()) }
}

fn status(text: &str) -> Result<EsimStatus, String> {
    EsimStatus::parse(&text.to_ascii_uppercase()).ok_or_else(|| {
        let all: Vec<_> = EsimStatus::ALL.into_iter().map(EsimStatus::as_str).collect();
        format!("one of {}", all.join(", "))
    })
}

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        let code = match error {
            SyncError::Off => "not_offered",
            SyncError::Upstream(_) | SyncError::Empty => "upstream",
            SyncError::Store(_) => "database",
        };
        Self::new(code, error.to_string())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn database(error: StoreError) -> Failure {
    Failure::new("database", error.to_string())
}

/// Runs an eSIM command.
pub async fn run(esim: &Esim, command: EsimCommand) -> Outcome {
    match command {
        EsimCommand::Sync => sync(esim).await,
        EsimCommand::Packages { q, unsold, limit } => packages(esim, &q.join(" "), unsold, limit).await,
        EsimCommand::Price(args) => price(esim, args).await,
        EsimCommand::Orders { stuck, status } => list(esim, stuck, status).await,
        EsimCommand::GiveUp { order } => give_up(esim, order).await,
        EsimCommand::Balance => balance(esim).await,
    }
}

async fn sync(esim: &Esim) -> Outcome {
    let synced = sale::sync(esim).await?;
    let snapshot = esim.snapshot().await.map_err(database)?;
    let rates = sale::rates(esim).await.map_err(database)?;
    let markups = sale::markups(&esim.services.config);
    let without_rate = snapshot
        .packages()
        .filter(|package| snapshot.prices(package, &rates, markups) == Err(Unsold::NoRate))
        .count();
    let mut text = format!(
        "{} packages are listed, {} of them new or changed; {} are not listed any more",
        synced.listed, synced.changed, synced.gone
    );
    if without_rate > 0 {
        let _ = write!(
            text,
            "\n{without_rate} are not sold: there is no exchange rate into {} (tollgate fx set USD {} RATE)",
            esim.services.currency(),
            esim.services.currency()
        );
    }
    let json = json!({
        "listed": synced.listed, "changed": synced.changed, "gone": synced.gone, "without_rate": without_rate,
    });
    Ok(Answer::new(json, text))
}

/// Formats a package's prices for output.
fn package_json(package: &Package, prices: Result<Prices, Unsold>, fixed: Option<&EsimPrice>) -> Value {
    let text = |price: Result<Money, Unsold>| price.ok().map(|price| price.to_string());
    let side = |pick: fn(Prices) -> Result<Money, Unsold>| prices.and_then(pick);
    let (client, reseller) = (side(|prices| prices.client), side(|prices| prices.reseller));
    let direct = side(|prices| prices.direct);
    let why = direct.err().or(client.err()).or(reseller.err()).map(|reason| reason.to_string());
    json!({
        "package_code": package.row.code, "slug": package.row.slug, "name": package.row.name,
        "upstream_price": upstream_amount(package.row.price_e4).map(|amount| amount.to_string()),
        "upstream_currency": package.row.currency,
        "cost": text(prices.map(|prices| prices.cost)), "reseller": text(reseller), "client": text(client),
        "direct_client": text(direct),
        "fixed": fixed.is_some(), "allow_loss": fixed.is_some_and(|fixed| fixed.allow_loss), "unsold": why,
    })
}

async fn packages(esim: &Esim, q: &str, unsold: bool, limit: usize) -> Outcome {
    let snapshot = esim.snapshot().await.map_err(database)?;
    let rates = sale::rates(esim).await.map_err(database)?;
    let markups = sale::markups(&esim.services.config);
    let rows: Vec<Value> = snapshot
        .matching(q)
        .map(|package| {
            let prices = snapshot.prices(package, &rates, markups);
            package_json(package, prices, snapshot.fixed(&package.row.code))
        })
        .filter(|row| !unsold || !row["unsold"].is_null())
        .collect();
    let total = rows.len();
    let shown: Vec<Value> = rows.into_iter().take(limit).collect();
    let mut text = format!("{:<12} {:>10} {:>10} {:>10} name", "code", "cost", "reseller", "client");
    for row in &shown {
        let word = |field: &str| row[field].as_str().unwrap_or("-").to_owned();
        let _ = write!(
            text,
            "\n{:<12} {:>10} {:>10} {:>10} {}",
            word("package_code"),
            word("cost"),
            word("reseller"),
            word("client"),
            word("name")
        );
        if let Some(reason) = row["unsold"].as_str() {
            let _ = write!(text, " (not sold: {reason})");
        }
    }
    let _ = write!(text, "\n{} of {total}, in {}", shown.len(), esim.services.currency());
    Ok(Answer::new(json!({ "packages": shown, "total": total, "currency": esim.services.currency() }), text))
}

async fn price(esim: &Esim, args: PriceArgs) -> Outcome {
    let snapshot = esim.snapshot().await.map_err(database)?;
    let Some(package) = snapshot.package(&args.package) else {
        return Err(Failure::new("not_found", format!("there is no package {}", args.package)));
    };
    let code = package.row.code.clone();
    let rates = sale::rates(esim).await.map_err(database)?;
    let markups = sale::markups(&esim.services.config);
    if args.remove {
        let mut tx = esim.services.store.begin().await.map_err(database)?;
        tx.catalog_ids(0).await.map_err(database)?;
        let was_fixed = tx.delete_esim_price(&code).await.map_err(database)?;
        tx.commit().await.map_err(database)?;
        if !was_fixed {
            return Err(Failure::new("not_found", format!("{code} has no price of its own")));
        }
    } else {
        // Omitted values keep their earlier fixed price.
        let before = snapshot.fixed(&code);
        let rule = EsimPrice {
            package_code: code.clone(),
            client: args.client.or(before.and_then(|before| before.client)),
            reseller: args.reseller.or(before.and_then(|before| before.reseller)),
            allow_loss: args.allow_loss,
        };
        if let Ok(prices) = snapshot.prices_with(package, &rates, markups, Some(&rule))
            && [prices.client, prices.direct, prices.reseller].contains(&Err(Unsold::BelowCost))
        {
            let message = format!(
                "{code} costs {} {}; a client's price must not be below a reseller's either: say --allow-loss to \
                 sell it all the same",
                prices.cost,
                esim.services.currency()
            );
            return Err(Failure::new("below_cost", message));
        }
        let mut tx = esim.services.store.begin().await.map_err(database)?;
        tx.catalog_ids(0).await.map_err(database)?;
        tx.put_esim_price(&rule, esim.services.clock.now()).await.map_err(database)?;
        tx.commit().await.map_err(database)?;
    }
    esim.reload().await.map_err(database)?;
    let snapshot = esim.snapshot().await.map_err(database)?;
    let Some(package) = snapshot.package(&code) else {
        return Err(Failure::new("not_found", format!("there is no package {code}")));
    };
    let row = package_json(package, snapshot.prices(package, &rates, markups), snapshot.fixed(&code));
    let word = |field: &str| row[field].as_str().unwrap_or("not sold").to_owned();
    let text = format!(
        "{code} costs {}; resellers pay {}, clients {}",
        word("cost"),
        word("reseller"),
        word("client")
    );
    Ok(Answer::new(row, text))
}

fn order_json(esim: &Esim, order: &EsimOrder) -> Value {
    let login = esim
        .services
        .memory_if_loaded()
        .and_then(|calls| calls.directory.account(order.new.account_id))
        .map(|account| account.login.clone());
    json!({
        "order_id": order.new.id, "account_id": order.new.account_id, "login": login,
        "package_code": order.new.package_code, "package_name": order.new.package_name,
        "price": order.new.price.to_string(), "currency": order.new.currency, "status": order.status.as_str(),
        "reason": order.reason, "transaction_id": order.new.transaction_id, "order_no": order.order_no,
        "iccid": order.iccid, "created_at": order.new.created_at.to_string(),
    })
}

async fn list(esim: &Esim, stuck: bool, status: Option<EsimStatus>) -> Outcome {
    let now = esim.services.clock.now();
    let (status, until) = if stuck {
        let minutes = i64::from(esim.services.config.esim.stuck_minutes);
        let until = now.checked_sub(SignedDuration::from_mins(minutes)).unwrap_or(now);
        (Some(EsimStatus::Pending), until)
    } else {
        (status, now)
    };
    let orders = esim.services.store.esim_orders_page(status, until, LISTED).await.map_err(database)?;
    let mut text = format!("{:>8} {:<10} {:<12} {:>10} made", "order", "status", "package", "price");
    for order in &orders {
        let _ = write!(
            text,
            "\n{:>8} {:<10} {:<12} {:>10} {:.0}",
            order.new.id,
            order.status.as_str(),
            order.new.package_code,
            order.new.price.to_string(),
            order.new.created_at
        );
        // The reference that finds the order in the upstream's console.
        let login = order_json(esim, order)["login"].as_str().unwrap_or_default().to_owned();
        let _ = write!(text, " for {login}, transaction {}", order.new.transaction_id);
        if let Some(order_no) = &order.order_no {
            let _ = write!(text, ", upstream order {order_no}");
        }
        if let Some(reason) = &order.reason {
            let _ = write!(text, " ({reason})");
        }
    }
    let rows: Vec<Value> = orders.iter().map(|order| order_json(esim, order)).collect();
    Ok(Answer::new(json!({ "orders": rows }), text))
}

async fn give_up(esim: &Esim, id: i64) -> Outcome {
    let ended = orders::give_up(esim, id).await.map_err(|error| Failure::new("failed", error.to_string()))?;
    match ended {
        None => Err(Failure::new("not_found", format!("there is no order {id}"))),
        Some(order) if order.status == EsimStatus::Failed => Ok(Answer::new(
            order_json(esim, &order),
            format!("order {id} has failed; what was held is given back"),
        )),
        Some(order) => Err(Failure::new("not_pending", format!("order {id} is {}", order.status.as_str()))),
    }
}

async fn balance(esim: &Esim) -> Outcome {
    let asked = match esim.upstream().await {
        Ok(upstream) => upstream.fetch_balance().await,
        Err(error) => Err(error),
    };
    let balance = asked.map_err(|error| Failure::new("upstream", error.to_string()))?;
    let amount = upstream_amount(balance.amount_e4);
    let text = amount.map_or_else(|| balance.amount_e4.to_string(), |amount| amount.to_string());
    let currency = balance.currency;
    Ok(Answer::new(
        json!({ "balance": text, "currency": currency }),
        format!("{text} {currency} at the eSIM upstream"),
    ))
}
