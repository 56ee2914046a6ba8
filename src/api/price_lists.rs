//! Pages of price lists, as several APIs show them.

use jiff::Timestamp;
use tollgate_rating::PricedTariff;

use super::error::ApiError;
use super::query::{Limit, Offset};
use crate::catalog::price_list::{self, PrefixPage};

/// The longest text that a price list is searched for.
const MAX_WANTED_CHARS: usize = 64;

/// A page of the prefixes that a plan sells now and that match `q`.
pub(super) async fn search(
    priced: PricedTariff,
    q: Option<String>,
    (limit, offset): (Limit, Offset),
    at: Timestamp,
) -> Result<PrefixPage, ApiError> {
    let wanted = q.unwrap_or_default();
    if wanted.chars().count() > MAX_WANTED_CHARS || wanted.chars().any(char::is_control) {
        return Err(ApiError::bad_field("q", format!("at most {MAX_WANTED_CHARS} printable characters")));
    }
    let limit = usize::try_from(limit.0).unwrap_or(0);
    let offset = usize::try_from(offset.0).unwrap_or(usize::MAX);
    let found =
        tokio::task::spawn_blocking(move || price_list::find(&priced, &wanted, offset, limit, at)).await;
    found.map_err(|error| ApiError::fault(&error))
}
