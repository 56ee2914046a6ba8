//! `[database]`: the database of the ledger.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{secret_file, url};

/// The URL of a database. Its password is shown neither by `Debug` or `Display` nor where the configuration is written
/// out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL with its password, for the database driver.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The file of an `SQLite` database, without parameters; `None` for another database.
    pub fn sqlite_file(&self) -> Option<&str> {
        let path = self.0.strip_prefix("sqlite://")?;
        Some(path.split('?').next().unwrap_or(path))
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl From<&str> for DatabaseUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&url::redact(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&url::redact(&self.0), f)
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&url::redact(&self.0))
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// `[database]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite://FILE` or `postgres://…`.
    pub url: DatabaseUrl,
    /// File that holds the password of a `postgres://` URL without one.
    pub password_file: Option<PathBuf>,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: "sqlite://tollgate.db".into(), password_file: None }
    }
}

impl Database {
    /// Adds the password in `password_file` to the URL.
    pub(super) fn load_secrets(&mut self) -> Result<(), String> {
        let Some(file) = &self.password_file else { return Ok(()) };
        let is_postgres = |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
        if !is_postgres(self.url.reveal()) {
            return Err("database.password_file has no effect unless database.url is postgres://…".to_owned());
        }
        if url::has_password(self.url.reveal()) {
            let reason =
                "database.url has a password and database.password_file is set: leave one of them out";
            return Err(reason.to_owned());
        }
        let password =
            secret_file::read(file).map_err(|reason| format!("database.password_file: {reason}"))?;
        let with = url::with_password(self.url.reveal(), password.reveal());
        self.url = DatabaseUrl(with.map_err(|reason| format!("database.url: {reason}"))?);
        Ok(())
    }
}
