//! The command line: arguments in, one answer out. What a command does is elsewhere.
//!
//! Commands that read or change a running server's data are sent to it over the command socket, as the words that
//! were typed; without a running server they are run here, after taking the ownership where they write.

pub mod account;
pub mod answer;
pub mod backup;
pub mod call;
pub mod callerid;
pub mod calls;
pub mod demo;
pub mod doctor;
pub mod esim;
pub mod fx;
pub mod key;
pub mod peers;
pub mod plan;
pub mod rate;
pub mod rate_login;
pub mod secret_input;
pub mod sms;
pub mod system;
pub mod tariff;
pub mod trunk;
pub mod voucher;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app::requests;
use crate::config::Config;
use crate::control::{CommandAnswer, CommandRequest};
use crate::services::{ServiceError, Services};
use answer::{Failure, Outcome, to_wire};
use secret_input::PasswordInput;

/// Telephony control plane for Asterisk with a real-time rating engine.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, propagate_version = true)]
pub struct Cli {
    /// The configuration file (TOML); every key can be overridden by `TOLLGATE_SECTION__KEY`.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON value.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The code of an answer while a server of the installation starts or ends.
const SERVER_STARTS: &str = ServiceError::Starting.code();
/// How long a command waits for a server that starts or ends.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a command waits for a server that starts to record its address: the lease of the process before ends by then.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(7);
/// How often it asks again.
const START_AGAIN: Duration = Duration::from_millis(100);

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole thing on this machine: embedded database, sample deck, one call, both balances.
    Demo(demo::DemoArgs),
    /// Serve calls until told to stop.
    Serve,
    /// Bring the database's schema up to date.
    Migrate,
    /// Check the configuration and show it as it is understood.
    CheckConfig,
    /// Check a running set-up and say what is wrong.
    Doctor,
    /// Recompute every wallet and every charge from the book.
    Audit,
    /// Copy the embedded database to a file while it is in use.
    Backup(backup::BackupArgs),
    /// The key file.
    #[command(subcommand)]
    Secrets(system::SecretsCommand),
    /// Exchange rates.
    #[command(subcommand)]
    Fx(fx::FxCommand),
    /// Tariffs: decks of rates.
    #[command(subcommand)]
    Tariff(tariff::TariffCommand),
    /// Plans: tariffs as sold.
    #[command(subcommand)]
    Plan(plan::PlanCommand),
    /// Resellers.
    #[command(subcommand)]
    Reseller(account::ResellerCommand),
    /// Clients.
    #[command(subcommand)]
    Client(account::ClientCommand),
    /// Put money into an account.
    Credit(account::CreditArgs),
    /// Accounts.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// SIP accounts of a client.
    #[command(subcommand)]
    Sip(peers::SipCommand),
    /// IP peers of a SIP account: PBXs that are known by their address.
    #[command(subcommand)]
    Ipauth(peers::IpauthCommand),
    /// Vouchers.
    #[command(subcommand)]
    Voucher(voucher::VoucherCommand),
    /// Numbers that accounts may present.
    #[command(subcommand)]
    Callerid(callerid::CalleridCommand),
    /// Trunks: carriers.
    #[command(subcommand)]
    Trunk(trunk::TrunkCommand),
    /// Data packages: eSIMs.
    #[command(subcommand)]
    Esim(esim::EsimCommand),
    /// Run a simulator of the eSIM Access API, for trying things out: nothing real is sold.
    EsimSimulator(esim::SimulatorArgs),
    /// Messages.
    #[command(subcommand)]
    Sms(sms::SmsCommand),
    /// Live calls.
    #[command(subcommand)]
    Calls(calls::CallsCommand),
    /// Explain what a number costs.
    Rate(rate::RateArgs),
    /// Play Asterisk over FastAGI against a running server.
    Call(call::CallArgs),
}

/// Where a command is run.
enum Place {
    /// Here, whether a server runs or not.
    Here,
    /// At the running owner, or here where none runs.
    Owner,
}

impl Command {
    fn place(&self) -> Place {
        match self {
            Self::Demo(_)
            | Self::Serve
            | Self::Migrate
            | Self::CheckConfig
            | Self::Doctor
            | Self::Audit
            | Self::Backup(_)
            | Self::EsimSimulator(_)
            | Self::Call(_)
            | Self::Tariff(_) => Place::Here,
            Self::Rate(args) if args.deck.is_some() => Place::Here,
            Self::Secrets(_)
            | Self::Fx(_)
            | Self::Plan(_)
            | Self::Reseller(_)
            | Self::Client(_)
            | Self::Credit(_)
            | Self::Account(_)
            | Self::Key(_)
            | Self::Sip(_)
            | Self::Ipauth(_)
            | Self::Voucher(_)
            | Self::Callerid(_)
            | Self::Trunk(_)
            | Self::Esim(_)
            | Self::Sms(_)
            | Self::Calls(_)
            | Self::Rate(_) => Place::Owner,
        }
    }
}

impl Command {
    /// Where a command that sets a password is given it.
    const fn password_input(&mut self) -> Option<&mut PasswordInput> {
        match self {
            Self::Account(account::AccountCommand::Password { password, .. })
            | Self::Sip(
                peers::SipCommand::Create { password, .. } | peers::SipCommand::Password { password, .. },
            ) => Some(password),
            _ => None,
        }
    }
}

/// Reads the command line, does what it says, prints the answer.
pub fn main() -> ExitCode {
    // Databases, keys and whatever else is made are for this user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match Cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a wrong usage is status 2. Printing cannot be helped if it fails.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let json = cli.json;
    let runtime = match requests::for_calls() {
        Ok(runtime) => runtime,
        Err(error) => {
            return print(json, &to_wire(Err(Failure::new("runtime", format!("no runtime: {error}")))));
        }
    };
    let answer = runtime.block_on(run(cli));
    print(json, &answer)
}

