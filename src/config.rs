//! The typed configuration: a TOML file, each key overridable by `TOLLGATE_SECTION__KEY`.
//!
//! An unknown key is refused, in the file and in the environment, because a misspelt limit that is silently ignored
//! costs money. Every key has a default that lets `tollgate serve` start on a fresh machine.

mod api;
mod asterisk;
mod database;
mod esim;
pub mod exposure;
mod internal;
mod kind;
mod limits;
mod peers;
mod secret;
mod secret_file;
mod sms;
mod url;

use std::path::{Path, PathBuf};

pub use self::api::{Api, Callerid, CalleridPolicy, Http, UnknownFields, Webphone};
pub use self::asterisk::{Asterisk, FastAgi, Realtime, Sip};
pub use self::database::{Database, DatabaseUrl};
pub use self::esim::{Esim, EsimAccess, EsimKind};
pub use self::internal::Internal;
pub use self::limits::Limits;
pub use self::peers::{IpApproval, Peers};
pub use self::secret::Secret;
pub use self::sms::{LongMessages, Sms, SmsHttp, SmsKind, SmsProvider, SmsSimulator, SmsSmpp};
use serde::{Deserialize, Serialize};

/// All settings of the operator.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The database.
    pub database: Database,
    /// Currency of the deployment.
    pub money: Money,
    /// The FastAGI server that the dialplan calls.
    pub fastagi: FastAgi,
    /// The listener of the public HTTP APIs.
    pub http: Http,
    /// Settings of the public HTTP APIs.
    pub api: Api,
    /// Limits on rows that are free of charge.
    pub limits: Limits,
    /// Policy for the caller numbers that clients may present.
    pub callerid: Callerid,
    /// The Janus gateway of web phones.
    pub webphone: Webphone,
    /// The eSIM upstream and the prices of eSIM plans.
    pub esim: Esim,
    /// SIP-wide settings.
    pub sip: Sip,
    /// Sending of messages.
    pub sms: Sms,
    /// The internal listener and the command socket.
    pub internal: Internal,
    /// Asterisk's reads of peers from the internal listener.
    pub realtime: Realtime,
    /// The peers provided to Asterisk.
    pub peers: Peers,
    /// The key file.
    pub secrets: Secrets,
    /// Holds and limits of credit.
    pub credit: Credit,
    /// Files that the ledger's writer keeps on this machine.
    pub ledger: Ledger,
    /// Routing of calls.
    pub routing: Routing,
    /// Logging.
    pub log: Log,
    /// The Asterisk servers.
    pub asterisk: Vec<Asterisk>,
}

/// `[money]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Money {
    /// Currency of every wallet, ISO 4217.
    pub currency: String,
}

impl Default for Money {
    fn default() -> Self {
        Self { currency: "EUR".to_owned() }
    }
}

/// `[secrets]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// Path of the key file, mode 0600; by default beside the SQLite database, or `tollgate.key`.
    pub key_file: Option<PathBuf>,
}

/// Part of a grant that is held when a call starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reserve {
    /// The call's credit is held in slices, renewed while the call lasts.
    Slice,
    /// The whole grant at once.
    Full,
}

/// Limit of a call while the control link is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLinkLoss {
    /// The call may run to the end of its holds.
    Cut,
    /// The call may run to its whole grant.
    RunToGrant,
}

/// Treatment of new calls while the database is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenDatabaseDown {
    /// New calls are refused.
    Refuse,
    /// New calls are admitted on the balances in memory.
    Admit,
}

/// `[credit]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Credit {
    /// Seconds of talk held per slice with `reserve = "slice"`.
    pub slice_seconds: u32,
    /// Slice or full; for a call whose server has no `[[asterisk]]` section the whole grant is held in either case.
    pub reserve: Reserve,
    /// Limit of a call while the control link to its Asterisk is down.
    pub on_link_loss: OnLinkLoss,
    /// Treatment of new calls while the database is unavailable.
    pub when_database_down: WhenDatabaseDown,
    /// Maximum duration of any call in seconds.
    pub max_call_seconds: u32,
}

impl Default for Credit {
    fn default() -> Self {
        Self {
            slice_seconds: 120,
            reserve: Reserve::Slice,
            on_link_loss: OnLinkLoss::Cut,
            when_database_down: WhenDatabaseDown::Refuse,
            max_call_seconds: 14_400,
        }
    }
}

/// `[ledger]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ledger {
    /// Folder of settlements that wait for the database, mode 0700; by default beside the SQLite database, or
    /// `tollgate.spool`.
    pub spool_dir: Option<PathBuf>,
}

/// `[routing]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Routing {
    /// Maximum number of carriers offered to a call, cheapest first.
    pub max_routes: usize,
    /// Maximum ringing time of a call in seconds, all carriers together.
    pub ring_seconds: u32,
}

