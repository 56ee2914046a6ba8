//! `[esim]`: the upstream that eSIMs are bought from, and the prices that they are sold at.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tollgate_rating::plan::Markup;

use super::kind::Section;
use super::secret::Secret;
use super::secret_file;

/// The keys of every kind.
const COMMON_KEYS: &[&str] = &[
    "sync_hours",
    "reseller_markup_percent",
    "client_markup_percent",
    "webhook_token",
    "webhook_token_file",
    "stuck_minutes",
    "usage_minutes",
];

/// The upstream, with the keys that only it has.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum EsimKind {
    /// None: eSIMs are not sold.
    Off,
    /// The eSIM Access API.
    Esimaccess(EsimAccess),
    /// A simulator inside of this process: nothing real is bought.
    Simulator,
}

/// The eSIM Access API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EsimAccess {
    /// Address of the API.
    pub url: String,
    /// Access code (`RT-AccessCode`).
    pub access_code: Option<Secret>,
    /// File that holds `access_code`.
    pub access_code_file: Option<PathBuf>,
    /// Secret that requests are signed with; they are unsigned without it.
    pub secret: Option<Secret>,
    /// File that holds `secret`.
    pub secret_file: Option<PathBuf>,
}

impl Default for EsimAccess {
    fn default() -> Self {
        Self {
            url: "https://api.esimaccess.com".to_owned(),
            access_code: None,
            access_code_file: None,
            secret: None,
            secret_file: None,
        }
    }
}

impl EsimAccess {
    fn load_secrets(&mut self) -> Result<(), String> {
        secret_file::load("esim.access_code", &mut self.access_code, self.access_code_file.as_deref())?;
        secret_file::load("esim.secret", &mut self.secret, self.secret_file.as_deref())
    }

    fn check(&self) -> Result<(), String> {
        let is_url = self.url.starts_with("https://") || self.url.starts_with("http://");
        let Ok(url) = self.url.parse::<axum::http::Uri>() else {
            return Err("esim.url must be an address such as https://api.esimaccess.com".to_owned());
        };
        // The address is shown by `check-config` and by logs.
        if !is_url || url.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return Err(
                "esim.url must be an address such as https://api.esimaccess.com, without a user".to_owned()
            );
        }
        if self.access_code.as_ref().is_none_or(Secret::is_empty) {
            return Err(
                "esim.access_code or esim.access_code_file is required: the upstream gives it in its console"
                    .to_owned(),
            );
        }
        if self.secret.as_ref().is_some_and(Secret::is_empty) {
            return Err("esim.secret must not be empty: leave it out to send requests unsigned".to_owned());
        }
        Ok(())
    }
}

/// `[esim]`
#[derive(Clone, Debug, Serialize)]
pub struct Esim {
    /// The upstream.
    #[serde(flatten)]
    pub kind: EsimKind,
    /// Hours between two readings of the upstream's catalogue.
    pub sync_hours: u32,
    /// Markup of resellers on the cost, percent.
    pub reseller_markup_percent: String,
    /// Markup of clients on the cost, percent.
    pub client_markup_percent: String,
    /// The secret part of the address that the upstream's webhooks come to; they are refused without it.
    pub webhook_token: Option<Secret>,
    /// File that holds `webhook_token`.
    pub webhook_token_file: Option<PathBuf>,
    /// Minutes after which an order without an eSIM is shown as stuck.
    pub stuck_minutes: u32,
    /// Minutes between two questions about the usage of one eSIM.
    pub usage_minutes: u32,
}

impl Default for Esim {
    fn default() -> Self {
        Self::new(EsimKind::Off, Common::default())
    }
}

/// The keys of every kind.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Common {
    sync_hours: u32,
    reseller_markup_percent: String,
    client_markup_percent: String,
    webhook_token: Option<Secret>,
    webhook_token_file: Option<PathBuf>,
    stuck_minutes: u32,
    usage_minutes: u32,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            sync_hours: 24,
            reseller_markup_percent: "10".to_owned(),
            client_markup_percent: "30".to_owned(),
            webhook_token: None,
            webhook_token_file: None,
            stuck_minutes: 10,
            usage_minutes: 180,
        }
    }
}

/// A kind without keys of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoKeys {}

