//! The binary as an operator runs it: commands, and a server in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tollgate::clock::{Clock as _, SystemClock};

use super::database::Database;
use super::decks;

/// The exit status where the configuration cannot be used.
pub(crate) const UNUSABLE_CONFIG: i32 = 78;

/// A configuration file with a database, and the commands on it.
pub(crate) struct Program {
    pub(crate) database: Database,
    pub(crate) config: PathBuf,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The one JSON value on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("not one JSON value: {error}: {self:?}"))
    }

    /// The machine code of a refusal.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Program {
    pub(crate) fn on(database: Database) -> Self {
        let config = database.files.path().join("tollgate.toml");
        let key_file = database.files.path().join("tollgate.key");
        let spool = database.files.path().join("tollgate.spool");
        let text = format!(
            "[database]\nurl = \"{}\"\n\n[secrets]\nkey_file = \"{}\"\n\n[ledger]\nspool_dir = \"{}\"\n\n[fastagi]\nlisten = \"127.0.0.1:0\"\n\n\
             [internal]\nlisten = \"127.0.0.1:0\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n[log]\njson = true\n",
            database.url,
            key_file.display(),
            spool.display()
        );
        std::fs::write(&config, text).unwrap();
        // Tests add secrets to it: a server refuses one that every user can read.
        std::fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Self { database, config }
    }

    pub(crate) fn sqlite() -> Self {
        Self::on(Database::sqlite())
    }

    /// A file beside the database.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.database.files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare();
        command.arg("--config").arg(&self.config).args(arguments).current_dir(self.database.files.path());
        command
    }

    /// Runs a command with `--json`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        finish(self.command(arguments).arg("--json"))
    }

    /// Runs a command without `--json`.
    pub(crate) fn run_for_a_person(&self, arguments: &[&str]) -> Said {
        finish(&mut self.command(arguments))
    }

    /// Runs a command that must succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> Value {
        let said = self.run(arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {said:?}");
        said.json()
    }

    /// As [`Program::ok`], the words in one line.
    pub(crate) fn ok_line(&self, line: &str) -> Value {
        self.ok(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs a command that must be refused; its machine code.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.status, 1, "{arguments:?}: {said:?}");
        assert!(!said.json()["error"].as_str().unwrap_or_default().is_empty(), "{said:?}");
        said.code()
    }

    /// The usual house, by commands alone: as [`TestApp::furnish`](super::TestApp::furnish).
    pub(crate) fn furnish(&self) {
        for (name, deck) in
            [("sold", decks::SOLD), ("carrier-a", decks::CARRIER_A), ("carrier-b", decks::CARRIER_B)]
        {
            let file = self.file(&format!("{name}.csv"), deck);
            self.ok(&["tariff", "import", name, &file]);
        }
        self.ok(&["plan", "create", "wholesale", "--tariff", "sold"]);
        self.ok(&["plan", "create", "retail", "--base", "wholesale", "--markup", "20"]);
        self.ok(&["trunk", "create", "first", "--endpoint", "first-endpoint", "--tariff", "carrier-a"]);
        self.ok(&["trunk", "create", "second", "--endpoint", "second-endpoint", "--tariff", "carrier-b"]);
        self.ok(&["reseller", "create", "acme", "--plan", "wholesale"]);
        self.ok(&["client", "create", "alice", "--reseller", "acme", "--plan", "retail"]);
        self.ok(&["credit", "acme", "100", "--reference", "first"]);
        self.ok(&["credit", "alice", "100", "--reference", "first"]);
    }

    /// A field of `account show`.
    pub(crate) fn shown(&self, login: &str, field: &str) -> Value {
        self.ok(&["account", "show", login])[field].clone()
    }

    /// The book is right.
    pub(crate) fn assert_audit(&self) {
        let said = self.run(&["audit"]);
        assert_eq!(said.status, 0, "{said:?}");
        assert_eq!(said.json()["ok"], true, "{said:?}");
    }

    /// Starts a server and waits until it serves.
    pub(crate) fn serve(&self) -> Serving {
        self.serve_with(&[])
    }

    /// Starts a server with this in its environment.
    pub(crate) fn serve_with(&self, environment: &[(&str, &str)]) -> Serving {
        let mut command = self.command(&["serve"]);
        Serving::start(command.envs(environment.iter().copied()))
            .unwrap_or_else(|log| panic!("it does not serve:\n{log}"))
    }

    /// Starts a server with this in its environment; `None` where it does not serve.
    pub(crate) fn try_serve_with(&self, environment: &[(&str, &str)]) -> Option<Serving> {
        let mut command = self.command(&["serve"]);
        Serving::start(command.envs(environment.iter().copied())).ok()
    }

    /// Starts a server that can write no file longer than this, as if its disk were full beyond it.
    pub(crate) fn serve_with_files_of(&self, kilobytes: u32) -> Serving {
        self.serve_under(&format!("trap '' XFSZ; ulimit -f {kilobytes}"), &[])
    }

    /// Starts a server after these commands of a shell, with this in its environment.
    pub(crate) fn serve_under(&self, commands: &str, environment: &[(&str, &str)]) -> Serving {
        let limited = format!("{commands}; exec \"$0\" \"$@\"");
        let mut program = self.command(&["serve"]);
        program.envs(environment.iter().copied());
        let mut shell = Command::new("bash");
        shell.args(["-c", &limited]).arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.current_dir(self.database.files.path());
        Serving::start(&mut shell).unwrap_or_else(|log| panic!("it does not serve:\n{log}"))
    }

    /// Runs a command with `--json` and this on its standard input.
    pub(crate) fn run_with_input(&self, input: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        command.arg("--json").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses before it reads closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command with `--json` and this in its environment.
    pub(crate) fn run_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Said {
        finish(self.command(arguments).arg("--json").envs(environment.iter().copied()))
    }

    /// Starts a server that must not serve; how it ended and what it said.
    pub(crate) fn serve_in_vain(&self) -> Said {
        finish(self.command(&["serve"]).arg("--json"))
    }
}

