//! Actions sent to Asterisk.

use std::fmt;

/// Maximum line length in bytes, line end included: Asterisk accepts 1,024 bytes and refuses 1,025, and its refusal
/// does not always name the action (measured on 22.10.1).
pub const MAX_LINE_BYTES: usize = 1_024;
/// Maximum number of fields of an action: Asterisk reads 128 lines, and two are `Action` and `ActionID` (measured on
/// 22.10.1).
pub const MAX_FIELDS: usize = 126;

/// Reason why an action cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// A line would end early or be truncated.
    #[error("{field} of {action} holds a line end or a NUL")]
    Character {
        /// The action.
        action: String,
        /// The field.
        field: String,
    },
    /// A line would be refused.
    #[error("{field} of {action} makes a line of more than {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// The action.
        action: String,
        /// The field.
        field: String,
    },
    /// Asterisk would refuse the whole action.
    #[error("{action} has more than {MAX_FIELDS} fields")]
    TooMany {
        /// The action.
        action: String,
    },
    /// A value that should name one object would be interpreted as a pattern that matches many.
    #[error("{field} of {action} is an expression, not a name")]
    Pattern {
        /// The action.
        action: String,
        /// The field.
        field: String,
    },
    /// An invalid field name: empty, with a colon, or reserved for the connection.
    #[error("{action} cannot have a field {field:?}")]
    Name {
        /// The action.
        action: String,
        /// The field.
        field: String,
    },
}

/// An action with checked fields; the connection adds the `ActionID`.
#[derive(Clone, PartialEq, Eq)]
pub struct Action {
    name: &'static str,
    fields: Vec<(&'static str, String)>,
}

impl Action {
    /// Creates an action without fields.
    pub fn new(name: &'static str) -> Self {
        // Names are constants of this source code, never derived from input.
        debug_assert!(is_name(name), "{name:?} is no action");
        Self { name, fields: Vec::new() }
    }

    /// Adds a field.
    pub fn with(mut self, field: &'static str, value: impl Into<String>) -> Result<Self, ActionError> {
        let value = value.into();
        let (action, named) = (|| self.name.to_owned(), || field.to_owned());
        if !is_name(field) || ["action", "actionid"].contains(&field.to_ascii_lowercase().as_str()) {
            return Err(ActionError::Name { action: action(), field: named() });
        }
        if value.contains(['\r', '\n', '\0']) {
            return Err(ActionError::Character { action: action(), field: named() });
        }
        // `Field: value` and its line end.
        if field.len() + value.len() + 4 > MAX_LINE_BYTES {
            return Err(ActionError::TooLong { action: action(), field: named() });
        }
        if self.fields.len() == MAX_FIELDS {
            return Err(ActionError::TooMany { action: action() });
        }
        self.fields.push((field, value));
        Ok(self)
    }

    /// Returns its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns its fields, in order.
    pub fn fields(&self) -> &[(&'static str, String)] {
        &self.fields
    }
}

/// Shows the names of the fields only: a login's key and a database's values are confidential.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.fields.iter().map(|(name, _)| name).collect();
        f.debug_struct("Action").field("name", &self.name).field("fields", &names).finish()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_line_early_is_refused() {
        for value in ["a\r", "a\n", "\0", "x\r\nAction: Originate"] {
            let refused = Action::new("Getvar").with("Variable", value).unwrap_err();
            assert!(matches!(refused, ActionError::Character { .. }), "{value:?}");
        }
    }

    #[test]
    fn a_line_of_1024_bytes_is_taken_and_one_more_is_not() {
        let fits = MAX_LINE_BYTES - "Variable: \r\n".len();
        assert!(Action::new("Getvar").with("Variable", "x".repeat(fits)).is_ok());
        let refused = Action::new("Getvar").with("Variable", "x".repeat(fits + 1)).unwrap_err();
        assert!(matches!(refused, ActionError::TooLong { .. }));
    }

    #[test]
    fn more_lines_than_asterisk_reads_are_refused() {
        let mut action = Action::new("Ping");
        for _ in 0..MAX_FIELDS {
            action = action.with("X", "1").unwrap();
        }
        assert_eq!(action.with("X", "1").unwrap_err(), ActionError::TooMany { action: "Ping".to_owned() });
    }

    #[test]
    fn the_connections_own_fields_cannot_be_set() {
        for field in ["ActionID", "actionid", "Action", "", "A: b"] {
            assert!(matches!(Action::new("Ping").with(field, "1"), Err(ActionError::Name { .. })), "{field}");
        }
    }

    #[test]
    fn a_value_is_not_shown_to_whoever_prints_an_action() {
        let action = Action::new("Login").with("Key", "d41d8cd98f00b204").unwrap();
        assert!(!format!("{action:?}").contains("d41d"), "{action:?}");
    }
}
