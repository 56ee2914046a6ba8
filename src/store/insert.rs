//! Inserts many rows per statement: a round trip per row would slow down a group commit on `PostgreSQL`.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::{Session, Side, StoreError, on};

/// Numbers of rows per statement, largest first: few distinct texts, so that each is prepared once per connection.
const CHUNKS: [usize; 3] = [64, 8, 1];

/// Binds every value of a chunk.
macro_rules! bound {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match *value {
                Value::Int(number) => query.bind(number),
                Value::IntOr(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::TextOr(text) => query.bind(text),
                Value::Bool(yes) => query.bind(yes),
            };
        }
        query
    }};
}

/// A column's value in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Int(i64),
    IntOr(Option<i64>),
    Text(&'a str),
    TextOr(Option<&'a str>),
    Bool(bool),
}

/// A statement over many rows, with its texts for each chunk size.
#[derive(Debug)]
pub(crate) struct ManyRows {
    name: &'static str,
    columns: usize,
    texts: [Text; CHUNKS.len()],
}

/// The text of a statement in the form that each database parses fastest.
///
/// `PostgreSQL` knows only numbered placeholders. To `SQLite` a numbered placeholder is a name, and the driver looks up
/// each name in a list of all of them: with a thousand placeholders that takes longer than inserting the rows.
#[derive(Debug)]
struct Text {
    numbered: Arc<str>,
    plain: Arc<str>,
}

impl Text {
    fn on(&self, side: &Side<'_>) -> Arc<str> {
        Arc::clone(match side {
            Side::Sqlite(_) => &self.plain,
            Side::Postgres(_) => &self.numbered,
        })
    }
}

impl ManyRows {
    /// Creates an INSERT; `columns` is its list, `suffix` follows the values (ON CONFLICT, RETURNING).
    pub(crate) fn insert(table: &'static str, columns: &'static str, suffix: &str) -> Self {
        let marks = vec!["$"; columns.split(',').count()];
        Self::new(table, &format!("INSERT INTO {table} ({columns}) VALUES "), &marks, suffix)
    }

    /// Creates a DELETE of the rows with the given call keys.
    pub(crate) fn delete_calls(table: &'static str) -> Self {
        // `PostgreSQL` cannot infer a placeholder's type in VALUES from the left side.
        let marks = ["CAST($ AS TEXT)", "CAST($ AS TEXT)", "CAST($ AS BIGINT)"];
        Self::new(
            table,
            &format!("DELETE FROM {table} WHERE (server, unique_id, leg) IN (VALUES "),
            &marks,
            ")",
        )
    }

    fn new(name: &'static str, prefix: &str, marks: &[&str], suffix: &str) -> Self {
        let text = |values: String| format!("{prefix}{values}{suffix}").into();
        let texts = CHUNKS.map(|rows| Text {
            numbered: text(values(marks, rows, |number| format!("${number}"))),
            plain: text(values(marks, rows, |_| "?".to_owned())),
        });
        Self { name, columns: marks.len(), texts }
    }

    /// Returns the number of values per row.
    pub(crate) const fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the texts that both databases understand, with names, for the test that prepares them all. The other
    /// texts differ only in their placeholders.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (String, String)> {
        CHUNKS
            .iter()
            .zip(&self.texts)
            .map(|(rows, text)| (format!("{} x {rows}", self.name), text.numbered.to_string()))
    }

    /// Executes the statement for the rows, whose values follow each other in the columns' order.
    pub(crate) async fn execute(
        &self,
        session: &mut impl Session,
        values: &[Value<'_>],
    ) -> Result<(), StoreError> {
        debug_assert_eq!(values.len() % self.columns, 0, "whole rows only");
        let mut rest = values;
        while let Some((text, chunk, after)) = self.next_chunk(rest) {
            let text = text.on(&session.side());
            on!(session, c => bound!(sqlx::query(AssertSqlSafe(text)), chunk).execute(c).await.map(drop))?;
            rest = after;
        }
        Ok(())
    }

    /// Inserts the rows and returns the number named in the suffix's RETURNING for each inserted row.
    pub(crate) async fn returning(
        &self,
        session: &mut impl Session,
        values: &[Value<'_>],
    ) -> Result<Vec<i64>, StoreError> {
        debug_assert_eq!(values.len() % self.columns, 0, "whole rows only");
        let (mut rest, mut inserted) = (values, Vec::new());
        while let Some((text, chunk, after)) = self.next_chunk(rest) {
            let text = text.on(&session.side());
            let rows: Vec<(i64,)> =
                on!(session, c => bound!(sqlx::query_as(AssertSqlSafe(text)), chunk).fetch_all(c).await)?;
            inserted.extend(rows.into_iter().map(|(number,)| number));
            rest = after;
        }
        Ok(inserted)
    }

    /// Returns the largest chunk that the remaining values fill, its text, and the rest.
    fn next_chunk<'v, 'a>(
        &self,
        values: &'v [Value<'a>],
    ) -> Option<(&Text, &'v [Value<'a>], &'v [Value<'a>])> {
        let rows = values.len() / self.columns;
        let size = CHUNKS.iter().position(|chunk| *chunk <= rows)?;
        let (chunk, rest) = values.split_at(CHUNKS[size] * self.columns);
        Some((&self.texts[size], chunk, rest))
    }
}

/// Formats `($1,$2),($3,$4)`: the placeholders of each row, numbered consecutively; `mark` formats a placeholder.
fn values(marks: &[&str], rows: usize, mark: impl Fn(usize) -> String) -> String {
    let groups: Vec<String> = (0..rows)
        .map(|row| {
            let columns = marks.iter().zip(row * marks.len() + 1..);
            let numbered = columns.map(|(column, number)| column.replace('$', &mark(number)));
            format!("({})", numbered.collect::<Vec<_>>().join(","))
        })
        .collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_the_largest_chunks_that_they_fill() {
        let insert = ManyRows::insert("t", "a, b", "");
        let values = vec![Value::Int(1); 2 * (64 + 8 + 8 + 1)];
        let (mut rest, mut sizes) = (values.as_slice(), Vec::new());
        while let Some((_, chunk, after)) = insert.next_chunk(rest) {
            sizes.push(chunk.len() / 2);
            rest = after;
        }
        assert_eq!(sizes, [64, 8, 8, 1]);
    }

    #[test]
    fn a_text_numbers_its_marks_through() {
        let insert = ManyRows::insert("t", "a, b", " RETURNING a");
        assert_eq!(&*insert.texts[2].numbered, "INSERT INTO t (a, b) VALUES ($1,$2) RETURNING a");
        assert_eq!(&*insert.texts[2].plain, "INSERT INTO t (a, b) VALUES (?,?) RETURNING a");
        assert!(insert.texts[1].numbered.starts_with("INSERT INTO t (a, b) VALUES ($1,$2),($3,$4),"));
    }
}
