//! The command line: parses arguments and prints one answer. The commands themselves are in other modules.
//!
//! Commands that read or change a running server's data are sent to it over the command socket, as the words typed;
//! without a running server they run here, after acquiring the ownership if they write.

pub mod backup;
pub mod call;
pub mod demo;
pub mod doctor;
pub mod esim_simulator;
pub mod manual;
pub mod rate_deck;
pub mod system;
pub mod tariff;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::app::requests;
use crate::commands::answer::{Failure, Outcome, to_wire};
use crate::commands::{self, Owner, OwnerCommand};
use crate::config::Config;
use crate::control::{CommandAnswer, CommandRequest};
use crate::esim::Esim;
use crate::services::{ServiceError, Services};

/// Telephony control plane for Asterisk with a real-time rating engine
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, propagate_version = true)]
pub struct Cli {
    /// Configuration file (TOML); every key can be overridden by `TOLLGATE_SECTION__KEY`
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON value
    #[arg(long, global = true)]
    pub json: bool,
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// Error code while a server of the installation starts or stops.
const SERVER_STARTS: &str = ServiceError::Starting.code();
/// How long a command waits for a server that starts or stops.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a command waits for a starting server to record its address: the previous process's lease ends by then.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(7);
/// Interval between two attempts.
const START_AGAIN: Duration = Duration::from_millis(100);

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a complete system on this machine: embedded database, sample deck, one call, both balances
    Demo(demo::DemoArgs),
    /// Serve calls until a signal
    Serve,
    /// Migrate the database schema to the current version
    Migrate,
    /// Check the configuration and print the effective values
    CheckConfig,
    /// Check an installation and report problems
    Doctor,
    /// Recompute every wallet and every charge from the ledger
    Audit,
    /// Copy the embedded database to a file while it is in use
    Backup(backup::BackupArgs),
    /// Manage tariffs: decks of rates
    #[command(subcommand)]
    Tariff(tariff::TariffCommand),
    #[command(flatten)]
    Owner(OwnerCommand),
    /// Run a simulator of the eSIM Access API for tests: nothing real is sold
    EsimSimulator(esim_simulator::SimulatorArgs),
    /// Simulate an Asterisk call over FastAGI against a running server
    Call(call::CallArgs),
    /// Print the completion script of a shell
    Completion(manual::CompletionArgs),
    /// Write the man pages of all commands
    ManPages(manual::ManPagesArgs),
}

/// Parses the command line, runs the command, prints the answer.
pub fn main() -> ExitCode {
    // Databases, keys and every other created file are accessible to this user alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let cli = match Cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors; wrong usage is status 2. A failure to print has no remedy.
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
        Err(error) => return to_wire(Err(Failure::of_config("bad_config", error.to_string()))),
    };
    match cli.command {
        Command::Owner(OwnerCommand::Rate(args)) if args.deck.is_some() => to_wire(rate_deck::deck(args)),
        Command::Owner(command) => {
            run_at_owner(config, command).await.unwrap_or_else(|failure| to_wire(Err(failure)))
        }
        command => to_wire(run_here(config, command, cli.config.as_deref(), cli.json).await),
    }
}

async fn run_here(config: Arc<Config>, command: Command, file: Option<&Path>, json: bool) -> Outcome {
    match command {
        Command::Demo(args) => demo::run(&config, args, json).await,
        Command::Serve => system::serve(config, file).await,
        Command::Migrate => system::migrate(&config).await,
        Command::CheckConfig => system::check_config(&config, file),
        Command::Doctor => doctor::run(&config, file).await,
        Command::Audit => system::audit(config).await,
        Command::Backup(args) => backup::run(&config, &args).await,
        Command::Call(args) => call::run(&config, args, json).await,
        Command::EsimSimulator(args) => esim_simulator::simulate(args, json).await,
        Command::Completion(args) => manual::completion(args),
        Command::ManPages(args) => manual::man_pages(&args),
        Command::Tariff(command) => {
            let services = Services::open(config).await?;
            let outcome = tariff::run(&services, command).await;
            services.tell_the_owner().await;
            services.close().await;
            outcome
        }
        Command::Owner(command) => {
            let services = Arc::new(Services::open(config).await?);
            let esim = Esim::new(Arc::clone(&services));
            let owner = Owner { services: &services, esim: &esim, calls: None };
            let outcome = commands::run(owner, command).await;
            services.close().await;
            outcome
        }
    }
}

/// Sends the command to the owner, or runs it here if there is none. Waits for a server that is starting or stopping:
/// once it serves it answers the command, and once it has stopped the command runs here.
async fn run_at_owner(config: Arc<Config>, mut command: OwnerCommand) -> Result<CommandAnswer, Failure> {
    // Read here, with the rights and in the folder of the user who typed the command.
    let password = match command.password_input() {
        Some(input) => {
            input.read()?;
            input.given().cloned()
        }
        None => None,
    };
    let request = CommandRequest::new(std::env::args().skip(1).collect(), password);
    let began = tokio::time::Instant::now();
    loop {
        let services = Arc::new(Services::open(Arc::clone(&config)).await?);
        let esim = Esim::new(Arc::clone(&services));
        let owner = Owner { services: &services, esim: &esim, calls: None };
        let asked = services.ask_the_owner(&request).await;
        let answer = match asked {
            Ok(Some(answer)) => Some(answer),
            Ok(None) => Some(commands::run_request(owner, &request).await),
            // The recorded address may be that of the process before a server that is starting.
            Err(ServiceError::OwnedElsewhere { .. })
                if began.elapsed() < ADDRESS_PATIENCE && services.has_server()? =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        services.close().await;
        // Nothing was written in this case: every command that writes money locks the installation first.
        if let Some(answer) = answer
            && (answer.json["code"] != SERVER_STARTS || began.elapsed() >= START_PATIENCE)
        {
            return Ok(answer);
        }
        tokio::time::sleep(START_AGAIN).await;
    }
}

/// Prints the answer and returns its status. A reader that closes its end (`tollgate … | head`) affects neither.
fn print(json: bool, answer: &CommandAnswer) -> ExitCode {
    let _ = if answer.json.is_null() {
        // The command has already printed its answer.
        Ok(())
    } else if json {
        writeln!(io::stdout(), "{}", answer.json)
    } else if answer.status == 0 {
        writeln!(io::stdout(), "{}", answer.text)
    } else {
        writeln!(io::stderr(), "{}", answer.text)
    };
    ExitCode::from(answer.status)
}
