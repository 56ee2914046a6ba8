//! Sections whose key `kind` decides which further keys they have.

use serde::de::DeserializeOwned;
use toml::Table;

/// A section, its keys divided into those of every kind and those of its own.
pub(super) struct Section {
    /// Name of the section in errors: `[esim]`, `[[sms.provider]] NAME`.
    name: String,
    kind: String,
    common: Table,
    of_kind: Table,
    common_keys: &'static [&'static str],
}

impl Section {
    /// Divides a section. Its `kind` is `default` if it names none.
    pub(super) fn new(
        name: String,
        mut keys: Table,
        common_keys: &'static [&'static str],
        default: Option<&str>,
    ) -> Result<Self, String> {
        let kind = match (keys.remove("kind"), default) {
            (Some(toml::Value::String(kind)), _) => kind,
            (Some(_), _) => return Err(format!("{name}: kind must be text in quotes")),
            (None, Some(default)) => default.to_owned(),
            (None, None) => return Err(format!("{name}: kind is required")),
        };
        let mut common = Table::new();
        for key in common_keys {
            if let Some(value) = keys.remove(*key) {
                common.insert((*key).to_owned(), value);
            }
        }
        Ok(Self { name, kind, common, of_kind: keys, common_keys })
    }

    /// The kind.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// The error of a kind that does not exist.
    pub(super) fn unknown_kind(&self, known: &str) -> String {
        format!("{}: kind {:?} is none of {known}", self.name, self.kind)
    }

    /// Reads the keys of every kind.
    pub(super) fn common<T: DeserializeOwned>(&self) -> Result<T, String> {
        read(self.common.clone()).map_err(|error| format!("{}: {error}", self.name))
    }

    /// Reads the keys of its kind; a key of another kind is an error that names it.
    pub(super) fn of_kind<T: DeserializeOwned>(&self) -> Result<T, String> {
        read(self.of_kind.clone()).map_err(|error| {
            let further = if error.contains("unknown field") {
                format!("; of every kind: {}", self.common_keys.join(", "))
            } else {
                String::new()
            };
            format!("{}: with kind = {:?}: {error}{further}", self.name, self.kind)
        })
    }
}

/// Reads keys; errors name the key.
fn read<T: DeserializeOwned>(keys: Table) -> Result<T, String> {
    serde_path_to_error::deserialize(keys).map_err(|error| {
        let key = error.path().to_string();
        let reason = error.inner().message().trim_end().to_owned();
        if key == "." || reason.contains(&format!("`{key}`")) { reason } else { format!("{key}: {reason}") }
    })
}
