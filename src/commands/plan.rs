//! `tollgate plan create | list | override | markup | set`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tollgate_rating::{
    Money,
    plan::{BlockRounding, DurationRounding, Markup, RoundingMode},
    prefix::Prefix,
};

use super::answer::{Answer, Failure, Outcome};
use super::catalog::refresh_catalog;
use crate::catalog::admin::plans::{self, Basis, PlanSpec};
use crate::clock::Clock;
use crate::services::Services;
use crate::store::accounts::Kind;
use crate::store::{PlanVersion, Store, from_micros};

/// `tollgate plan …`
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Create a plan from a tariff, or from another plan with a markup
    Create(Box<CreateArgs>),
    /// List the plans
    List,
    /// Set or remove a plan's own price for a prefix
    Override {
        /// Name of the plan
        name: String,
        /// Prefix in international digits
        prefix: Prefix,
        /// Price per minute, or `none` to remove it
        #[arg(value_name = "PRICE|none")]
        price: String,
    },
    /// Change the markup of a plan derived from another plan
    Markup {
        /// Name of the plan
        name: String,
        /// Markup in percent, at most four decimals
        percent: Markup,
    },
    /// Change how a plan prices messages
    #[command(group(clap::ArgGroup::new("change").required(true).args(["sms_tariff", "no_sms_tariff"])))]
    Set {
        /// Name of the plan
        name: String,
        /// Message tariff sold unchanged
        #[arg(long, value_name = "TARIFF")]
        sms_tariff: Option<String>,
        /// Remove the plan's own message tariff: use the base plan's with its markup, if it has one
        #[arg(long)]
        no_sms_tariff: bool,
    },
}

/// `tollgate plan create …`; an omitted option uses the base plan's value.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("basis").required(true).args(["tariff", "base"])))]
pub struct CreateArgs {
    /// Name of the plan
    pub name: String,
    /// Tariff sold unchanged
    #[arg(long)]
    pub tariff: Option<String>,
    /// Base plan whose prices are marked up
    #[arg(long, value_name = "PLAN", requires = "markup")]
    pub base: Option<String>,
    /// Markup in percent on the base plan's prices
    #[arg(long, value_name = "PERCENT", requires = "base", conflicts_with = "tariff")]
    pub markup: Option<Markup>,
    /// Rounding of charges: up, half-up, half-even, down
    #[arg(long)]
    pub rounding: Option<RoundingMode>,
    /// Number of decimals of charges
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub decimals: Option<u8>,
    /// Rounding of milliseconds to seconds: up, down, half-up
    #[arg(long)]
    pub duration_rounding: Option<DurationRounding>,
    /// Duration rounded to the increment: `after_initial` (the remainder) or `whole` (the whole call)
    #[arg(long)]
    pub block_rounding: Option<BlockRounding>,
    /// Time zone of time windows, dates and the spending day
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// Maximum duration of a call
    #[arg(long, value_name = "SECONDS")]
    pub max_call_seconds: Option<u32>,
    /// Let clients of the plan's owner choose it themselves
    #[arg(long)]
    pub signup: bool,
    /// Initial credit of a new client on this plan
    #[arg(long, value_name = "AMOUNT")]
    pub initial_credit: Option<String>,
    /// Maximum number of plans an agent on this plan may own
    #[arg(long, value_name = "N")]
    pub tariff_limit: Option<u32>,
    /// Message tariff sold unchanged; by default the base plan's with its markup
    #[arg(long, value_name = "TARIFF")]
    pub sms_tariff: Option<String>,
    /// Reseller that owns the plan
    #[arg(long, value_name = "RESELLER")]
    pub owner: Option<String>,
}

/// Runs a plan command.
pub async fn run(services: &Services, command: PlanCommand) -> Outcome {
    let owner_id = match &command {
        PlanCommand::Create(args) => match &args.owner {
            Some(login) => Some(reseller_id(&services.store, login).await?),
            None => None,
        },
        _ => None,
    };
    let outcome = run_on(&services.store, &*services.clock, owner_id, command).await;
    refresh_catalog(services).await;
    outcome
}

async fn reseller_id(store: &Store, login: &str) -> Result<i64, Failure> {
    let account = store
        .account_by_login(login)
        .await
        .map_err(|error| Failure::new("unavailable", error.to_string()))?;
    account
        .filter(|account| account.kind == Kind::Reseller)
        .map(|account| account.id)
        .ok_or_else(|| Failure::new("not_found", format!("there is no reseller {login:?}")))
}

