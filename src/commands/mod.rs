//! Commands executed by the owner of the wallets: the running server if there is one, otherwise the command line.
//!
//! The command line sends the typed words over the command socket; the server parses them with the same parser.

pub mod account;
pub mod answer;
pub mod callerid;
pub mod calls;
pub mod catalog;
pub mod esim;
pub mod fx;
pub mod key;
pub mod peers;
pub mod plan;
pub mod rate;
pub mod rate_login;
pub mod secret_input;
pub mod secrets;
pub mod sms;
pub mod trunk;
pub mod voucher;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::calls::Calls;
use crate::control::{CommandAnswer, CommandRequest};
use crate::esim::Esim;
use crate::services::{ServiceError, Services};
use answer::{Failure, Outcome, to_wire};
use secret_input::PasswordInput;

/// The services available to the process that runs a command.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The shared services.
    pub services: &'a Services,
    /// The sale of eSIMs.
    pub esim: &'a Esim,
    /// The calls of a running server; `None` in the command line.
    pub calls: Option<&'a Arc<Calls>>,
}

/// Commands executed by the owner.
#[derive(Debug, Subcommand)]
pub enum OwnerCommand {
    /// Manage the key file
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Manage exchange rates
    #[command(subcommand)]
    Fx(fx::FxCommand),
    /// Manage plans: tariffs as sold
    #[command(subcommand)]
    Plan(plan::PlanCommand),
    /// Manage resellers
    #[command(subcommand)]
    Reseller(account::ResellerCommand),
    /// Manage clients
    #[command(subcommand)]
    Client(account::ClientCommand),
    /// Credit or debit an account
    Credit(account::CreditArgs),
    /// Manage accounts
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Manage API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Manage the SIP accounts of a client
    #[command(subcommand)]
    Sip(peers::SipCommand),
    /// Manage the IP peers of a SIP account: PBXs authenticated by address
    #[command(subcommand)]
    Ipauth(peers::IpauthCommand),
    /// Manage vouchers
    #[command(subcommand)]
    Voucher(voucher::VoucherCommand),
    /// Manage the caller numbers that accounts may present
    #[command(subcommand)]
    Callerid(callerid::CalleridCommand),
    /// Manage trunks: carriers
    #[command(subcommand)]
    Trunk(trunk::TrunkCommand),
    /// Manage eSIM plans
    #[command(subcommand)]
    Esim(esim::EsimCommand),
    /// Inspect messages
    #[command(subcommand)]
    Sms(sms::SmsCommand),
    /// Manage live calls
    #[command(subcommand)]
    Calls(calls::CallsCommand),
    /// Explain the price of a number
    Rate(rate::RateArgs),
}

impl OwnerCommand {
    /// Returns the password input of a command that sets a password.
    pub const fn password_input(&mut self) -> Option<&mut PasswordInput> {
        match self {
            Self::Account(account::AccountCommand::Password { password, .. })
            | Self::Sip(
                peers::SipCommand::Create { password, .. } | peers::SipCommand::Password { password, .. },
            ) => Some(password),
            _ => None,
        }
    }
}

/// The words of a command, with the options common to all commands.
#[derive(Debug, Parser)]
#[command(name = "tollgate")]
struct Words {
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: OwnerCommand,
}

/// Parses the words of a request and runs the command.
pub async fn run_request(owner: Owner<'_>, request: &CommandRequest) -> CommandAnswer {
    let words = std::iter::once("tollgate").chain(request.argv.iter().map(String::as_str));
    let mut command = match Words::try_parse_from(words) {
        Ok(words) => words.command,
        Err(error) => return to_wire(Err(Failure::new("bad_usage", error.to_string()))),
    };
    if let Some(input) = command.password_input() {
        input.set(request.password());
    }
    to_wire(run(owner, command).await)
}

/// Runs a command.
pub async fn run(owner: Owner<'_>, command: OwnerCommand) -> Outcome {
    let services = owner.services;
    match command {
        OwnerCommand::Secrets(command) => secrets::run(services, &command).await,
        OwnerCommand::Fx(command) => fx::run(services, command).await,
        OwnerCommand::Plan(command) => plan::run(services, command).await,
        OwnerCommand::Reseller(command) => account::reseller(services, command).await,
        OwnerCommand::Client(command) => account::client(services, command).await,
        OwnerCommand::Credit(args) => account::credit(services, args).await,
        OwnerCommand::Account(command) => account::account(services, command).await,
        OwnerCommand::Key(command) => key::run(services, command).await,
        OwnerCommand::Sip(command) => peers::sip(services, command).await,
        OwnerCommand::Ipauth(command) => peers::ipauth(services, command).await,
        OwnerCommand::Voucher(command) => voucher::run(services, command).await,
        OwnerCommand::Callerid(command) => callerid::run(services, command).await,
        OwnerCommand::Trunk(command) => trunk::run(services, command).await,
        OwnerCommand::Esim(command) => esim::run(owner.esim, command).await,
        OwnerCommand::Sms(command) => sms::run(services, command).await,
        OwnerCommand::Calls(command) => calls::run(owner.calls, &command),
        OwnerCommand::Rate(args) => rate_login::run(owner, args).await,
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
