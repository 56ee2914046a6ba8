//! The ways out that the configuration names.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::connector::{Connector, Receipts};
use super::http::{self, Http};
use super::simulator::Simulator;
use super::smpp::{self, Smpp};
use crate::clock::Clock;
use crate::config::{Config, LongMessages, Secret, SmsKind, SmsProvider};
use crate::dial::Tls;

/// Where times of seven.io's receipts are from.
const HTTP_ZONE: &str = "Europe/Berlin";

/// Why the ways out cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersError {
    /// What is configured cannot be used.
    #[error("{0}")]
    Configuration(String),
}

/// A way out, with what the service must know of it.
#[derive(Clone, Debug)]
pub struct Provider {
    /// What the API calls it.
    pub name: String,
    /// What people call it; a simulator's says that it is one.
    pub title: String,
    /// Messages a second that it is given at most.
    pub rate_per_second: u32,
    /// What it bills in, ISO 4217.
    pub currency: String,
    /// The way out itself.
    pub connector: Arc<dyn Connector>,
}

/// All of them, in the configuration's order.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    providers: Vec<Provider>,
    default: usize,
}

impl Providers {
    /// Opens those of the configuration: each begins to connect. Must be called where tasks can be spawned.
    pub fn open(
        config: &Config,
        receipts: &Arc<dyn Receipts>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ProvidersError> {
        let open = |provider: &SmsProvider| {
            let connector = connect(provider, receipts, clock).map_err(ProvidersError::Configuration)?;
            let mark = if provider.kind == SmsKind::Simulator { " (simulator)" } else { "" };
            Ok(Provider {
                name: provider.name.clone(),
                title: format!("{}{mark}", provider.title()),
                rate_per_second: provider.rate_per_second,
                currency: provider.currency.clone().unwrap_or_else(|| config.money.currency.clone()),
                connector,
            })
        };
        let providers = config.sms.provider.iter().map(open).collect::<Result<Vec<_>, ProvidersError>>()?;
        let is_default = |provider: &Provider| Some(&provider.name) == config.sms.default_provider.as_ref();
        let default = providers.iter().position(is_default).unwrap_or(0);
        Ok(Self { providers, default })
    }

    /// All of them, in the configuration's order.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// The one for messages whose sender names none; `None` where there are no providers.
    pub fn default_provider(&self) -> Option<&Provider> {
        self.providers.get(self.default)
    }

    /// Ends their connections and tasks.
    pub async fn close(&self) {
        futures::future::join_all(self.providers.iter().map(|provider| provider.connector.close())).await;
    }
}

fn connect(
    provider: &SmsProvider,
    receipts: &Arc<dyn Receipts>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Connector>, String> {
    let seconds = |value: Option<u32>, default| Duration::from_secs(u64::from(value.unwrap_or(default)));
    let zone = |default: &str| {
        let name = provider.time_zone.as_deref().unwrap_or(default);
        TimeZone::get(name).map_err(|error| format!("sms.provider {}: time_zone: {error}", provider.name))
    };
    let missing = |key: &str| format!("sms.provider {}: {key} is missing", provider.name);
    let text = |value: &Option<String>, key| value.clone().ok_or_else(|| missing(key));
    let secret = |value: &Option<Secret>, key| value.clone().ok_or_else(|| missing(key));
    Ok(match provider.kind {
        SmsKind::Http => Arc::new(Http::new(http::Settings {
            name: provider.name.clone(),
            url: text(&provider.url, "url")?,
            api_key: secret(&provider.api_key, "api_key")?,
            authorities: provider.tls_ca.clone(),
            zone: zone(HTTP_ZONE)?,
            limits: http::Limits::default(),
        })?),
        SmsKind::Smpp => {
            let host = text(&provider.host, "host")?;
            let tls = (provider.tls == Some(true)).then(|| Tls {
                authorities: provider.tls_ca.clone(),
                name: provider.tls_name.clone().unwrap_or_else(|| host.clone()),
            });
            let settings = smpp::Settings {
                name: provider.name.clone(),
                host,
                port: provider.port.ok_or_else(|| missing("port"))?,
                system_id: text(&provider.system_id, "system_id")?,
                password: secret(&provider.password, "password")?,
                system_type: provider.system_type.clone().unwrap_or_default(),
                tls,
                window: provider.window.unwrap_or(10),
                long_messages: provider.long_messages.unwrap_or(LongMessages::Udh),
                zone: zone("UTC")?,
                timing: smpp::Timing::new(
                    seconds(provider.response_timeout_seconds, 20),
                    seconds(provider.enquire_link_seconds, 30),
                ),
            };
            Arc::new(Smpp::start(settings, Arc::clone(receipts)))
        }
        SmsKind::Simulator => {
            let latency = Duration::from_millis(u64::from(provider.latency_ms.unwrap_or(1_000)));
            Arc::new(Simulator::new(&provider.name, latency, Arc::clone(receipts), Arc::clone(clock)))
        }
    })
}
