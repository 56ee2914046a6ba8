//! `[sms]`: the providers that send messages.

use std::path::PathBuf;

use hyper::Uri;
use jiff::tz::TimeZone;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::kind::Section;
use super::secret::Secret;
use super::secret_file;

/// The keys of a provider of every kind.
const COMMON_KEYS: &[&str] = &["name", "title", "rate_per_second", "currency"];

/// `[sms]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sms {
    /// Provider of messages that name none; the first one when not set.
    pub default_provider: Option<String>,
    /// IANA name of the time zone of scheduled times.
    pub time_zone: String,
    /// Seconds for which a message that no provider accepts is tried again.
    pub retry_for_seconds: u32,
    /// The providers.
    pub provider: Vec<SmsProvider>,
}

impl Default for Sms {
    fn default() -> Self {
        Self {
            default_provider: None,
            time_zone: "UTC".to_owned(),
            retry_for_seconds: 600,
            provider: Vec::new(),
        }
    }
}

/// Encoding of a text of several segments over SMPP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongMessages {
    /// Divided into parts with a concatenation header.
    Udh,
    /// Whole, in `message_payload`: the SMSC divides it.
    Payload,
}

/// `[[sms.provider]]`
#[derive(Clone, Debug, Serialize)]
pub struct SmsProvider {
    /// Name in the API.
    pub name: String,
    /// Name shown to people; the name when not set.
    pub title: Option<String>,
    /// Most messages a second.
    pub rate_per_second: u32,
    /// Billing currency; `money.currency` when not set.
    pub currency: Option<String>,
    /// The protocol, with the keys that only it has.
    #[serde(flatten)]
    pub kind: SmsKind,
}

/// The protocol of a provider, with the keys that only it has.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SmsKind {
    /// HTTP as of seven.io.
    Http(SmsHttp),
    /// SMPP 3.4.
    Smpp(SmsSmpp),
    /// None: messages are accepted and not sent.
    Simulator(SmsSimulator),
}

/// A provider over HTTP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsHttp {
    /// Address before `/sms`, `/status` and `/journal/outbound`.
    pub url: String,
    /// API key.
    pub api_key: Option<Secret>,
    /// File that holds `api_key`.
    pub api_key_file: Option<PathBuf>,
    /// IANA name of the time zone of the times in receipts.
    pub time_zone: Option<String>,
    /// PEM file of the certificate authorities; the system's when not set.
    pub tls_ca: Option<PathBuf>,
}

/// A provider over SMPP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsSmpp {
    /// Host of the SMSC.
    pub host: String,
    /// Port of the SMSC.
    pub port: u16,
    /// System id.
    pub system_id: String,
    /// Password, at most 8 characters.
    pub password: Option<Secret>,
    /// File that holds `password`.
    pub password_file: Option<PathBuf>,
    /// System type; most SMSCs want none.
    #[serde(default)]
    pub system_type: String,
    /// True if TLS is used.
    #[serde(default)]
    pub tls: bool,
    /// PEM file of the certificate authorities; the system's when not set.
    pub tls_ca: Option<PathBuf>,
    /// Name in the certificate; the host when not set.
    pub tls_name: Option<String>,
    /// IANA name of the time zone of the times in receipts.
    pub time_zone: Option<String>,
    /// Most messages submitted and not answered yet.
    #[serde(default = "default_window")]
    pub window: u16,
    /// Encoding of texts of several segments.
    #[serde(default = "default_long_messages")]
    pub long_messages: LongMessages,
    /// Seconds of silence after which `enquire_link` is sent.
    #[serde(default = "default_enquire_link")]
    pub enquire_link_seconds: u32,
    /// Seconds that an answer may take.
    #[serde(default = "default_response_timeout")]
    pub response_timeout_seconds: u32,
}

/// A simulated provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsSimulator {
    /// Milliseconds from accepting a message to its receipt.
    #[serde(default = "default_latency")]
    pub latency_ms: u32,
}

const fn default_rate() -> u32 {
    10
}

const fn default_window() -> u16 {
    10
}

const fn default_long_messages() -> LongMessages {
    LongMessages::Udh
}

