//! A consistent copy of the embedded database while it is in use.

use std::path::Path;
use std::str::FromStr as _;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::StoreError;

/// Writes a copy of the `SQLite` database at `url` into `target`, which must be an empty file.
///
/// The copy is one read transaction: it contains every transaction committed when it began and no part of a later one.
/// Writers continue meanwhile. The caller makes the file durable.
pub async fn copy_sqlite(url: &str, target: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| StoreError::Url(error.to_string()))?
        .read_only(true)
        .create_if_missing(false);
    let mut source = options.connect().await?;
    let target = target.to_string_lossy();
    sqlx::query("VACUUM INTO $1").bind(target.as_ref()).execute(&mut source).await?;
    sqlx::Connection::close(source).await?;
    Ok(())
}

/// Returns the first fault that `SQLite` finds in the structure of a database file; `None` if there is none.
pub async fn find_corruption(file: &Path) -> Result<Option<String>, StoreError> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
    let mut copy = options.connect().await?;
    let (verdict,): (String,) = sqlx::query_as("PRAGMA quick_check(1)").fetch_one(&mut copy).await?;
    sqlx::Connection::close(copy).await?;
    Ok((verdict != "ok").then_some(verdict))
}
