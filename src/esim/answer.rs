//! What the upstream's answers are made of, and what they say.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::upstream::{Country, Listed, MAX_TEXT, Network, UpstreamError, is_volume};
use super::wire::{Code, Truth, Whole};

/// The most a package can cost: a million of the currency.
const MAX_PRICE_E4: i64 = 1_000_000 * 10_000;
/// The longest duration of a package, in its unit.
const MAX_DURATION: i64 = 100_000;
/// Countries of a package that are kept; there are less than 250.
const MAX_COUNTRIES: usize = 300;
/// Networks of a country that are kept.
const MAX_NETWORKS: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope<T> {
    pub(crate) success: Truth,
    #[serde(default)]
    pub(crate) error_code: Option<Code>,
    #[serde(default, alias = "errorMessage")]
    pub(crate) error_msg: Option<String>,
    pub(crate) obj: Option<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageList {
    pub(crate) package_list: Vec<Box<serde_json::value::RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageRow {
    pub(crate) package_code: String,
    #[serde(default)]
    pub(crate) slug: Option<String>,
    pub(crate) name: String,
    pub(crate) price: Whole,
    pub(crate) currency_code: String,
    pub(crate) volume: Whole,
    pub(crate) duration: Whole,
    pub(crate) duration_unit: String,
    #[serde(default)]
    pub(crate) location: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) location_network_list: Option<Vec<Country>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ordered {
    pub(crate) order_no: String,
    #[serde(default)]
    pub(crate) transaction_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EsimList {
    pub(crate) esim_list: Vec<EsimRow>,
    #[serde(default)]
    pub(crate) pager: Option<Pager>,
}

#[derive(Deserialize)]
pub(crate) struct Pager {
    /// Rows of all pages.
    pub(crate) total: Whole,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EsimRow {
    pub(crate) esim_tran_no: String,
    #[serde(default)]
    pub(crate) order_no: Option<String>,
    #[serde(default)]
    pub(crate) transaction_id: Option<String>,
    #[serde(default)]
    pub(crate) iccid: Option<String>,
    #[serde(default)]
    pub(crate) ac: Option<String>,
    #[serde(default)]
    pub(crate) esim_status: Option<String>,
    #[serde(default)]
    pub(crate) total_volume: Option<Whole>,
    #[serde(default)]
    pub(crate) order_usage: Option<Whole>,
    #[serde(default)]
    pub(crate) expired_time: Option<String>,
}

/// The usage stands in `esimUsageList`, or is the list itself: both were recorded.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum UsageList {
    Named {
        #[serde(rename = "esimUsageList")]
        list: Vec<serde_json::Value>,
    },
    Bare(Vec<serde_json::Value>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageRow {
    pub(crate) esim_tran_no: String,
    pub(crate) data_usage: Whole,
    pub(crate) total_data: Whole,
}

#[derive(Deserialize)]
pub(crate) struct BalanceRow {
    pub(crate) balance: Whole,
}

/// What an envelope holds, or why nothing.
pub(crate) fn understood<T: DeserializeOwned>(body: &[u8]) -> Result<T, UpstreamError> {
    let unknown = |reason: String| UpstreamError::Unknown(reason);
    let envelope: Envelope<Box<serde_json::value::RawValue>> =
        serde_json::from_slice(body).map_err(|error| unknown(format!("an answer that is none: {error}")))?;
    if envelope.success.0 {
        let obj = envelope.obj.ok_or_else(|| unknown("a success without an object".to_owned()))?;
        return serde_json::from_str(obj.get())
            .map_err(|error| unknown(format!("an answer that is none: {error}")));
    }
    let code = envelope.error_code.unwrap_or_default().0;
    let message: String =
        envelope.error_msg.unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    Err(match code.as_str() {
        "200010" => UpstreamError::NotYet,
        "200005" | "200006" | "200007" | "200008" | "200011" => UpstreamError::Refused { code, message },
        other if is_refusal(other) => UpstreamError::Refused { code, message },
        _ => unknown(format!("{code} {message}")),
    })
}

/// Whether a code says no for good: about the request itself, or about a thing that does not exist.
fn is_refusal(code: &str) -> bool {
    code.len() == 6 && ["0001", "1010", "3102", "3104"].iter().any(|kind| code.starts_with(kind))
}

/// A text of the upstream's as it can be kept and shown.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

fn plain_country(country: Country) -> Country {
    let networks = country.networks.into_iter().take(MAX_NETWORKS);
    Country {
        name: plain(&country.name),
        code: country.code.as_deref().map(plain),
        networks: networks
            .map(|network| Network { operator: plain(&network.operator), kind: plain(&network.kind) })
            .collect(),
    }
}

/// A package of the list, if it is one that can be sold.
pub(crate) fn listed(row: &str) -> Result<Listed, String> {
    let row: PackageRow = serde_json::from_str(row).map_err(|error| error.to_string())?;
    let PackageRow { package_code: code, name, price, volume, duration, .. } = row;
    let is_code = |text: &str| {
        (1..=50).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    if !is_code(&code) {
        return Err(format!("{code:.60} is no code"));
    }
    if !(1..=MAX_PRICE_E4).contains(&price.0)
        || !is_volume(volume.0)
        || !(1..=MAX_DURATION).contains(&duration.0)
    {
        return Err(format!("{code}: price, volume or duration is out of range"));
    }
    let is_currency =
        row.currency_code.len() == 3 && row.currency_code.bytes().all(|b| b.is_ascii_uppercase());
    if !is_currency {
        return Err(format!("{code}: its currency is none"));
    }
    Ok(Listed {
        slug: plain(&row.slug.unwrap_or_default()),
        name: plain(&name),
        description: plain(&row.description.unwrap_or_default()),
        price_e4: price.0,
        currency: row.currency_code,
        volume_bytes: volume.0,
        duration: duration.0,
        duration_unit: plain(&row.duration_unit),
        locations: row
            .location
            .split(',')
            .map(|code| code.trim().to_owned())
            .filter(|code| (1..=8).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic()))
            .take(MAX_COUNTRIES)
            .collect(),
        coverage: row
            .location_network_list
            .unwrap_or_default()
            .into_iter()
            .take(MAX_COUNTRIES)
            .map(plain_country)
            .collect(),
        code,
    })
}
