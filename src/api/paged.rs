//! The answer of every list: its rows under the list's name, with `limit`, `offset` and `total` beside them.

use std::borrow::Cow;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::query::{MAX_LIMIT, Page};

/// A list that is answered in pages.
pub trait List: 'static {
    /// A row.
    type Row: Serialize + ToSchema + Send;
    /// The name of the member that holds the rows.
    const KEY: &'static str;
    /// Contents and order of the rows, for the documentation.
    const DESCRIPTION: &'static str;

    /// The name of the row's schema; a generic row names its instance.
    fn row_name() -> Cow<'static, str> {
        <Self::Row as ToSchema>::name()
    }
}

/// A page of a list.
pub struct Paged<L: List> {
    rows: Vec<L::Row>,
    page: Page,
    total: i64,
}

impl<L: List> std::fmt::Debug for Paged<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct(L::KEY)
            .field("rows", &self.rows.len())
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

impl<L: List> Paged<L> {
    /// A page whose rows were read alone; `total` counts those of the whole list.
    pub fn new(rows: impl IntoIterator<Item = impl Into<L::Row>>, page: Page, total: i64) -> Self {
        Self { rows: rows.into_iter().map(Into::into).collect(), page, total }
    }

    /// A page of a list that is in memory, `row` making a row of each item on it.
    pub fn cut<T>(items: impl IntoIterator<Item = T>, page: Page, row: impl FnMut(T) -> L::Row) -> Self {
        let (items, total) = cut(items.into_iter().collect(), page);
        Self { rows: items.into_iter().map(row).collect(), page, total }
    }
}

/// The items of a page, and the number of all.
pub fn cut<T>(items: Vec<T>, page: Page) -> (Vec<T>, i64) {
    let total = count(items.len());
    let number = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    (items.into_iter().skip(number(page.offset.0)).take(number(page.limit.0)).collect(), total)
}

/// A number of items, as answers show it.
pub fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

impl<L: List> Serialize for Paged<L> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(Some(4))?;
        members.serialize_entry(L::KEY, &self.rows)?;
        members.serialize_entry("limit", &self.page.limit.0)?;
        members.serialize_entry("offset", &self.page.offset.0)?;
        members.serialize_entry("total", &self.total)?;
        members.end()
    }
}

impl<L: List> PartialSchema for Paged<L> {
    fn schema() -> RefOr<Schema> {
        let number = |description: &str| {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::Int64)))
                .description(Some(description))
        };
        let rows = ArrayBuilder::new()
            .items(Ref::from_schema_name(L::row_name()))
            .description(Some(L::DESCRIPTION))
            .max_items(usize::try_from(MAX_LIMIT).ok());
        ObjectBuilder::new()
            .property(L::KEY, rows)
            .property("limit", number("Maximum number of rows of this page."))
            .property("offset", number("Number of rows skipped."))
            .property("total", number("Number of rows in the whole list."))
            .required(L::KEY)
            .required("limit")
            .required("offset")
            .required("total")
            .into()
    }
}

impl<L: List> ToSchema for Paged<L> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}_Page", L::row_name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        L::Row::schemas(schemas);
        schemas.push((L::row_name().into_owned(), L::Row::schema()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::query::{Limit, Offset};

    #[derive(Serialize, ToSchema)]
    struct Digit(i64);

    impl From<i64> for Digit {
        fn from(digit: i64) -> Self {
            Self(digit)
        }
    }

    struct Digits;

    impl List for Digits {
        type Row = Digit;
        const KEY: &'static str = "digits";
        const DESCRIPTION: &'static str = "Digits, ascending.";
    }

    fn cut_page(limit: i64, offset: i64) -> String {
        let page = Page { limit: Limit(limit), offset: Offset(offset) };
        serde_json::to_string(&Paged::<Digits>::cut(0_i64..5, page, Digit)).unwrap()
    }

    #[test]
    fn a_page_has_its_rows_and_the_total_of_the_list() {
        assert_eq!(cut_page(2, 1), r#"{"digits":[1,2],"limit":2,"offset":1,"total":5}"#);
        assert_eq!(cut_page(200, 5), r#"{"digits":[],"limit":200,"offset":5,"total":5}"#);
        let page = Page { limit: Limit(2), offset: Offset(0) };
        let read = Paged::<Digits>::new([3_i64], page, 9);
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"digits":[3],"limit":2,"offset":0,"total":9}"#);
    }

    #[test]
    fn the_schema_refers_to_the_row_and_describes_every_member() {
        let schema = serde_json::to_value(Paged::<Digits>::schema()).unwrap();
        assert_eq!(schema["properties"]["digits"]["items"]["$ref"], "#/components/schemas/Digit");
        assert_eq!(schema["required"], serde_json::json!(["digits", "limit", "offset", "total"]));
        for member in schema["properties"].as_object().unwrap().values() {
            assert!(member["description"].is_string(), "{member}");
        }
    }
}