impl<'de> Deserialize<'de> for Esim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(toml::Table::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Esim {
    fn new(kind: EsimKind, common: Common) -> Self {
        Self {
            kind,
            sync_hours: common.sync_hours,
            reseller_markup_percent: common.reseller_markup_percent,
            client_markup_percent: common.client_markup_percent,
            webhook_token: common.webhook_token,
            webhook_token_file: common.webhook_token_file,
            stuck_minutes: common.stuck_minutes,
            usage_minutes: common.usage_minutes,
        }
    }

    fn read(keys: toml::Table) -> Result<Self, String> {
        let section = Section::new("[esim]".to_owned(), keys, COMMON_KEYS, Some("off"))?;
        let kind = match section.kind() {
            "off" => section.of_kind().map(|NoKeys {}| EsimKind::Off)?,
            "simulator" => section.of_kind().map(|NoKeys {}| EsimKind::Simulator)?,
            "esimaccess" => EsimKind::Esimaccess(section.of_kind()?),
            _ => return Err(section.unknown_kind("off, esimaccess, simulator")),
        };
        Ok(Self::new(kind, section.common()?))
    }

    /// Reports whether eSIMs are sold.
    pub fn is_on(&self) -> bool {
        !matches!(self.kind, EsimKind::Off)
    }

    /// The markups on the cost: of resellers, of clients.
    pub fn markups(&self) -> Result<(Markup, Markup), String> {
        let read = |key: &str, text: &str| {
            text.parse::<Markup>().map_err(|error| format!("esim.{key}_markup_percent: {error}"))
        };
        Ok((read("reseller", &self.reseller_markup_percent)?, read("client", &self.client_markup_percent)?))
    }

    /// Reads the secrets that are kept in files.
    pub(super) fn load_secrets(&mut self) -> Result<(), String> {
        if let EsimKind::Esimaccess(settings) = &mut self.kind {
            settings.load_secrets()?;
        }
        secret_file::load("esim.webhook_token", &mut self.webhook_token, self.webhook_token_file.as_deref())
    }

    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        let (reseller, client) = self.markups()?;
        if client.millionths() < reseller.millionths() {
            return Err(
                "esim.client_markup_percent is below esim.reseller_markup_percent: resellers would lose \
                        with every eSIM"
                    .to_owned(),
            );
        }
        if !(1..=8_760).contains(&self.sync_hours) {
            return Err("esim.sync_hours must be 1 to 8760".to_owned());
        }
        if self.stuck_minutes == 0 || self.usage_minutes == 0 {
            return Err("esim.stuck_minutes and esim.usage_minutes must be at least 1".to_owned());
        }
        if let EsimKind::Esimaccess(settings) = &self.kind {
            settings.check()?;
        }
        if let Some(token) = self.webhook_token.as_ref().map(Secret::reveal)
            && (token.len() < 16
                || token.len() > 128
                || !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
        {
            return Err(
                "esim.webhook_token must be 16 to 128 letters, digits, - and _: it is a password".to_owned()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn error(section: &str) -> String {
        Config::from_text(&format!("[esim]\n{section}"), []).unwrap_err().to_string()
    }

    #[test]
    fn each_kind_has_its_own_keys() {
        let esim = |section: &str| Config::from_text(&format!("[esim]\n{section}"), []).unwrap().esim;
        assert!(!Config::from_text("", []).unwrap().esim.is_on());
        assert!(!esim("sync_hours = 5\n").is_on(), "the default kind is off");
        assert!(matches!(esim("kind = 'simulator'\nstuck_minutes = 1\n").kind, EsimKind::Simulator));
        match esim("kind = 'esimaccess'\naccess_code = 'code'\n").kind {
            EsimKind::Esimaccess(settings) => assert_eq!(settings.url, "https://api.esimaccess.com"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wrong_key_is_refused_by_name() {
        for (section, named) in [
            ("kind = 'simulator'\nurl = 'http://h'\n", "`url`"),
            ("access_code = 'code'\n", "`access_code`"),
            ("kind = 'simulator'\naccess_code_file = 'f'\n", "`access_code_file`"),
            ("kind = 'off'\nsecret_file = 'f'\n", "`secret_file`"),
            ("kind = 'esimaccess'\n", "esim.access_code_file"),
            ("kind = 'esimaccess'\naccess_code = 'code'\nurl = 'https://u:p@h'\n", "without a user"),
            ("kind = 'esimaccess'\naccess_code = 'code'\nsecrets = 'x'\n", "`secrets`"),
            ("kind = 'esimaccess'\naccess_code = 5\n", "access_code: it must be text"),
            ("kind = 'off'\nsync_hours = 'x'\n", "sync_hours: "),
            ("kind = 'offf'\n", "off, esimaccess, simulator"),
            ("kind = 5\n", "kind must be text"),
        ] {
            let error = error(section);
            assert!(error.contains(named), "{section}: {error}");
        }
        let error = error("kind = 'simulator'\nurl = 'http://h'\n");
        assert!(error.contains("with kind = \"simulator\"") && error.contains("sync_hours"), "{error}");
    }
}
