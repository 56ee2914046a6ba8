//! What Asterisk is asked.

/// The longest line that Asterisk reads; it refuses a longer one without saying whose it was.
pub const MAX_LINE_BYTES: usize = 1_024;

/// Why an action cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// A line would end early or be cut.
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
}

/// An action with its fields, checked; the `ActionID` is the connection's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    name: &'static str,
    fields: Vec<(&'static str, String)>,
}

impl Action {
    /// An action without fields.
    pub fn new(name: &'static str) -> Self {
        Self { name, fields: Vec::new() }
    }

    /// Adds a field.
    pub fn with(mut self, field: &'static str, value: impl Into<String>) -> Result<Self, ActionError> {
        let value = value.into();
        let describe = || (self.name.to_owned(), field.to_owned());
        if value.contains(['\r', '\n', '\0']) {
            let (action, field) = describe();
            return Err(ActionError::Character { action, field });
        }
        if field.len() + value.len() + 4 > MAX_LINE_BYTES {
            let (action, field) = describe();
            return Err(ActionError::TooLong { action, field });
        }
        self.fields.push((field, value));
        Ok(self)
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its fields, in order.
    pub fn fields(&self) -> &[(&'static str, String)] {
        &self.fields
    }
}
