//! Many rows in one statement: a round trip a row is what makes a group commit slow on `PostgreSQL`.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::{Session, Side, StoreError, on};

/// Rows in one statement, largest first: few distinct texts, so that each is prepared once a connection.
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

/// One column's value of one row.
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

/// One statement as each database reads it fastest.
///
/// `PostgreSQL` knows only numbered marks. To `SQLite` a numbered mark is a name, and the driver looks the name of each
/// mark up in a list of all of them: with a thousand marks that takes longer than inserting the rows.
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
    /// An INSERT; `columns` is its list, `suffix` follows the values (ON CONFLICT, RETURNING).
    pub(crate) fn insert(table: &'static str, columns: &'static str, suffix: &str) -> Self {
        let marks = vec!["$"; columns.split(',').count()];
        Self::new(table, &format!("INSERT INTO {table} ({columns}) VALUES "), &marks, suffix)
    }

    /// A DELETE of the rows with one of the calls' keys.
    pub(crate) fn delete_calls(table: &'static str) -> Self {
        // A mark's type in VALUES cannot be inferred from the left side on `PostgreSQL`.
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

    /// Values of one row.
    pub(crate) const fn columns(&self) -> usize {
        self.columns
    }

    /// The texts that both databases understand, named, for the test that prepares them all. The others differ in
    /// nothing but their marks.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (String, String)> {
        CHUNKS
            .iter()
            .zip(&self.texts)
            .map(|(rows, text)| (format!("{} x {rows}", self.name), text.numbered.to_string()))
    }

    /// Runs it for the rows, whose values follow each other in the columns' order.
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

    /// Inserts the rows and returns the one number that the suffix's RETURNING names, of each row that was inserted.
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

    /// The largest chunk that the rest fills, its text, and what remains.
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

/// `($1,$2),($3,$4)`: each row's marks, numbered through, as `mark` writes the one of a number.
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
