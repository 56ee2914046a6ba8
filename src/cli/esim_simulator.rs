//! `tollgate esim-simulator`: a simulator of the eSIM Access API.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::commands::answer::{Answer, Failure, Outcome};
use crate::commands::secret_input;
use crate::config::Secret;
use crate::esim::simulator::{Settings, Simulator};

/// `tollgate esim-simulator …`
#[derive(Debug, Args)]
pub struct SimulatorArgs {
    /// Address and port to listen on; port 0 chooses a free port and prints it
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// File that stores its orders, one JSON line each
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Time until an order has its eSIM
    #[arg(long, default_value_t = 2_000, value_name = "MS")]
    pub allocate_ms: u64,
    /// File that contains the accepted access code, `-` for standard input; any code by default
    #[arg(long, value_name = "FILE")]
    pub access_code_file: Option<PathBuf>,
    /// File that contains the secret that requests must be signed with, `-` for standard input; unsigned requests are
    /// accepted by default
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Removed; kept by name to explain its absence
    #[arg(long, hide = true)]
    access_code: Option<Secret>,
    /// Removed; kept by name to explain its absence
    #[arg(long, hide = true)]
    secret: Option<Secret>,
}

/// Runs the simulator until a signal.
pub async fn simulate(args: SimulatorArgs, json: bool) -> Outcome {
    secret_input::refuse("--access-code", "--access-code-file", args.access_code.is_some())?;
    secret_input::refuse("--secret", "--secret-file", args.secret.is_some())?;
    let read = |argument: &str, file: Option<PathBuf>| {
        let secret = file.map(|file| secret_input::read(argument, &file)).transpose()?;
        Ok::<_, Failure>(secret.map(|secret| secret.reveal().to_owned()))
    };
    let settings = Settings {
        record: args.record,
        allocate_ms: args.allocate_ms,
        access_code: read("--access-code-file", args.access_code_file)?,
        secret: read("--secret-file", args.secret_file)?,
        ..Settings::default()
    };
    let stop = CancellationToken::new();
    let started = Simulator::start(args.listen, settings, stop.clone()).await;
    let simulator = started.map_err(|error| Failure::new("listen", format!("{}: {error}", args.listen)))?;
    let url = simulator.url();
    say(&if json {
        json!({ "url": url }).to_string()
    } else {
        format!("A simulator of the eSIM Access API: it sells nothing real. esim.url = \"{url}\"")
    });
    super::system::told_to_stop()?.await;
    stop.cancel();
    Ok(Answer::new(Value::Null, ""))
}

#[expect(clippy::print_stdout, reason = "the simulator tells where it is before it goes on serving")]
fn say(text: &str) {
    println!("{text}");
}
