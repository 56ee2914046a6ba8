//! `tollgate reseller | client | account | credit`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tollgate_rating::Money;

use super::answer::{Answer, Failure, Outcome};
use super::secret_input::PasswordInput;
use crate::accounts::clients;
use crate::accounts::clients::NewClient;
use crate::accounts::credentials::{self, CredentialError};
use crate::accounts::credit::{self, CreditOrder, Credited};
use crate::accounts::ops::{self, AccountChange, AccountView, NewReseller, OpsError};
use crate::services::Services;

/// `tollgate reseller …`
#[derive(Debug, Subcommand)]
pub enum ResellerCommand {
    /// Create a reseller
    Create {
        /// Login of the reseller
        login: String,
        /// Wholesale plan that prices its calls
        #[arg(long)]
        plan: String,
        /// Parent reseller
        #[arg(long)]
        parent: Option<String>,
        /// Credit limit: how far below zero its balance may go
        #[arg(long, value_name = "AMOUNT")]
        credit_limit: Option<String>,
    },
}

/// `tollgate client …`
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Create a client and its main SIP account
    Create {
        /// Login of the client; a random one of 7 to 9 digits by default
        login: Option<String>,
        /// Reseller the client belongs to; a direct client of the operator by default
        #[arg(long)]
        reseller: Option<String>,
        /// Retail plan that prices its calls
        #[arg(long)]
        plan: String,
        /// Credit limit: how far below zero its balance may go
        #[arg(long, value_name = "AMOUNT")]
        credit_limit: Option<String>,
    },
}

/// `tollgate account …`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Show an account, its balance and its limits
    Show {
        /// Login of the account
        login: String,
    },
    /// Set a new password for an account, used to log in to portals and the API
    Password {
        /// Login of the account
        login: String,
        /// The source of the password.
        #[command(flatten)]
        password: PasswordInput,
    },
    /// Change the settings of an account
    Set(Box<SetArgs>),
}

/// `tollgate account set …`; an omitted option keeps its value, `none` removes a limit.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Login of the account
    pub login: String,
    /// Allow or forbid calls
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub active: Option<bool>,
    /// Credit limit: how far below zero its balance may go
    #[arg(long, value_name = "AMOUNT")]
    pub credit_limit: Option<String>,
    /// Maximum concurrent calls
    #[arg(long, value_name = "N|none")]
    pub max_calls: Option<String>,
    /// Maximum new calls per second
    #[arg(long, value_name = "N|none")]
    pub cps: Option<String>,
    /// Maximum spend per day
    #[arg(long, value_name = "AMOUNT|none")]
    pub daily_spend: Option<String>,
    /// Highest price per minute the account may call
    #[arg(long, value_name = "AMOUNT|none")]
    pub max_price: Option<String>,
    /// Maximum duration of a call in seconds
    #[arg(long, value_name = "N|none")]
    pub max_call_seconds: Option<String>,
    /// Blocked prefix (repeatable); replaces the whole list, `none` clears it
    #[arg(long, value_name = "PREFIX")]
    pub block: Vec<String>,
    /// Caller number its calls present
    #[arg(long, value_name = "NUMBER|none")]
    pub callerid: Option<String>,
    /// Rewrite rules for the number formats its phones dial, for example `00=>,0=>49`; replaces the whole list, `none`
    /// clears it
    #[arg(long, value_name = "RULES|none")]
    pub dial_rule: Vec<String>,
    /// Allow calls to be routed at a loss
    #[arg(long, num_args = 0..=1, default_missing_value = "yes", value_name = "yes|no", value_parser = yes_or_no)]
    pub allow_loss: Option<bool>,
}

/// `tollgate credit …`
#[derive(Debug, Args)]
pub struct CreditArgs {
    /// Login of the account
    pub login: String,
    /// Amount to credit; negative to debit.
    #[arg(allow_hyphen_values = true)]
    pub amount: String,
    /// Note stored in the ledger
    #[arg(long)]
    pub reference: String,
    /// Idempotency key: repeating the command with the same key credits nothing more and returns the first transaction.
    /// Without a key, a command whose answer was lost must not be repeated unchecked
    #[arg(long)]
    pub key: Option<String>,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err("say yes or no".to_owned()),
    }
}

/// Runs `tollgate reseller …`.
pub async fn reseller(services: &Services, command: ResellerCommand) -> Outcome {
    let ResellerCommand::Create { login, plan, parent, credit_limit } = command;
    let credit_limit = optional_amount("credit-limit", credit_limit.as_deref())?;
    let created = ops::create_reseller(services, NewReseller { login, plan, parent, credit_limit }).await?;
    let text = format!("reseller {} made, id {}", created.login, created.id);
    Ok(Answer::new(json!({ "id": created.id, "login": created.login }), text))
}

/// Runs `tollgate client …`.
pub async fn client(services: &Services, command: ClientCommand) -> Outcome {
    let ClientCommand::Create { login, reseller, plan, credit_limit } = command;
    let credit_limit = optional_amount("credit-limit", credit_limit.as_deref())?;
    let created = clients::create_client(services, NewClient { login, reseller, plan, credit_limit }).await?;
    let password = created.sip_password.unwrap_or_default();
    let text = format!(
        "client {login} made, id {}; its SIP account is {login} with the password {password} (shown this once)",
        created.id,
        login = created.login,
    );
    let json = json!({
        "id": created.id,
        "login": created.login,
        "sip_account": created.login,
        "sip": { "login": created.login, "password": password },
    });
    Ok(Answer::new(json, text))
}