impl Default for Routing {
    fn default() -> Self {
        Self { max_routes: 3, ring_seconds: 90 }
    }
}

/// `[log]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A `tracing` filter, for example `info` or `tollgate=debug`.
    pub filter: String,
    /// Log one JSON object per line instead of text.
    pub json: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), json: false }
    }
}

/// Reason why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {file} cannot be read: {source}")]
    Unreadable {
        /// Path of the file.
        file: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is not valid TOML, or a key is unknown or of the wrong type.
    #[error("the configuration is not right: {0}")]
    Invalid(String),
    /// An environment variable matches no key.
    #[error("{variable} names no configuration key")]
    UnknownVariable {
        /// Name of the variable.
        variable: String,
    },
}

impl Config {
    /// Reads `file` (or the defaults), then applies the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?,
            None => String::new(),
        };
        Self::from_text(&text, std::env::vars())
    }

    /// Like [`Config::load`], with the given text and environment.
    pub fn from_text(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table: toml::Table = text.parse().map_err(|e| ConfigError::Invalid(format!("{e}")))?;
        let defaults =
            toml::Table::try_from(Self::default()).map_err(|e| ConfigError::Invalid(e.to_string()))?;
        for (variable, value) in environment {
            let Some(path) = variable.strip_prefix("TOLLGATE_") else { continue };
            let Some((section, key)) = path.split_once("__") else { continue };
            let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
            let Some(known) = defaults.get(&section).and_then(toml::Value::as_table) else {
                return Err(ConfigError::UnknownVariable { variable });
            };
            let value = environment_value(known.get(&key), value)
                .map_err(|reason| ConfigError::Invalid(format!("{variable}: {reason}")))?;
            let entry = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let Some(entry) = entry.as_table_mut() else {
                return Err(ConfigError::UnknownVariable { variable });
            };
            entry.insert(key, value);
        }
        let mut config: Self = table.try_into().map_err(|e| ConfigError::Invalid(format!("{e}")))?;
        config.load_secrets().map_err(ConfigError::Invalid)?;
        config.check()?;
        Ok(config)
    }

    /// Reads the secrets stored in files.
    fn load_secrets(&mut self) -> Result<(), String> {
        self.fastagi.load_secrets()?;
        self.realtime.load_secrets()?;
        for server in &mut self.asterisk {
            server.load_secrets()?;
        }
        self.database.load_secrets()?;
        self.internal.load_secrets()?;
        self.webphone.load_secrets()?;
        self.esim.load_secrets()?;
        self.sms.load_secrets()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |text: &str| Err(ConfigError::Invalid(text.to_owned()));
        if self.money.currency.len() != 3 || !self.money.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return wrong("money.currency must be three capital letters, for example EUR");
        }
        if self.credit.max_call_seconds == 0 || self.credit.max_call_seconds > 86_400 {
            return wrong("credit.max_call_seconds must be 1 to 86400");
        }
        if self.credit.slice_seconds == 0 {
            return wrong("credit.slice_seconds must be at least 1");
        }
        if self.routing.max_routes == 0 || self.routing.max_routes > 9 {
            return wrong("routing.max_routes must be 1 to 9");
        }
        if self.routing.ring_seconds == 0 || self.routing.ring_seconds > 600 {
            return wrong("routing.ring_seconds must be 1 to 600");
        }
        let caps = [
            ("fastagi.max_connections", self.fastagi.max_connections),
            ("fastagi.connections_per_address", self.fastagi.connections_per_address.unwrap_or(1)),
            ("http.max_connections", self.http.max_connections),
            ("http.connections_per_address", self.http.connections_per_address),
            ("internal.max_connections", self.internal.max_connections),
            ("internal.connections_per_address", self.internal.connections_per_address),
        ];
        if let Some((key, _)) = caps.iter().find(|(_, cap)| *cap == 0) {
            return wrong(&format!("{key} must be at least 1"));
        }
        let sections = [
            self.fastagi.check(),
            self.sip.check(),
            self.realtime.check(),
            self.http.check(),
            self.callerid.check(),
            self.webphone.check(),
            self.limits.check(),
            self.esim.check(),
            self.sms.check(),
            self.internal.check(),
            self.peers.check(),
        ];
        for checked in sections.into_iter().chain(self.asterisk.iter().map(Asterisk::check)) {
            checked.map_err(ConfigError::Invalid)?;
        }
        let mut names: Vec<&str> = self.asterisk.iter().map(|server| server.name.as_str()).collect();
        names.sort_unstable();
        if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next) {
            // Each of the two would end the calls that only the other knows.
            return wrong(&format!("asterisk.name: two [[asterisk]] sections are named {name}"));
        }
        Ok(())
    }

    /// Returns the path of the key file: as configured, else beside the SQLite database, else in the working directory.
    pub fn key_file(&self) -> PathBuf {
        if let Some(file) = &self.secrets.key_file {
            return file.clone();
        }
        self.beside_the_database("key")
    }

    /// Returns the spool's folder: as configured, else beside the SQLite database, else in the working directory.
    pub fn spool_dir(&self) -> PathBuf {
        self.ledger.spool_dir.clone().unwrap_or_else(|| self.beside_the_database("spool"))
    }

    /// Returns the path of the command socket: as configured, else beside the SQLite database, else in the working
    /// directory.
    pub fn command_socket(&self) -> PathBuf {
        let default = || self.beside_the_database("run").join("tollgate.sock");
        self.internal.socket.clone().unwrap_or_else(default)
    }

    /// Returns the file in which a simulator within this process stores its orders: beside an SQLite database,
    /// otherwise none, and the orders are in memory only.
    pub fn simulator_record(&self) -> Option<PathBuf> {
        self.database.url.sqlite_file().is_some().then(|| self.beside_the_database("esim-simulator"))
    }

    /// Returns `tollgate.EXTENSION`, named after and beside an SQLite database.
    fn beside_the_database(&self, extension: &str) -> PathBuf {
        match self.database.url.sqlite_file() {
            Some(path) => PathBuf::from(format!("{}.{extension}", path.strip_suffix(".db").unwrap_or(path))),
            None => PathBuf::from(format!("tollgate.{extension}")),
        }
    }
}

