//! `tollgate voucher`.

use clap::Subcommand;
use serde_json::{Value, json};
use tollgate_rating::Money;

use super::answer::{Answer, Failure, Outcome};
use crate::accounts::vouchers::{self, IssueError};
use crate::services::Services;

/// `tollgate voucher …`
#[derive(Debug, Subcommand)]
pub enum VoucherCommand {
    /// Create vouchers; their codes are shown only once
    Create {
        /// Value of each voucher
        #[arg(long, value_name = "AMOUNT")]
        amount: String,
        /// Number of vouchers
        #[arg(long, value_name = "N")]
        count: u32,
        /// Reseller whose clients may redeem the vouchers; the operator's direct clients by default
        #[arg(long, value_name = "LOGIN")]
        issuer: Option<String>,
    },
}

/// Runs `tollgate voucher …`.
pub async fn run(services: &Services, command: VoucherCommand) -> Outcome {
    let VoucherCommand::Create { amount, count, issuer } = command;
    let amount = Money::parse(&amount)
        .map_err(|error| Failure::new("bad_argument", format!("amount: {amount:?}: {error}")))?;
    let codes = vouchers::issue(services, amount, count, issuer.as_deref()).await?;
    let shown: Vec<Value> =
        codes.iter().map(|code| json!({ "code": code, "amount": amount.to_string() })).collect();
    Ok(Answer::new(json!({ "vouchers": shown }), codes.join("\n")))
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        let code = match &error {
            IssueError::BadValue { .. } => "bad_argument",
            IssueError::UnknownIssuer(_) => "not_a_reseller",
            IssueError::Store(_) => "unavailable",
        };
        Self::new(code, error.to_string())
    }
}
