//! Secrets in the configuration file, and who can read them there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::url::has_password;

/// Endings of the names of keys that hold secrets.
const SECRET_NAMES: [&str; 5] = ["secret", "token", "password", "api_key", "access_code"];

/// A configuration file that every user of the machine can read or change although it matters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Exposure {
    /// Every user can read its secrets.
    #[error(
        "the configuration file {file} holds secrets ({keys}) and every user can read it (mode {mode:o}): run \
         `chmod 640 {file}`, and `chgrp GROUP {file}` with the group that the server runs under"
    )]
    Readable {
        /// The file.
        file: String,
        /// Its permission bits.
        mode: u32,
        /// The keys that hold secrets.
        keys: String,
    },
    /// Every user can change it.
    #[error("every user can change the configuration file {file} (mode {mode:o}): run `chmod 640 {file}`")]
    Writable {
        /// The file.
        file: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Every user can read or change a file that holds a secret.
    #[error("every user can {access} {file}, which holds a secret (mode {mode:o}): run `chmod 640 {file}`")]
    SecretFile {
        /// The file.
        file: String,
        /// `read` or `change`.
        access: &'static str,
        /// Its permission bits.
        mode: u32,
    },
    /// It cannot be looked at.
    #[error("{} cannot be read: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// Refuses a file whose secrets every user can read, or that every user can change. Members of its group may read it;
/// secrets that come by the environment are not in it.
pub fn check(file: &Path) -> Result<(), Exposure> {
    let unreadable =
        |e: std::io::Error| Exposure::Unreadable { file: file.to_owned(), reason: e.to_string() };
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() {
        return Ok(());
    }
    let mode = metadata.permissions().mode() & 0o777;
    let name = || file.display().to_string();
    if mode & 0o002 != 0 {
        return Err(Exposure::Writable { file: name(), mode });
    }
    if mode & 0o004 == 0 {
        return Ok(());
    }
    let keys = secret_keys(&std::fs::read_to_string(file).map_err(unreadable)?);
    if keys.is_empty() {
        return Ok(());
    }
    Err(Exposure::Readable { file: name(), mode, keys: keys.join(", ") })
}

/// Refuses a file with a secret that every user can read or change. Members of its group may read it.
pub(super) fn check_secret_file(file: &Path) -> Result<(), Exposure> {
    let unreadable =
        |e: std::io::Error| Exposure::Unreadable { file: file.to_owned(), reason: e.to_string() };
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o777;
    let exposed = |access| Err(Exposure::SecretFile { file: file.display().to_string(), access, mode });
    match mode {
        _ if !metadata.is_file() => Ok(()),
        mode if mode & 0o002 != 0 => exposed("change"),
        mode if mode & 0o004 != 0 => exposed("read"),
        _ => Ok(()),
    }
}

/// The keys of a configuration that hold a secret, `section.key`, each once.
fn secret_keys(text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let mut found = Vec::new();
    collect("", &toml::Value::Table(table), &mut found);
    found.dedup();
    found
}

fn collect(name: &str, value: &toml::Value, found: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                collect(&name, value, found);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| collect(name, item, found)),
        toml::Value::String(text) if name == "database.url" && has_password(text) => {
            found.push(name.to_owned());
        }
        _ if SECRET_NAMES.iter().any(|ending| name.ends_with(ending)) => found.push(name.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_holds_a_secret_is_known_as_one() {
        let text = "[database]\nurl = 'postgres://u:p@h/d'\n[internal]\nmetrics_token = 'x'\n[realtime]\ntoken = 'x'\n\
            [webphone]\njanus_secret = 'x'\ntoken_seconds = 60\n[esim]\naccess_code = 'x'\nsecret = 'x'\n\
            webhook_token = 'x'\n[secrets]\nkey_file = 'k'\n[http]\ntls_key = 'f'\n[[asterisk]]\nsecret = 'x'\n\
            [[asterisk]]\nsecret = 'x'\n[[sms.provider]]\npassword = 'x'\n[[sms.provider]]\napi_key = 'x'\n";
        let mut keys = secret_keys(text);
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "asterisk.secret",
                "database.url",
                "esim.access_code",
                "esim.secret",
                "esim.webhook_token",
                "internal.metrics_token",
                "realtime.token",
                "sms.provider.api_key",
                "sms.provider.password",
                "webphone.janus_secret",
            ]
        );
    }

    #[test]
    fn only_what_every_user_can_read_or_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.toml");
        for (text, mode, refused) in [
            ("[realtime]\ntoken = 'x'\n", 0o600, false),
            ("[realtime]\ntoken = 'x'\n", 0o640, false),
            ("[realtime]\ntoken = 'x'\n", 0o644, true),
            ("[log]\njson = true\n", 0o644, false),
            ("[log]\njson = true\n", 0o646, true),
        ] {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&file).is_err(), refused, "{text} {mode:o}");
        }
    }
}