async fn run(cli: Cli) -> CommandAnswer {
    let config = match Config::load(cli.config.as_deref()) {
        Ok(config) => Arc::new(config),
        Err(error) => return to_wire(Err(Failure::new("bad_config", error.to_string()))),
    };
    match cli.command.place() {
        Place::Here => to_wire(run_here(config, cli).await),
        Place::Owner => at_the_owner(config, cli).await.unwrap_or_else(|failure| to_wire(Err(failure))),
    }
}

async fn run_here(config: Arc<Config>, cli: Cli) -> Outcome {
    match cli.command {
        Command::Demo(args) => demo::run(&config, args, cli.json).await,
        Command::Serve => system::serve(config, cli.config.as_deref()).await,
        Command::Migrate => system::migrate(&config).await,
        Command::CheckConfig => system::check_config(&config, cli.config.as_deref()),
        Command::Doctor => doctor::run(&config, cli.config.as_deref()).await,
        Command::Audit => system::audit(config).await,
        Command::Backup(args) => backup::run(&config, &args).await,
        Command::Call(args) => call::run(&config, args, cli.json).await,
        Command::EsimSimulator(args) => esim::simulate(args, cli.json).await,
        Command::Rate(args) => rate::deck(&config, args),
        Command::Tariff(command) => {
            let services = Services::open(config).await?;
            let outcome = tariff::run(&services, command).await;
            services.tell_the_owner().await;
            services.close().await;
            outcome
        }
        other => {
            let services = Services::open(config).await?;
            let outcome = run_with(&services, other).await;
            services.close().await;
            outcome
        }
    }
}

/// Sends the command to the owner; where none runs, runs it here. A server that is starting or ending is waited for: it
/// answers when it serves, and when it has ended the command is run here.
async fn at_the_owner(config: Arc<Config>, mut cli: Cli) -> Result<CommandAnswer, Failure> {
    // Here, with the rights and in the folder of whoever typed it.
    let password = match cli.command.password_input() {
        Some(input) => {
            input.read()?;
            input.given().cloned()
        }
        None => None,
    };
    let request = CommandRequest::new(std::env::args().skip(1).collect(), password);
    let began = tokio::time::Instant::now();
    loop {
        let services = Services::open(Arc::clone(&config)).await?;
        let asked = services.ask_the_owner(&request).await;
        let answer = match asked {
            Ok(Some(answer)) => Some(answer),
            Ok(None) => Some(run_words(&services, &request).await),
            // The address may be that of the process before a server that starts.
            Err(ServiceError::OwnedElsewhere { .. })
                if began.elapsed() < ADDRESS_PATIENCE && services.has_server()? =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        services.close().await;
        // Nothing was written then: whatever writes money locks the installation first.
        if let Some(answer) = answer
            && (answer.json["code"] != SERVER_STARTS || began.elapsed() >= START_PATIENCE)
        {
            return Ok(answer);
        }
        tokio::time::sleep(START_AGAIN).await;
    }
}

/// Runs a command that came over the command socket.
pub async fn run_for_listener(services: &Services, request: CommandRequest) -> CommandAnswer {
    run_words(services, &request).await
}

async fn run_words(services: &Services, request: &CommandRequest) -> CommandAnswer {
    let password = request.password();
    let words = std::iter::once("tollgate").chain(request.argv.iter().map(String::as_str));
    let mut cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return to_wire(Err(Failure::new("bad_usage", error.to_string()))),
    };
    if let Some(input) = cli.command.password_input() {
        input.set(password);
    }
    match cli.command.place() {
        Place::Owner => to_wire(run_with(services, cli.command).await),
        Place::Here => to_wire(Err(Failure::new("bad_usage", "this command is not for the running server"))),
    }
}

async fn run_with(services: &Services, command: Command) -> Outcome {
    match command {
        Command::Secrets(command) => system::secrets(services, &command).await,
        Command::Fx(command) => fx::run(services, command).await,
        Command::Plan(command) => plan::run(services, command).await,
        Command::Reseller(command) => account::reseller(services, command).await,
        Command::Client(command) => account::client(services, command).await,
        Command::Credit(args) => account::credit(services, args).await,
        Command::Account(command) => account::account(services, command).await,
        Command::Key(command) => key::run(services, command).await,
        Command::Sip(command) => peers::sip(services, command).await,
        Command::Ipauth(command) => peers::ipauth(services, command).await,
        Command::Voucher(command) => voucher::run(services, command).await,
        Command::Callerid(command) => callerid::run(services, command).await,
        Command::Trunk(command) => trunk::run(services, command).await,
        Command::Esim(command) => esim::run(services, command).await,
        Command::Sms(command) => sms::run(services, command).await,
        Command::Calls(command) => calls::run(services, &command),
        Command::Rate(args) => rate_login::run(services, args).await,
        Command::Demo(_)
        | Command::Serve
        | Command::Migrate
        | Command::CheckConfig
        | Command::Doctor
        | Command::Audit
        | Command::Backup(_)
        | Command::EsimSimulator(_)
        | Command::Tariff(_)
        | Command::Call(_) => {
            Err(Failure::new("bad_usage", "this command is run by the command line itself"))
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the one place that prints a command's answer")]
fn print(json: bool, answer: &CommandAnswer) -> ExitCode {
    if answer.json.is_null() {
        // The command has said what it had to say.
    } else if json {
        println!("{}", answer.json);
    } else if answer.status == 0 {
        println!("{}", answer.text);
    } else {
        eprintln!("{}", answer.text);
    }
    ExitCode::from(answer.status)
}
