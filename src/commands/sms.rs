//! `tollgate sms price | unknown`.

mod price;
mod unknown;

use clap::Subcommand;

use super::answer::Outcome;
use crate::services::Services;

/// `tollgate sms …`
#[derive(Debug, Subcommand)]
pub enum SmsCommand {
    /// Explain the price of a message for every payer
    Price(price::PriceArgs),
    /// List messages whose delivery to the provider is in doubt
    Unknown(unknown::UnknownArgs),
}

/// Runs a command about messages.
pub async fn run(services: &Services, command: SmsCommand) -> Outcome {
    match command {
        SmsCommand::Price(args) => price::run(services, &args).await,
        SmsCommand::Unknown(args) => unknown::run(services, &args).await,
    }
}
