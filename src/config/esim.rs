//! `[esim]`: where data packages are bought, and for how much they are sold.

use serde::{Deserialize, Serialize};
use tollgate_rating::plan::Markup;

use super::Secret;

/// Who sells to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EsimKind {
    /// Nobody: eSIMs are not sold.
    Off,
    /// The eSIM Access API.
    Esimaccess,
    /// A simulator inside of this process: nothing real is bought.
    Simulator,
}

/// `[esim]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Esim {
    /// Who sells to us.
    pub kind: EsimKind,
    /// The upstream's address.
    pub url: String,
    /// What the upstream knows us by.
    pub access_code: Option<Secret>,
    /// What requests to it are signed with; unsigned without it.
    pub secret: Option<Secret>,
    /// Hours between two readings of the upstream's catalogue.
    pub sync_hours: u32,
    /// What resellers pay above our cost, percent.
    pub reseller_markup_percent: String,
    /// What clients pay above our cost, percent.
    pub client_markup_percent: String,
    /// The secret part of the address that the upstream's webhooks come to; they are not taken without it.
    pub webhook_token: Option<Secret>,
    /// Minutes after which an order that the upstream has given no eSIM for is shown as stuck.
    pub stuck_minutes: u32,
    /// Minutes between two questions about the usage of one eSIM.
    pub usage_minutes: u32,
}

impl Default for Esim {
    fn default() -> Self {
        Self {
            kind: EsimKind::Off,
            url: "https://api.esimaccess.com".to_owned(),
            access_code: None,
            secret: None,
            sync_hours: 24,
            reseller_markup_percent: "10".to_owned(),
            client_markup_percent: "30".to_owned(),
            webhook_token: None,
            stuck_minutes: 10,
            usage_minutes: 180,
        }
    }
}

impl Esim {
    /// Whether eSIMs are sold.
    pub fn is_on(&self) -> bool {
        self.kind != EsimKind::Off
    }

    /// What is added to the cost: for resellers, for clients.
    pub fn markups(&self) -> Result<(Markup, Markup), String> {
        let read = |key: &str, text: &str| {
            text.parse::<Markup>().map_err(|error| format!("esim.{key}_markup_percent: {error}"))
        };
        Ok((read("reseller", &self.reseller_markup_percent)?, read("client", &self.client_markup_percent)?))
    }

    /// Why this is refused.
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
        let is_url = self.url.starts_with("https://") || self.url.starts_with("http://");
        if !is_url || self.url.parse::<axum::http::Uri>().is_err() {
            return Err("esim.url must be an address such as https://api.esimaccess.com".to_owned());
        }
        if self.kind == EsimKind::Esimaccess
            && self.access_code.as_ref().is_none_or(|code| code.reveal().is_empty())
        {
            return Err("esim.access_code is missing: the upstream gives it in its console".to_owned());
        }
        if self.secret.as_ref().is_some_and(|secret| secret.reveal().is_empty()) {
            return Err("esim.secret must not be empty: leave it out to send requests unsigned".to_owned());
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
