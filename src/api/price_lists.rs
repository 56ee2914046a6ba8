//! Search of price lists.

use tollgate_rating::plan::{PrefixPage, PriceList};

use super::error::ApiError;
use super::query::Page;

/// Longest search, in characters.
const MAX_SEARCH_CHARS: usize = 64;

/// A page of the prefixes of a price list that match `q`.
pub(super) fn search(list: &PriceList, q: Option<&str>, page: Page) -> Result<PrefixPage, ApiError> {
    let text = check_search(q.unwrap_or_default())?;
    let limit = usize::try_from(page.limit.0).unwrap_or(0);
    let offset = usize::try_from(page.offset.0).unwrap_or(usize::MAX);
    Ok(list.search(text, offset, limit))
}

fn check_search(q: &str) -> Result<&str, ApiError> {
    if q.chars().count() > MAX_SEARCH_CHARS || q.chars().any(char::is_control) {
        return Err(ApiError::bad_field("q", format!("at most {MAX_SEARCH_CHARS} printable characters")));
    }
    Ok(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_short_printable_text() {
        assert_eq!(check_search("Köln 4922"), Ok("Köln 4922"));
        assert!(check_search(&"é".repeat(MAX_SEARCH_CHARS)).is_ok());
        for bad in ["a\u{7}".to_owned(), "x".repeat(MAX_SEARCH_CHARS + 1)] {
            assert_eq!(check_search(&bad).unwrap_err().field.as_deref(), Some("q"), "{bad:?}");
        }
    }
}