const fn default_enquire_link() -> u32 {
    30
}

const fn default_response_timeout() -> u32 {
    20
}

const fn default_latency() -> u32 {
    1_000
}

/// The keys of every kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    name: String,
    title: Option<String>,
    #[serde(default = "default_rate")]
    rate_per_second: u32,
    currency: Option<String>,
}

impl<'de> Deserialize<'de> for SmsProvider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(toml::Table::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl SmsProvider {
    /// A provider that accepts every message and sends none.
    pub fn simulator(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: Some(title.to_owned()),
            rate_per_second: default_rate(),
            currency: None,
            kind: SmsKind::Simulator(SmsSimulator { latency_ms: default_latency() }),
        }
    }

    fn read(keys: toml::Table) -> Result<Self, String> {
        let name = keys.get("name").and_then(toml::Value::as_str).unwrap_or_default();
        let section = Section::new(format!("[[sms.provider]] {name}"), keys, COMMON_KEYS, None)?;
        let kind = match section.kind() {
            "http" => SmsKind::Http(section.of_kind()?),
            "smpp" => SmsKind::Smpp(section.of_kind()?),
            "simulator" => SmsKind::Simulator(section.of_kind()?),
            _ => return Err(section.unknown_kind("http, smpp, simulator")),
        };
        let Common { name, title, rate_per_second, currency } = section.common()?;
        Ok(Self { name, title, rate_per_second, currency, kind })
    }

    /// Its title, or its name.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// Reports whether it is simulated.
    pub const fn is_simulator(&self) -> bool {
        matches!(self.kind, SmsKind::Simulator(_))
    }

    /// Reports whether passwords and texts go to it in clear.
    pub fn is_unencrypted(&self) -> bool {
        match &self.kind {
            SmsKind::Http(http) => http.url.starts_with("http://"),
            SmsKind::Smpp(smpp) => !smpp.tls,
            SmsKind::Simulator(_) => false,
        }
    }

    fn load_secrets(&mut self) -> Result<(), String> {
        match &mut self.kind {
            SmsKind::Http(http) => {
                secret_file::load("api_key", &mut http.api_key, http.api_key_file.as_deref())
            }
            SmsKind::Smpp(smpp) => {
                secret_file::load("password", &mut smpp.password, smpp.password_file.as_deref())
            }
            SmsKind::Simulator(_) => Ok(()),
        }
        .map_err(|reason| format!("[[sms.provider]] {}: {reason}", self.name))
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |reason: &str| Err(format!("[[sms.provider]] {}: {reason}", self.name));
        let fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if !(1..=32).contains(&self.name.len()) || !self.name.bytes().all(fits) {
            return Err(format!("sms.provider.name: {:?} must be 1 to 32 of a-z, 0-9, _ and -", self.name));
        }
        let title_fits =
            |title: &str| (1..=64).contains(&title.chars().count()) && !title.chars().any(char::is_control);
        if !title_fits(self.title()) {
            return wrong("title must be 1 to 64 characters");
        }
        if !(1..=10_000).contains(&self.rate_per_second) {
            return wrong("rate_per_second must be 1 to 10000");
        }
        if let Some(currency) = &self.currency
            && (currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()))
        {
            return wrong("currency must be three capital letters, for example EUR");
        }
        let (time_zone, reason) = match &self.kind {
            SmsKind::Http(http) => (&http.time_zone, http.error()),
            SmsKind::Smpp(smpp) => (&smpp.time_zone, smpp.error()),
            SmsKind::Simulator(simulator) => (&None, simulator.error()),
        };
        if let Some(zone) = time_zone
            && TimeZone::get(zone).is_err()
        {
            return wrong(&format!("time_zone: {zone:?} is not the name of a time zone"));
        }
        reason.map_or(Ok(()), wrong)
    }
}