/// Converts an environment variable's text to the type of its key: text unchanged, everything else parsed as TOML.
fn environment_value(known: Option<&toml::Value>, text: String) -> Result<toml::Value, String> {
    match known {
        None | Some(toml::Value::String(_)) => Ok(toml::Value::String(text)),
        Some(_) => {
            let parsed: toml::Table =
                format!("value = {text}").parse().map_err(|_| format!("{text:?} is not a value for it"))?;
            parsed.get("value").cloned().ok_or_else(|| "no value".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn the_defaults_start_on_a_fresh_machine() {
        let config = Config::from_text("", []).unwrap();
        assert_eq!(config.database.url.reveal(), "sqlite://tollgate.db");
        assert_eq!(config.fastagi.listen.to_string(), "127.0.0.1:4573");
        assert_eq!(config.internal.listen.to_string(), "127.0.0.1:8081");
        assert_eq!(config.credit.max_call_seconds, 14_400);
        assert_eq!(config.key_file(), PathBuf::from("tollgate.key"));
        assert_eq!(config.command_socket(), PathBuf::from("tollgate.run/tollgate.sock"));
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = Config::from_text("[credit]\nslice_second = 5\n", []).unwrap_err().to_string();
        assert!(error.contains("slice_second"), "{error}");
        let error =
            Config::from_text("", env(&[("TOLLGATE_CREDIT__SLICE_SECOND", "5")])).unwrap_err().to_string();
        assert!(error.contains("slice_second"), "{error}");
        assert!(Config::from_text("", env(&[("TOLLGATE_NOWHERE__KEY", "5")])).is_err());
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = Config::from_text(
            "[credit]\nmax_call_seconds = 60\n[internal]\nmetrics_token = 'a'\n",
            env(&[
                ("TOLLGATE_CREDIT__MAX_CALL_SECONDS", "120"),
                ("TOLLGATE_INTERNAL__METRICS_TOKEN", "b"),
                ("TOLLGATE_FASTAGI__ALLOW", r#"["10.0.0.0/8"]"#),
                ("TOLLGATE_DATABASE__URL", "sqlite://other.db"),
                ("TOLLGATE_TEST_POSTGRES", "not a key"),
            ]),
        )
        .unwrap();
        assert_eq!(config.credit.max_call_seconds, 120);
        assert_eq!(config.internal.metrics_token.as_ref().map(Secret::reveal), Some("b"));
        assert_eq!(config.fastagi.allow.len(), 1);
        assert_eq!(config.key_file(), PathBuf::from("other.key"));
        assert_eq!(config.spool_dir(), PathBuf::from("other.spool"));
    }

    #[test]
    fn two_servers_of_one_name_are_refused_by_that_name() {
        let server =
            |name: &str| format!("[[asterisk]]\nname = '{name}'\nhost = 'h'\nusername = 'u'\nsecret = 's'\n");
        let of = |names: &[&str]| {
            Config::from_text(&names.iter().map(|name| server(name)).collect::<String>(), [])
        };
        assert_eq!(of(&["pbx1", "pbx2"]).unwrap().asterisk.len(), 2);
        let error = of(&["pbx1", "pbx2", "pbx1"]).unwrap_err().to_string();
        assert!(error.contains("asterisk.name") && error.contains("pbx1"), "{error}");
    }

    /// Every key of a secret: the lines before it, and its name.
    const SECRETS: [(&str, &str); 10] = [
        ("[fastagi]", "proof_secret"),
        ("[realtime]", "token"),
        ("[internal]", "metrics_token"),
        ("[webphone]\njanus_url = 'wss://h'\nsip_proxy = 'sip:h'", "janus_secret"),
        ("[esim]\nkind = 'esimaccess'", "access_code"),
        ("[esim]\nkind = 'esimaccess'\naccess_code = 'c'", "secret"),
        ("[esim]", "webhook_token"),
        ("[[asterisk]]\nname = 'n'\nhost = 'h'\nusername = 'u'", "secret"),
        ("[[sms.provider]]\nname = 'n'\nkind = 'http'\nurl = 'https://h'", "api_key"),
        ("[[sms.provider]]\nname = 'n'\nkind = 'smpp'\nhost = 'h'\nport = 1\nsystem_id = 'u'", "password"),
    ];

    fn secret_file(folder: &Path, secret: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = folder.join("secret");
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    #[test]
    fn every_secret_can_be_kept_in_a_file_and_is_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        for (section, key) in SECRETS {
            // An SMPP password has at most 8 characters.
            let secret = if key == "password" { "hunter22" } else { "hunter2hunter2hunter2hunter2" };
            let file = secret_file(folder.path(), secret).display().to_string();
            let direct = Config::from_text(&format!("{section}\n{key} = '{secret}'\n"), []).unwrap();
            let by_file = Config::from_text(&format!("{section}\n{key}_file = '{file}'\n"), []).unwrap();
            for config in [direct, by_file] {
                let shown = [
                    format!("{config:?}"),
                    serde_json::to_string(&config).unwrap(),
                    toml::to_string_pretty(&config).unwrap(),
                ];
                assert!(shown[2].contains(&format!("{key} = \"(set)\"")), "{section} {key}: {}", shown[2]);
                assert!(shown.iter().all(|text| !text.contains("hunter2")), "{section} {key}");
            }
            let both = format!("{section}\n{key} = '{secret}'\n{key}_file = '{file}'\n");
            let error = Config::from_text(&both, []).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{key} and ")) && error.contains(&format!("{key}_file")),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
            let missing = format!("{section}\n{key}_file = '{file}.none'\n");
            let error = Config::from_text(&missing, []).unwrap_err().to_string();
            assert!(error.contains(&format!("{key}_file: ")) && error.contains(".none"), "{error}");
        }
    }

    #[test]
    fn the_database_password_can_be_kept_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = secret_file(folder.path(), "hun@ter/2%41").display().to_string();
        let with = |url: &str| {
            Config::from_text(&format!("[database]\nurl = '{url}'\npassword_file = '{file}'\n"), [])
                .map_err(|error| error.to_string())
        };
        let config = with("postgres://u@h/db").unwrap();
        assert_eq!(config.database.url.reveal(), "postgres://u@h/db?password=hun%40ter%2F2%2541");
        for shown in [format!("{config:?}"), toml::to_string_pretty(&config).unwrap()] {
            assert!(shown.contains("postgres://u@h/db?password=(set)") && !shown.contains("hun"), "{shown}");
        }
        let error = with("postgres://u:hunter2@h/db").unwrap_err();
        assert!(error.contains("database.url") && error.contains("database.password_file"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(with("sqlite://a.db").unwrap_err().contains("database.password_file"));
    }

    #[test]
    fn an_asterisk_without_a_secret_is_refused() {
        let text = "[[asterisk]]\nname = 'n'\nhost = 'h'\nusername = 'u'\n";
        let error = Config::from_text(text, []).unwrap_err().to_string();
        assert!(error.contains("secret_file is required"), "{error}");
    }

    #[test]
    fn limits_are_checked() {
        for text in [
            "[credit]\nmax_call_seconds = 0\n",
            "[money]\ncurrency = 'euro'\n",
            "[routing]\nmax_routes = 0\n",
            "[fastagi]\nproof_secret = 'short'\n",
            "[fastagi]\nproof_secret = 'abcdefghijklmnopqrstuvwx,y'\n",
            "[http]\ntls_cert = 'a.pem'\n",
            "[credit]\nreserve = 'half'\n",
            "[sip]\nrealm = 'a:b'\n",
            "[realtime]\ntoken = 'a;b'\n",
            "[realtime]\ntoken = ''\n",
            "[internal]\nmetrics_token = ''\n",
            "[internal]\ntoken = 'a'\n",
            "[peers.endpoint]\nidentify_by = 'username,ip'\n",
            "[peers.endpoint]\nallow_transfer = 'yes'\n",
            "[peers]\nallow_ips = ['::/0']\n",
        ] {
            assert!(Config::from_text(text, []).is_err(), "{text}");
        }
    }
}