/// The binary, with nothing of this process's environment that could configure it.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOLLGATE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end, within two minutes.
pub(crate) fn finish(command: &mut Command) -> Said {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let ended = Arc::new(Mutex::new(false));
    let watch = Arc::clone(&ended);
    std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_mins(2);
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(200));
            if *watch.lock().unwrap() {
                return;
            }
        }
        signal(id, "KILL");
    });
    let output = child.wait_with_output().unwrap();
    *ended.lock().unwrap() = true;
    Said {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn signal(id: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), id.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {id}");
}

/// The time as the server's own clock tells it.
pub(crate) fn now() -> Timestamp {
    SystemClock::new().now()
}

/// A server process. Dropping it kills it.
pub(crate) struct Serving {
    child: Child,
    pub(crate) fastagi: SocketAddr,
    pub(crate) internal: SocketAddr,
    pub(crate) http: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Serving {
    fn start(command: &mut Command) -> Result<Self, String> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut early = String::new();
        let mut listens = None;
        for line in lines.by_ref() {
            let Ok(line) = line else { break };
            early.push_str(&line);
            early.push('\n');
            let fields = serde_json::from_str::<Value>(&line).unwrap_or_default()["fields"].clone();
            if fields["message"] == "serving" {
                let address = |key: &str| fields[key].as_str().unwrap().parse().unwrap();
                listens = Some(["fastagi.address", "internal.address", "http.address"].map(address));
                break;
            }
        }
        let Some([fastagi, internal, http]) = listens else {
            let _ = child.wait();
            return Err(early);
        };
        let log = Arc::new(Mutex::new(early));
        let writing = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = writing.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Ok(Self { child, fastagi, internal, http, log })
    }

    /// Ends it without a chance to say anything: kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap()
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn tell_to_stop(&self) {
        signal(self.child.id(), "TERM");
    }

    /// Hangs it.
    pub(crate) fn suspend(&self) {
        signal(self.child.id(), "STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        signal(self.child.id(), "CONT");
    }

    /// Whether it ended by itself, and how.
    pub(crate) fn wait_for_end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// The process's id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it logged up to now.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