impl SmsHttp {
    fn error(&self) -> Option<&'static str> {
        // The address itself is not shown: it may hold a password.
        let Ok(parsed) = self.url.parse::<Uri>() else { return Some("url is no address") };
        let scheme_fits = matches!(parsed.scheme_str(), Some("http" | "https"));
        let has_user = parsed.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if !scheme_fits || parsed.host().is_none_or(str::is_empty) || has_user || parsed.query().is_some() {
            return Some("url must be http:// or https:// with a host, without a user and without ?");
        }
        if self.tls_ca.is_some() && parsed.scheme_str() != Some("https") {
            return Some("tls_ca has no effect without https");
        }
        let Some(key) = self.api_key.as_ref().map(Secret::reveal) else {
            return Some("with kind = \"http\": `api_key` or `api_key_file` is required");
        };
        if !(1..=256).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Some("api_key must be 1 to 256 printable characters without spaces");
        }
        None
    }
}

impl SmsSmpp {
    fn error(&self) -> Option<&'static str> {
        let fits = |text: &str, longest: usize| {
            text.len() <= longest && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        };
        if self.host.is_empty() || self.port == 0 {
            return Some("host must not be empty and port not 0");
        }
        if self.system_id.is_empty() || !fits(&self.system_id, 15) {
            return Some("system_id must be 1 to 15 printable characters");
        }
        let Some(password) = self.password.as_ref().map(Secret::reveal) else {
            return Some("with kind = \"smpp\": `password` or `password_file` is required");
        };
        if !fits(password, 8) {
            return Some("password must be at most 8 printable characters: SMPP has room for no more");
        }
        if !fits(&self.system_type, 12) {
            return Some("system_type must be at most 12 printable characters");
        }
        if !self.tls && (self.tls_ca.is_some() || self.tls_name.is_some()) {
            return Some("tls_ca and tls_name have no effect without tls = true");
        }
        if !(1..=1_000).contains(&self.window) {
            return Some("window must be 1 to 1000");
        }
        if !(1..=600).contains(&self.enquire_link_seconds) {
            return Some("enquire_link_seconds must be 1 to 600");
        }
        // A submission is waited for no longer than 30 seconds.
        if !(1..=25).contains(&self.response_timeout_seconds) {
            return Some("response_timeout_seconds must be 1 to 25");
        }
        None
    }
}

impl SmsSimulator {
    fn error(&self) -> Option<&'static str> {
        (self.latency_ms > 600_000).then_some("latency_ms must be at most 600000")
    }
}

impl Sms {
    /// Reads the secrets that are kept in files.
    pub(super) fn load_secrets(&mut self) -> Result<(), String> {
        self.provider.iter_mut().try_for_each(SmsProvider::load_secrets)
    }