async fn run_on(store: &Store, clock: &dyn Clock, owner_id: Option<i64>, command: PlanCommand) -> Outcome {
    let now = clock.now();
    match command {
        PlanCommand::Create(args) => {
            let spec = spec(*args, owner_id)?;
            let plan = plans::create(store, &spec, now).await?;
            Ok(Answer::new(plan_json(&plan, None), format!("plan {} made (id {})", plan.name, plan.plan_id)))
        }
        PlanCommand::List => list(store).await,
        PlanCommand::Override { name, prefix, price } => {
            let own = match price.as_str() {
                "none" => None,
                text => Some(amount("PRICE", text)?),
            };
            let plan = plans::set_override(store, &name, prefix, own, now).await?;
            let text = match own {
                Some(price) => format!("{name} sells {prefix} at {price} a minute from the next call on"),
                None => format!("{name} sells {prefix} at its usual price from the next call on"),
            };
            let mut json = plan_json(&plan, None);
            if let Some(map) = json.as_object_mut() {
                map.insert("prefix".to_owned(), json!(prefix.to_string()));
                map.insert("price_per_minute".to_owned(), json!(own.map(|price| price.to_string())));
            }
            Ok(Answer::new(json, text))
        }
        PlanCommand::Set { name, sms_tariff, .. } => {
            let plan = plans::set_sms_tariff(store, &name, sms_tariff.as_deref(), now).await?;
            let text = match sms_tariff {
                Some(tariff) => format!("{name} sells messages by {tariff} from the next one on"),
                None => format!("{name} has no tariff for messages of its own from the next one on"),
            };
            Ok(Answer::new(plan_json(&plan, None), text))
        }
        PlanCommand::Markup { name, percent } => {
            let plan = plans::set_markup(store, &name, percent, now).await?.plan;
            let text = format!("{name} adds {percent} % from the next call on");
            Ok(Answer::new(plan_json(&plan, None), text))
        }
    }
}

/// Parses a non-negative amount of the command line.
pub(super) fn amount(field: &'static str, text: &str) -> Result<Money, Failure> {
    Money::parse_non_negative(text).map_err(|error| {
        let mut failure = Failure::new("invalid", format!("{field}: {error}"));
        failure.details = Some(json!({ "field": field }));
        failure
    })
}

fn spec(args: CreateArgs, owner_id: Option<i64>) -> Result<PlanSpec, Failure> {
    let basis = match (args.tariff, args.base, args.markup) {
        (Some(tariff), _, _) => Basis::Tariff(tariff),
        (None, Some(name), markup) => Basis::Plan { name, markup: markup.unwrap_or(Markup::NONE) },
        (None, None, _) => return Err(Failure::new("bad_usage", "a plan needs --tariff or --base")),
    };
    let initial_credit =
        args.initial_credit.as_deref().map(|text| amount("initial_credit", text)).transpose()?;
    Ok(PlanSpec {
        rounding: args.rounding,
        decimals: args.decimals,
        duration_rounding: args.duration_rounding,
        block_rounding: args.block_rounding,
        zone: args.zone,
        max_call_seconds: args.max_call_seconds,
        signup: args.signup,
        initial_credit: initial_credit.unwrap_or(Money::ZERO),
        tariff_limit: args.tariff_limit,
        sms_tariff: args.sms_tariff,
        owner_id,
        ..PlanSpec::new(&args.name, basis)
    })
}

fn percent(plan: &PlanVersion) -> String {
    let markup = u32::try_from(plan.markup_millionths).ok().and_then(Markup::from_millionths);
    markup.map_or_else(String::new, |markup| markup.to_string())
}

fn plan_json(plan: &PlanVersion, below: Option<&str>) -> Value {
    let mut json = json!({
        "id": plan.plan_id, "name": plan.name, "version": plan.number, "version_id": plan.version_id,
        "owner_id": plan.owner_id, "tariff_id": plan.tariff_id, "base_plan_id": plan.base_plan_id,
        "markup": plan.base_plan_id.map(|_| percent(plan)),
        "rounding": plan.rounding, "decimals": plan.decimals, "duration_rounding": plan.duration_rounding,
        "block_rounding": plan.block_rounding, "zone": plan.zone, "max_call_seconds": plan.max_call_seconds,
        "signup": plan.signup, "initial_credit": Money::from_nanos(plan.initial_credit).to_string(),
        "tariff_limit": plan.tariff_limit, "sms_tariff_id": plan.sms_tariff_id, "published_at": from_micros(plan.created_at).to_string(),
    });
    if let (Some(map), Some(below)) = (json.as_object_mut(), below) {
        let key = if plan.tariff_id.is_some() { "tariff" } else { "base" };
        map.insert(key.to_owned(), json!(below));
    }
    json
}

async fn list(store: &Store) -> Outcome {
    let plans = plans::list(store).await?;
    let tariffs = store.current_tariffs().await.map_err(crate::catalog::admin::AdminError::from)?;
    let mut text = format!("{:<24} {:>7} {:<32} signup", "name", "version", "sells");
    let mut listed = Vec::with_capacity(plans.len());
    for plan in &plans {
        let tariff =
            tariffs.iter().find(|it| Some(it.tariff_id) == plan.tariff_id).map(|it| it.name.as_str());
        let base = plans.iter().find(|it| Some(it.plan_id) == plan.base_plan_id).map(|it| it.name.as_str());
        let below = tariff.or(base).unwrap_or_default();
        let sells = match plan.base_plan_id {
            Some(_) => format!("plan {below} + {} %", percent(plan)),
            None => format!("tariff {below}"),
        };
        let messages =
            tariffs.iter().find(|it| Some(it.tariff_id) == plan.sms_tariff_id).map(|it| it.name.as_str());
        let sells = messages.map_or_else(|| sells.clone(), |name| format!("{sells}, messages {name}"));
        let signup = if plan.signup { "yes" } else { "no" };
        let _ = write!(text, "\n{:<24} {:>7} {sells:<32} {signup}", plan.name, plan.number);
        let mut json = plan_json(plan, Some(below));
        json["sms_tariff"] = json!(messages);
        listed.push(json);
    }
    Ok(Answer::new(json!({ "plans": listed }), text))
}