/// Runs `tollgate account …`.
pub async fn account(services: &Services, command: AccountCommand) -> Outcome {
    let view = match command {
        AccountCommand::Show { login } => ops::show(services, &login).await?,
        AccountCommand::Password { login, password } => {
            let password = credentials::set(services, &login, password.take()?).await?;
            let text = format!("password of {login}, shown this once: {password}");
            return Ok(Answer::new(json!({ "login": login, "password": password }), text));
        }
        AccountCommand::Set(set) => {
            let login = set.login.clone();
            let change = change(*set)?;
            ops::set(services, &login, change).await?
        }
    };
    Ok(Answer::new(view_json(&view), view_text(&view)))
}

/// Runs `tollgate credit …`.
pub async fn credit(services: &Services, args: CreditArgs) -> Outcome {
    let amount = amount("AMOUNT", &args.amount)?;
    let order =
        CreditOrder { login: &args.login, amount, reference: &args.reference, key: args.key.as_deref() };
    let Credited { balance, tx_id, repeated } = credit::give(services, &order).await?;
    let done = if repeated { "was credited before, nothing more now" } else { "credited" };
    let text = format!("{}: {amount} {done}, balance {balance} {}", args.login, services.currency());
    let json = json!({
        "login": args.login,
        "amount": amount.to_string(),
        "balance": balance.to_string(),
        "reference": args.reference,
        "transaction": tx_id,
        "repeated": repeated,
    });
    Ok(Answer::new(json, text))
}

fn change(set: SetArgs) -> Result<AccountChange, Failure> {
    let credit_limit = optional_amount("credit-limit", set.credit_limit.as_deref())?;
    let number = |field: &str, text: Option<String>| {
        text.map(|text| match text.as_str() {
            "none" => Ok(None),
            digits => digits.parse::<u32>().map(Some).map_err(|_| {
                Failure::new("bad_argument", format!("--{field}: {digits:?} is not a whole number or `none`"))
            }),
        })
        .transpose()
    };
    let money = |field: &str, text: Option<String>| {
        text.map(|text| if text == "none" { Ok(None) } else { amount(field, &text).map(Some) }).transpose()
    };
    let text = |text: Option<String>| text.map(|text| Some(text).filter(|text| text != "none"));
    Ok(AccountChange {
        active: set.active,
        credit_limit,
        max_calls: number("max-calls", set.max_calls)?,
        calls_per_second: number("cps", set.cps)?,
        daily_spend: money("daily-spend", set.daily_spend)?,
        max_price: money("max-price", set.max_price)?,
        max_call_seconds: number("max-call-seconds", set.max_call_seconds)?,
        blocked_prefixes: (!set.block.is_empty())
            .then(|| set.block.into_iter().filter(|prefix| prefix != "none").collect()),
        callerid: text(set.callerid),
        dial_rules: (!set.dial_rule.is_empty()).then(|| {
            let rules: Vec<String> = set.dial_rule.into_iter().filter(|rule| rule != "none").collect();
            (!rules.is_empty()).then(|| rules.join(","))
        }),
        allow_loss: set.allow_loss,
    })
}

fn amount(field: &str, text: &str) -> Result<Money, Failure> {
    Money::parse(text).map_err(|e| Failure::new("bad_amount", format!("{field}: {text:?}: {e}")))
}

fn optional_amount(field: &str, text: Option<&str>) -> Result<Option<Money>, Failure> {
    text.map(|text| amount(field, text)).transpose()
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

impl From<OpsError> for Failure {
    fn from(error: OpsError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

fn view_json(view: &AccountView) -> Value {
    let account = &view.account;
    let limits = &account.limits;
    let money = |amount: Option<Money>| amount.map(|amount| amount.to_string());
    json!({
        "id": account.id,
        "login": account.login,
        "kind": account.kind.as_str(),
        "active": account.active,
        "plan": view.plan,
        "reseller": view.reseller,
        "balance": view.balance.to_string(),
        "held": view.held.to_string(),
        "available": view.available.to_string(),
        "credit_limit": account.credit_limit.to_string(),
        "currency": view.currency,
        "calls": view.calls,
        "max_calls": limits.max_calls,
        "cps": limits.calls_per_second,
        "daily_spend": money(limits.daily_spend),
        "max_price": money(limits.max_price),
        "max_call_seconds": limits.max_call_seconds,
        "blocked_prefixes": limits.blocked_prefixes,
        "callerid": account.callerid,
        "dial_rules": account.dial_rules,
        "allow_loss": account.allow_loss,
        "created_at": account.created_at.to_string(),
    })
}

fn view_text(view: &AccountView) -> String {
    let account = &view.account;
    let mut lines = vec![
        format!(
            "{} {} (id {}), {}",
            account.kind.as_str(),
            account.login,
            account.id,
            if account.active { "active" } else { "inactive" }
        ),
        format!("  plan       {}", view.plan),
        format!("  reseller   {}", view.reseller.as_deref().unwrap_or("-")),
        format!("  balance    {} {}", view.balance, view.currency),
        format!("  held       {} in {} calls", view.held, view.calls),
        format!("  available  {} (credit limit {})", view.available, account.credit_limit),
    ];
    let limits = &account.limits;
    let mut limit = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.push(format!("  {name:<10} {value}"));
        }
    };
    limit("max calls", limits.max_calls.map(|n| n.to_string()));
    limit("calls/s", limits.calls_per_second.map(|n| n.to_string()));
    limit("spend/day", limits.daily_spend.map(|m| m.to_string()));
    limit("max price", limits.max_price.map(|m| m.to_string()));
    limit("max call", limits.max_call_seconds.map(|n| format!("{n} s")));
    limit("blocked", (!limits.blocked_prefixes.is_empty()).then(|| limits.blocked_prefixes.join(" ")));
    limit("caller id", account.callerid.clone());
    limit("dial rules", account.dial_rules.clone());
    lines.join("\n")
}
