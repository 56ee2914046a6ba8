//! Trunks: carriers and how they are dialled.

use jiff::Timestamp;
use tollgate_rating::plan::BlockRounding;

use super::{AdminError, FEED_TRUNK, check_name, invalid, parse_zone, tariff_of_kind};
use crate::catalog::TariffKind;
use crate::store::{Store, TrunkRow, to_micros};

/// The longest endpoint name or host: Asterisk cuts names at 79 characters.
const MAX_DIALLED_NAME: usize = 79;
/// The most digits that can be removed from or put in front.
const MAX_DIGITS: usize = 15;
/// The largest weight: shares are summed in 64 bits.
const MAX_WEIGHT: u32 = 1_000_000;

/// A trunk to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkSpec {
    /// Its name.
    pub name: String,
    /// The PJSIP endpoint.
    pub endpoint: String,
    /// The host of the dialled URI; the endpoint's own contact where none.
    pub host: Option<String>,
    /// The tariff it is bought by.
    pub tariff: String,
    /// Breaks ties of price: the lower first.
    pub priority: u32,
    /// Breaks ties of priority: its share of the calls.
    pub weight: u32,
    /// IANA name of the zone of the tariff's windows and dates.
    pub zone: String,
    /// The rounding to the increment.
    pub block_rounding: BlockRounding,
    /// The most calls at once.
    pub max_calls: Option<u32>,
    /// Digits removed from the front if the number begins with them.
    pub strip: String,
    /// Digits put in front afterwards.
    pub prepend: String,
}

impl TrunkSpec {
    /// A trunk with nothing set beside what it needs.
    pub fn new(name: &str, endpoint: &str, tariff: &str) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            host: None,
            tariff: tariff.to_owned(),
            priority: 100,
            weight: 1,
            zone: "UTC".to_owned(),
            block_rounding: BlockRounding::default(),
            max_calls: None,
            strip: String::new(),
            prepend: String::new(),
        }
    }
}

/// A dial string goes through `MSet` and `Dial`: a comma, `&`, a quote or `${` in it would be another destination.
fn check_characters(field: &'static str, text: &str, marks: &str) -> Result<(), AdminError> {
    let safe = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    if text.is_empty() || text.len() > MAX_DIALLED_NAME {
        return Err(invalid(field, format!("1 to {MAX_DIALLED_NAME} characters")));
    }
    if !text.chars().all(safe) {
        return Err(invalid(field, format!("only letters, digits and {marks} can stand in it")));
    }
    Ok(())
}

fn check_digits(field: &'static str, text: &str, plus: bool) -> Result<(), AdminError> {
    let digits = if plus { text.strip_prefix('+').unwrap_or(text) } else { text };
    if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(field, format!("at most {MAX_DIGITS} digits")));
    }
    Ok(())
}

/// A port behind the host's colon must be one: the call would fail with the carrier never asked.
fn check_port(host: &str) -> Result<(), AdminError> {
    let authority = host.split(';').next().unwrap_or(host);
    match authority.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => match port.parse::<u16>() {
            Ok(1..) => Ok(()),
            _ => Err(invalid("host", format!("{port} is no port"))),
        },
        _ => Ok(()),
    }
}

/// Makes a trunk.
pub async fn create(store: &Store, spec: &TrunkSpec, now: Timestamp) -> Result<TrunkRow, AdminError> {
    check_name("name", &spec.name)?;
    check_characters("name", &spec.name, "._-")?;
    check_characters("endpoint", &spec.endpoint, "+._-")?;
    if let Some(host) = &spec.host {
        check_characters("host", host, ".:;=_-")?;
        check_port(host)?;
    }
    check_digits("strip", &spec.strip, false)?;
    check_digits("prepend", &spec.prepend, true)?;
    if spec.weight == 0 || spec.weight > MAX_WEIGHT {
        return Err(invalid("weight", format!("1 to {MAX_WEIGHT}")));
    }
    parse_zone(&spec.zone)?;

    let mut tx = store.begin().await?;
    let trunk_id = tx.catalog_ids(1).await?;
    if tx.trunks().await?.iter().any(|trunk| trunk.name == spec.name) {
        return Err(AdminError::Exists { what: "trunk", name: spec.name.clone() });
    }
    let tariff = tariff_of_kind(&mut tx, &spec.tariff, TariffKind::Voice).await?;
    let trunk = TrunkRow {
        trunk_id,
        name: spec.name.clone(),
        endpoint: spec.endpoint.clone(),
        host: spec.host.clone(),
        tariff_id: tariff.tariff_id,
        priority: i64::from(spec.priority),
        weight: i64::from(spec.weight),
        zone: spec.zone.clone(),
        block_rounding: spec.block_rounding.to_string(),
        max_calls: spec.max_calls.map(i64::from),
        strip: spec.strip.clone(),
        prepend: spec.prepend.clone(),
        active: true,
        created_at: to_micros(now),
    };
    tx.insert_trunk(&trunk, now).await?;
    tx.append_feed(FEED_TRUNK, trunk_id, now).await?;
    tx.commit().await?;
    Ok(trunk)
}

/// Every trunk, by name.
pub async fn list(store: &Store) -> Result<Vec<TrunkRow>, AdminError> {
    Ok(store.trunks().await?)
}
