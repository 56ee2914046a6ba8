//! What a command says: one JSON value for programs, lines for people, and an exit status.

use serde_json::{Value, json};

use crate::control::CommandAnswer;

/// Exit status where the configuration cannot be used (`EX_CONFIG` of `sysexits.h`). The systemd unit does not restart a
/// server that ends with it.
pub const UNUSABLE_CONFIG: u8 = 78;

/// A command that did what it was asked.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What `--json` prints.
    pub json: Value,
    /// What a person reads.
    pub text: String,
    /// 0, or 1 where the answer itself is a "no" (an audit that found a difference).
    pub status: u8,
}

impl Answer {
    /// A plain success.
    pub fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), status: 0 }
    }
}

/// A command that was refused or failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Machine code.
    pub code: String,
    /// For a person: what is wrong and which argument.
    pub message: String,
    /// More for programs, merged into the JSON.
    pub details: Option<Value>,
    /// The exit status: 1, or [`UNUSABLE_CONFIG`].
    pub status: u8,
}

impl Failure {
    /// A refusal with its machine code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), details: None, status: 1 }
    }

    /// A refusal of the configuration: running the same command again fails again.
    pub fn of_config(code: &str, message: impl Into<String>) -> Self {
        Self { status: UNUSABLE_CONFIG, ..Self::new(code, message) }
    }

    /// The JSON `--json` prints.
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

/// What every command returns.
pub type Outcome = Result<Answer, Failure>;

/// The answer as it crosses the command socket.
pub fn to_wire(outcome: Outcome) -> CommandAnswer {
    match outcome {
        Ok(answer) => CommandAnswer { status: answer.status, json: answer.json, text: answer.text },
        Err(failure) => {
            let text = format!("error: {}", failure.message);
            CommandAnswer { status: failure.status, json: failure.json(), text }
        }
    }
}
