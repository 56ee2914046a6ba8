//! The output of a command: one JSON value for programs, lines of text for people, and an exit status.

use serde_json::{Value, json};

use crate::control::CommandAnswer;

/// Exit status for an unusable configuration (`EX_CONFIG` of `sysexits.h`). The systemd unit does not restart a server
/// that exits with it.
pub const UNUSABLE_CONFIG: u8 = 78;

/// Result of a command that succeeded.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The value `--json` prints.
    pub json: Value,
    /// The text printed without `--json`.
    pub text: String,
    /// Exit status: 0, or 1 where the result itself is negative (an audit that found a difference).
    pub status: u8,
}

impl Answer {
    /// Creates an answer with status 0.
    pub fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), status: 0 }
    }
}

/// A command that was refused or failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Machine code.
    pub code: String,
    /// Message for a person: the problem and the argument concerned.
    pub message: String,
    /// Additional fields, merged into the JSON.
    pub details: Option<Value>,
    /// Exit status: 1, or [`UNUSABLE_CONFIG`].
    pub status: u8,
}

impl Failure {
    /// Creates a refusal with its machine code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), details: None, status: 1 }
    }

    /// Creates a refusal of the configuration: running the same command again fails again.
    pub fn of_config(code: &str, message: impl Into<String>) -> Self {
        Self { status: UNUSABLE_CONFIG, ..Self::new(code, message) }
    }

    /// Returns the value `--json` prints.
    pub fn json(&self) -> Value {
        let mut value = json!({ "error": self.message, "code": self.code });
        if let (Some(map), Some(Value::Object(details))) = (value.as_object_mut(), &self.details) {
            for (key, detail) in details {
                map.insert(key.clone(), detail.clone());
            }
        }
        value
    }
}

/// Result type of every command.
pub type Outcome = Result<Answer, Failure>;

/// Converts an outcome to the answer sent over the command socket.
pub fn to_wire(outcome: Outcome) -> CommandAnswer {
    match outcome {
        Ok(answer) => CommandAnswer { status: answer.status, json: answer.json, text: answer.text },
        Err(failure) => {
            let text = format!("error: {}", failure.message);
            CommandAnswer { status: failure.status, json: failure.json(), text }
        }
    }
}
