//! `tollgate sms price`.

mod price;

use clap::Subcommand;

use super::answer::Outcome;
use crate::app::desk::Desk;

/// `tollgate sms …`
#[derive(Debug, Subcommand)]
pub enum SmsCommand {
    /// Explain what a message costs everybody who pays for it.
    Price(price::PriceArgs),
}

/// Runs a command about messages.
pub async fn run(desk: &Desk, command: SmsCommand) -> Outcome {
    match command {
        SmsCommand::Price(args) => price::run(desk, &args).await,
    }
}
