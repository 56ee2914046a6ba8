//! Pages of price lists, as several APIs show them.

use tollgate_rating::plan::{PrefixPage, PriceList};

use super::error::ApiError;
use super::query::{Limit, Offset};

/// The longest text that a price list is searched for.
const MAX_WANTED_CHARS: usize = 64;

/// A page of the prefixes of a price list that match `q`.
pub(super) fn search(
    list: &PriceList,
    q: Option<String>,
    (limit, offset): (Limit, Offset),
) -> Result<PrefixPage, ApiError> {
    let wanted = q.unwrap_or_default();
    if wanted.chars().count() > MAX_WANTED_CHARS || wanted.chars().any(char::is_control) {
        return Err(ApiError::bad_field("q", format!("at most {MAX_WANTED_CHARS} printable characters")));
    }
    let limit = usize::try_from(limit.0).unwrap_or(0);
    let offset = usize::try_from(offset.0).unwrap_or(usize::MAX);
    Ok(list.search(&wanted, offset, limit))
}
