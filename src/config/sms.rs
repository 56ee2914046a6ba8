//! What messages are sent with.

use std::path::PathBuf;

use hyper::Uri;
use jiff::tz::TimeZone;

use serde::{Deserialize, Serialize};

use super::{Config, Secret};

/// `[sms]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sms {
    /// The provider of messages whose sender names none; the first one when not set.
    pub default_provider: Option<String>,
    /// The IANA name of the zone whose local time scheduled times are read and written in.
    pub time_zone: String,
    /// How long a message that no provider takes is tried again.
    pub retry_for_seconds: u32,
    /// The ways out.
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

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmsKind {
    /// HTTP as seven.io and those that are like it speak it.
    Http,
    /// SMPP 3.4.
    Smpp,
    /// Nobody: what is sent is taken and goes nowhere.
    Simulator,
}

/// How a text of several segments goes over SMPP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongMessages {
    /// Cut into parts that each say what they are part of.
    Udh,
    /// Whole, in `message_payload`: the SMSC cuts.
    Payload,
}

/// `[[sms.provider]]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsProvider {
    /// What the API calls it.
    pub name: String,
    /// What people call it; the name when not set.
    pub title: Option<String>,
    /// How it is spoken to.
    pub kind: SmsKind,
    /// Messages a second that it is given at most.
    #[serde(default = "default_rate")]
    pub rate_per_second: u32,
    /// What it bills in; `money.currency` when not set.
    pub currency: Option<String>,
    /// The IANA name of the zone that the times in its receipts are of.
    pub time_zone: Option<String>,
    /// http: the address before `/sms`, `/status` and `/journal/outbound`.
    pub url: Option<String>,
    /// http: the key.
    pub api_key: Option<Secret>,
    /// smpp: where the SMSC listens.
    pub host: Option<String>,
    /// smpp: its port.
    pub port: Option<u16>,
    /// smpp: who we are there.
    pub system_id: Option<String>,
    /// smpp: the password, at most 8 characters.
    pub password: Option<Secret>,
    /// smpp: what some SMSCs want beside the name.
    pub system_type: Option<String>,
    /// smpp: whether TLS is spoken.
    pub tls: Option<bool>,
    /// http, smpp: PEM file of the authorities that its certificate may be from; the system's own when not set.
    pub tls_ca: Option<PathBuf>,
    /// smpp: the name that its certificate bears; the host when not set.
    pub tls_name: Option<String>,
    /// smpp: messages given and not answered yet, at most.
    pub window: Option<u16>,
    /// smpp: how long texts go.
    pub long_messages: Option<LongMessages>,
    /// smpp: seconds of silence after which the SMSC is asked whether it is there.
    pub enquire_link_seconds: Option<u32>,
    /// smpp: seconds that an answer may take.
    pub response_timeout_seconds: Option<u32>,
    /// simulator: milliseconds from taking a message to its receipt.
    pub latency_ms: Option<u32>,
}

const fn default_rate() -> u32 {
    10
}

