//! The configured providers.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::connector::{Connector, Receipts};
use super::http::{self, Http};
use super::simulator::Simulator;
use super::smpp::{self, Smpp};
use crate::clock::Clock;
use crate::config::{Config, SmsKind, SmsProvider};
use crate::dial::Tls;

/// Time zone of the times in seven.io's receipts.
const HTTP_ZONE: &str = "Europe/Berlin";

/// Errors of opening the providers.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersError {
    /// The configuration of a provider cannot be used.
    #[error("{0}")]
    Configuration(String),
}

/// An open provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Name in the API.
    pub name: String,
    /// Name shown to people; a simulator's says that it is one.
    pub title: String,
    /// Most messages a second.
    pub rate_per_second: u32,
    /// Billing currency, ISO 4217.
    pub currency: String,
    /// The connector.
    pub connector: Arc<dyn Connector>,
}

/// All providers, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    providers: Vec<Provider>,
    default: usize,
}

impl Providers {
    /// Opens the configured providers: each begins to connect. Must be called within a Tokio runtime.
    pub fn open(
        config: &Config,
        receipts: &Arc<dyn Receipts>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ProvidersError> {
        let open = |provider: &SmsProvider| {
            let connector = connect(provider, receipts, clock).map_err(ProvidersError::Configuration)?;
            let mark = if provider.is_simulator() { " (simulator)" } else { "" };
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

    /// All providers, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.providers.iter()
    }

    /// The provider of this name.
    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// The provider of messages that name none; `None` if no provider is configured.
    pub fn default_provider(&self) -> Option<&Provider> {
        self.providers.get(self.default)
    }

    /// Closes their connections and ends their tasks.
    pub async fn close(&self) {
        futures::future::join_all(self.providers.iter().map(|provider| provider.connector.close())).await;
    }
}

fn connect(
    provider: &SmsProvider,
    receipts: &Arc<dyn Receipts>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Connector>, String> {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let zone = |name: &Option<String>, default: &str| {
        let name = name.as_deref().unwrap_or(default);
        TimeZone::get(name).map_err(|error| format!("sms.provider {}: time_zone: {error}", provider.name))
    };
    let name = provider.name.clone();
    Ok(match &provider.kind {
        SmsKind::Http(http) => Arc::new(Http::new(http::Settings {
            name,
            url: http.url.clone(),
            api_key: http.api_key.clone().unwrap_or_default(),
            authorities: http.tls_ca.clone(),
            zone: zone(&http.time_zone, HTTP_ZONE)?,
            limits: http::Limits::default(),
        })?),
        SmsKind::Smpp(smpp) => {
            let tls = smpp.tls.then(|| Tls {
                authorities: smpp.tls_ca.clone(),
                name: smpp.tls_name.clone().unwrap_or_else(|| smpp.host.clone()),
            });
            let settings = smpp::Settings {
                name,
                host: smpp.host.clone(),
                port: smpp.port,
                system_id: smpp.system_id.clone(),
                password: smpp.password.clone().unwrap_or_default(),
                system_type: smpp.system_type.clone(),
                tls,
                window: smpp.window,
                long_messages: smpp.long_messages,
                zone: zone(&smpp.time_zone, "UTC")?,
                timing: smpp::Timing::new(
                    seconds(smpp.response_timeout_seconds),
                    seconds(smpp.enquire_link_seconds),
                ),
            };
            Arc::new(Smpp::start(settings, Arc::clone(receipts)))
        }
        SmsKind::Simulator(simulator) => {
            let latency = Duration::from_millis(u64::from(simulator.latency_ms));
            Arc::new(Simulator::new(&name, latency, Arc::clone(receipts), Arc::clone(clock)))
        }
    })
}
