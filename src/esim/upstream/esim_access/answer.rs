//! The answers of the API, parsed.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::wire::{Code, Truth, Whole};
use crate::esim::upstream::{Country, ListedPackage, Network, ProfileState, UpstreamError};

/// The longest text that is kept.
const MAX_TEXT: usize = 200;
/// The largest data volume of a package: a petabyte.
const MAX_VOLUME: i64 = 1 << 50;
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
    pub(crate) location_network_list: Option<Vec<CountryRow>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CountryRow {
    #[serde(default)]
    location_name: String,
    /// ISO 3166; older entries have none.
    #[serde(default)]
    location_code: Option<String>,
    #[serde(default)]
    operator_list: Vec<NetworkRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkRow {
    #[serde(default)]
    operator_name: String,
    #[serde(default)]
    network_type: String,
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

/// The usage is in `esimUsageList`, or is the list itself: both were recorded.
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

/// Parses an answer: the object of its envelope, or the error.
pub(crate) fn parse_answer<T: DeserializeOwned>(body: &[u8]) -> Result<T, UpstreamError> {
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
        other if has_group(other, ["0001", "1010"]) => UpstreamError::Rejected { code, message },
        other if has_group(other, ["3102", "3104"]) => UpstreamError::Refused { code, message },
        _ => unknown(format!("{code} {message}")),
    })
}

/// Reports whether a code belongs to one of these groups: its first four digits.
fn has_group(code: &str, groups: [&str; 2]) -> bool {
    code.len() == 6 && groups.iter().any(|group| code.starts_with(group))
}

/// The state of an eSIM.
pub(super) fn profile_state(state: String) -> ProfileState {
    match state.as_str() {
        "GOT_RESOURCE" | "CREATE" => ProfileState::Allocated,
        "IN_USE" | "SUSPENDED" => ProfileState::InUse,
        "USED_UP" => ProfileState::UsedUp,
        "USED_EXPIRED" | "UNUSED_EXPIRED" => ProfileState::Expired,
        "CANCEL" => ProfileState::Cancelled,
        "REVOKED" | "REVOKE" => ProfileState::Revoked,
        _ => ProfileState::Other(state),
    }
}

/// Reports whether a number can be a data volume.
pub(super) fn is_volume(bytes: i64) -> bool {
    (0..=MAX_VOLUME).contains(&bytes)
}

/// Reports whether a text can be kept and shown as it is.
pub(super) fn is_short(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.contains(char::is_control)
}

/// A text, made fit to be kept and shown.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

fn plain_country(row: CountryRow) -> Country {
    let networks = row.operator_list.into_iter().take(MAX_NETWORKS);
    Country {
        name: plain(&row.location_name),
        code: row.location_code.as_deref().map(plain),
        networks: networks
            .map(|network| Network {
                operator: plain(&network.operator_name),
                kind: plain(&network.network_type),
            })
            .collect(),
    }
}

/// Parses a package of the list, if it can be sold.
pub(crate) fn parse_package(row: &str) -> Result<ListedPackage, String> {
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
    Ok(ListedPackage {
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