    /// Checks the section and its providers.
    pub(super) fn check(&self) -> Result<(), String> {
        if TimeZone::get(&self.time_zone).is_err() {
            return Err(format!("sms.time_zone: {:?} is not the name of a time zone", self.time_zone));
        }
        if !(1..=86_400).contains(&self.retry_for_seconds) {
            return Err("sms.retry_for_seconds must be 1 to 86400".to_owned());
        }
        for (at, provider) in self.provider.iter().enumerate() {
            provider.check()?;
            if self.provider[..at].iter().any(|earlier| earlier.name == provider.name) {
                return Err(format!("sms.provider.name: two providers are named {}", provider.name));
            }
        }
        match &self.default_provider {
            Some(name) if !self.provider.iter().any(|provider| provider.name == *name) => {
                Err(format!("sms.default_provider: no [[sms.provider]] is named {name:?}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const SMPP: &str = "kind = 'smpp'\nhost = 'h'\nport = 2775\nsystem_id = 'us'\npassword = 'hunter2'\n";

    fn with(provider: &str) -> Result<Config, String> {
        let text = format!("[[sms.provider]]\nname = 'one'\n{provider}");
        Config::from_text(&text, []).map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_needs_little() {
        let sms = with(SMPP).unwrap().sms;
        assert_eq!((sms.provider[0].title(), sms.provider[0].rate_per_second), ("one", 10));
        with("kind = 'simulator'\n").unwrap();
        with("kind = 'http'\nurl = 'https://gateway.example/api'\napi_key = 'k'\n").unwrap();
        assert_eq!(Config::from_text("", []).unwrap().sms.retry_for_seconds, 600);
    }

    #[test]
    fn a_key_of_another_kind_or_one_that_is_missing_is_refused_by_name() {
        for (provider, named) in [
            ("kind = 'simulator'\nurl = 'http://h'\n", "url"),
            ("kind = 'simulator'\npassword = 'x'\n", "password"),
            ("kind = 'simulator'\npassword_file = 'f'\n", "password_file"),
            ("kind = 'smpp'\nhost = 'h'\nport = 1\nsystem_id = 'us'\napi_key_file = 'f'\n", "api_key_file"),
            ("kind = 'http'\nurl = 'http://h'\n", "api_key"),
            ("kind = 'http'\nurl = 'http://h'\napi_key = 'k'\nwindow = 3\n", "window"),
            ("kind = 'smpp'\nhost = 'h'\nport = 1\nsystem_id = 'us'\n", "password"),
            ("kind = 'simulator'\nlatency = 5\n", "latency"),
        ] {
            let error = with(provider).unwrap_err();
            assert!(error.contains(&format!("`{named}`")), "{named}: {error}");
            assert!(error.contains("[[sms.provider]] one") && error.contains("with kind = "), "{error}");
        }
        let error = with("kind = 'http'\nurl = 5\napi_key = 'k'\n").unwrap_err();
        assert!(error.contains("[[sms.provider]] one: with kind = \"http\": url: "), "{error}");
        let error = with("kind = 'simulator'\nlatency = 5\n").unwrap_err();
        assert!(error.contains("`latency_ms`") && error.contains("rate_per_second"), "{error}");
        assert!(with("kind = 'fax'\n").unwrap_err().contains("http, smpp, simulator"));
        assert!(with("").unwrap_err().contains("kind is required"));
        let smpp = |more: &str| with(&format!("{SMPP}{more}")).unwrap_err();
        assert!(smpp("latency_ms = 5\n").contains("latency_ms"));
        assert!(smpp("tls_name = 'n'\n").contains("tls = true"));
        assert!(smpp("response_timeout_seconds = 60\n").contains("response_timeout_seconds"));
    }

    #[test]
    fn names_zones_and_limits_are_checked() {
        for text in [
            "[sms]\ntime_zone = 'Mars/Olympus'\n",
            "[sms]\nretry_for_seconds = 0\n",
            "[sms]\ndefault_provider = 'nobody'\n",
            "[[sms.provider]]\nname = 'Big'\nkind = 'simulator'\n",
            "[[sms.provider]]\nname = 'a'\nkind = 'simulator'\n[[sms.provider]]\nname = 'a'\nkind = 'simulator'\n",
            "[[sms.provider]]\nname = 'a'\nkind = 'simulator'\nrate_per_second = 0\n",
            "[[sms.provider]]\nname = 'a'\nkind = 'simulator'\ncurrency = 'euro'\n",
            "[[sms.provider]]\nname = 'a'\nkind = 'http'\napi_key = 'k'\nurl = 'ftp://h'\n",
            "[[sms.provider]]\nname = 'a'\nkind = 'http'\napi_key = 'k'\nurl = 'https://u:p@h/'\n",
            "[[sms.provider]]\nname = 'a'\nkind = 'http'\napi_key = 'k'\nurl = 'https://h'\ntime_zone = 'X'\n",
        ] {
            assert!(Config::from_text(text, []).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_are_shown_by_nothing() {
        let config = with(SMPP).unwrap();
        let shown = [
            format!("{config:?}"),
            serde_json::to_string(&config).unwrap(),
            toml::to_string_pretty(&config).unwrap(),
            with(&SMPP.replace("'hunter2'", "12345678")).unwrap_err(),
            with("kind = 'http'\nurl = 'https://user:hunter2@h'\napi_key = 'k'\n").unwrap_err(),
        ];
        for text in shown {
            assert!(!text.contains("hunter2") && !text.contains("12345678"), "{text}");
        }
        let SmsKind::Smpp(smpp) = &config.sms.provider[0].kind else { panic!("not SMPP") };
        assert_eq!(smpp.password.as_ref().map(Secret::reveal), Some("hunter2"));
    }
}