impl SmsProvider {
    /// One that takes everything and sends nothing.
    pub fn simulator(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: Some(title.to_owned()),
            kind: SmsKind::Simulator,
            rate_per_second: default_rate(),
            currency: None,
            time_zone: None,
            url: None,
            api_key: None,
            host: None,
            port: None,
            system_id: None,
            password: None,
            system_type: None,
            tls: None,
            tls_ca: None,
            tls_name: None,
            window: None,
            long_messages: None,
            enquire_link_seconds: None,
            response_timeout_seconds: None,
            latency_ms: None,
        }
    }

    /// Its title, or its name.
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// The keys of other kinds that are set, and those of this kind that are not and must be.
    fn keys(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        use SmsKind::{Http, Simulator, Smpp};
        let (none, http, smpp): (&[SmsKind], &[SmsKind], &[SmsKind]) = (&[], &[Http], &[Smpp]);
        let both: &[SmsKind] = &[Http, Smpp];
        let rows: [(&str, bool, &[SmsKind], &[SmsKind]); 17] = [
            ("url", self.url.is_some(), http, http),
            ("api_key", self.api_key.is_some(), http, http),
            ("time_zone", self.time_zone.is_some(), both, none),
            ("host", self.host.is_some(), smpp, smpp),
            ("port", self.port.is_some(), smpp, smpp),
            ("system_id", self.system_id.is_some(), smpp, smpp),
            ("password", self.password.is_some(), smpp, smpp),
            ("system_type", self.system_type.is_some(), smpp, none),
            ("tls", self.tls.is_some(), smpp, none),
            ("tls_ca", self.tls_ca.is_some(), both, none),
            ("tls_name", self.tls_name.is_some(), smpp, none),
            ("window", self.window.is_some(), smpp, none),
            ("long_messages", self.long_messages.is_some(), smpp, none),
            ("enquire_link_seconds", self.enquire_link_seconds.is_some(), smpp, none),
            ("response_timeout_seconds", self.response_timeout_seconds.is_some(), smpp, none),
            ("latency_ms", self.latency_ms.is_some(), &[Simulator], none),
            ("kind", true, &[Http, Smpp, Simulator], none),
        ];
        let strange = rows.iter().filter(|row| row.1 && !row.2.contains(&self.kind)).map(|row| row.0);
        let missing = rows.iter().filter(|row| !row.1 && row.3.contains(&self.kind)).map(|row| row.0);
        (strange.collect(), missing.collect())
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
        let (strange, missing) = self.keys();
        let kind = match self.kind {
            SmsKind::Http => "http",
            SmsKind::Smpp => "smpp",
            SmsKind::Simulator => "simulator",
        };
        if let Some(key) = strange.first() {
            return wrong(&format!("{key} has no meaning with kind = \"{kind}\""));
        }
        if let Some(key) = missing.first() {
            return wrong(&format!("{key} is required with kind = \"{kind}\""));
        }
        if !(1..=10_000).contains(&self.rate_per_second) {
            return wrong("rate_per_second must be 1 to 10000");
        }
        if let Some(currency) = &self.currency
            && (currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()))
        {
            return wrong("currency must be three capital letters, for example EUR");
        }
        if let Some(zone) = &self.time_zone
            && TimeZone::get(zone).is_err()
        {
            return wrong(&format!("time_zone: {zone:?} is not the name of a time zone"));
        }
        if let Some(reason) = self.wrong_http().or_else(|| self.wrong_smpp()) {
            return wrong(reason);
        }
        if self.latency_ms.is_some_and(|ms| ms > 600_000) {
            return wrong("latency_ms must be at most 600000");
        }
        Ok(())
    }

    fn wrong_http(&self) -> Option<&'static str> {
        if let Some(url) = &self.url {
            // The address itself is not shown: it may hold a password.
            let Ok(parsed) = url.parse::<Uri>() else { return Some("url is no address") };
            let scheme_fits = matches!(parsed.scheme_str(), Some("http" | "https"));
            let has_user = parsed.authority().is_some_and(|authority| authority.as_str().contains('@'));
            if !scheme_fits || parsed.host().is_none_or(str::is_empty) || has_user || parsed.query().is_some()
            {
                return Some("url must be http:// or https:// with a host, without a user and without ?");
            }
            if self.tls_ca.is_some() && parsed.scheme_str() != Some("https") {
                return Some("tls_ca has no effect without https");
            }
        }
        let key_fits = |key: &Secret| {
            (1..=256).contains(&key.reveal().len()) && key.reveal().bytes().all(|b| b.is_ascii_graphic())
        };
        if self.api_key.as_ref().is_some_and(|key| !key_fits(key)) {
            return Some("api_key must be 1 to 256 printable characters without spaces");
        }
        None
    }

    fn wrong_smpp(&self) -> Option<&'static str> {
        let fits = |text: &str, longest: usize| {
            text.len() <= longest && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        };
        if self.host.as_deref() == Some("") || self.port == Some(0) {
            return Some("host must not be empty and port not 0");
        }
        if self.system_id.as_ref().is_some_and(|text| text.is_empty() || !fits(text, 15)) {
            return Some("system_id must be 1 to 15 printable characters");
        }
        if self.password.as_ref().is_some_and(|text| !fits(text.reveal(), 8)) {
            return Some("password must be at most 8 printable characters: SMPP has room for no more");
        }
        if self.system_type.as_ref().is_some_and(|text| !fits(text, 12)) {
            return Some("system_type must be at most 12 printable characters");
        }
        if self.kind == SmsKind::Smpp
            && self.tls != Some(true)
            && (self.tls_ca.is_some() || self.tls_name.is_some())
        {
            return Some("tls_ca and tls_name have no effect without tls = true");
        }
        if self.window.is_some_and(|window| !(1..=1_000).contains(&window)) {
            return Some("window must be 1 to 1000");
        }
        if self.enquire_link_seconds.is_some_and(|seconds| !(1..=600).contains(&seconds)) {
            return Some("enquire_link_seconds must be 1 to 600");
        }
        // Whoever gives a message waits no longer than 30 seconds.
        if self.response_timeout_seconds.is_some_and(|seconds| !(1..=25).contains(&seconds)) {
            return Some("response_timeout_seconds must be 1 to 25");
        }
        None
    }
}

/// Why what messages are sent with is refused.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let sms = &config.sms;
    if TimeZone::get(&sms.time_zone).is_err() {
        return Err(format!("sms.time_zone: {:?} is not the name of a time zone", sms.time_zone));
    }
    if !(1..=86_400).contains(&sms.retry_for_seconds) {
        return Err("sms.retry_for_seconds must be 1 to 86400".to_owned());
    }
    for (at, provider) in sms.provider.iter().enumerate() {
        provider.check()?;
        if sms.provider[..at].iter().any(|earlier| earlier.name == provider.name) {
            return Err(format!("sms.provider.name: two providers are named {}", provider.name));
        }
    }
    match &sms.default_provider {
        Some(name) if !sms.provider.iter().any(|provider| provider.name == *name) => {
            Err(format!("sms.default_provider: no [[sms.provider]] is named {name:?}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("kind = 'http'\nurl = 'http://h'\n", "api_key"),
            ("kind = 'http'\nurl = 'http://h'\napi_key = 'k'\nwindow = 3\n", "window"),
            ("kind = 'smpp'\nhost = 'h'\nport = 1\nsystem_id = 'us'\n", "password"),
            ("kind = 'simulator'\nlatency = 5\n", "latency"),
        ] {
            let error = with(provider).unwrap_err();
            assert!(error.contains(named), "{named}: {error}");
        }
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
        assert_eq!(config.sms.provider[0].password.as_ref().unwrap().reveal(), "hunter2");
    }
}
