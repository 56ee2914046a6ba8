//! What Asterisk says of a call before the first command: the `agi_` lines.
//!
//! Callers write into these lines. Asterisk prints the caller's number and name, the dialled number and the extension
//! as they came, and `%0a` in a SIP URI becomes a newline there: one header can forge a whole line, or end the
//! environment early and leave planted replies behind it (both seen on 22.10.1). So nothing here is guessed: every
//! line must be one that Asterisk prints, and come once; anything else refuses the call.

use std::fmt;
use std::ops::Range;

/// Most arguments a request may carry. Asterisk's own limit is 127; nothing here needs more than a dozen.
pub const MAX_ARGUMENTS: usize = 64;

/// Most bytes an environment may have in all.
///
/// About 25 lines of up to 100 bytes are usual; a ticket, a list of attempts and extras at their longest stay below
/// 16 KiB.
pub const MAX_ENVIRONMENT_BYTES: usize = 32 * 1024;

/// Declares the fixed lines in the order in which Asterisk 22 prints them (`res_agi.c`, `launch_netscript` and
/// `setup_env`).
macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A fixed line of the environment, in the order of the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key { $($(#[$doc])* $name,)* }

        impl Key {
            /// Every key, in the order of the wire.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// The key as it stands on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

keys! {
    /// `agi_network: yes`, always.
    Network = "agi_network",
    /// The path of the URL; absent when the URL has none.
    NetworkScript = "agi_network_script",
    /// The URL as the dialplan wrote it.
    Request = "agi_request",
    /// The channel's name.
    Channel = "agi_channel",
    /// The channel's language.
    Language = "agi_language",
    /// The channel's technology, `PJSIP` or `Local`.
    Type = "agi_type",
    /// The channel's unique id, with the system name in front if one is configured.
    UniqueId = "agi_uniqueid",
    /// Asterisk's version.
    Version = "agi_version",
    /// The caller's number, or `unknown`. Written by the caller.
    CallerId = "agi_callerid",
    /// The caller's name, or `unknown`. Written by the caller.
    CallerIdName = "agi_calleridname",
    /// Presentation of the caller's number.
    CallingPres = "agi_callingpres",
    /// ANI II digits.
    CallingAni2 = "agi_callingani2",
    /// Type of the caller's number.
    CallingTon = "agi_callington",
    /// Transit network.
    CallingTns = "agi_callingtns",
    /// The number dialled, or `unknown`. Written by the caller.
    Dnid = "agi_dnid",
    /// The redirecting number, or `unknown`. Written by the caller.
    Rdnis = "agi_rdnis",
    /// The dialplan's context.
    Context = "agi_context",
    /// The dialplan's extension. Written by the caller.
    Extension = "agi_extension",
    /// The dialplan's priority.
    Priority = "agi_priority",
    /// `1.0` for EAGI, else `0.0`.
    Enhanced = "agi_enhanced",
    /// The channel's account code, often empty.
    AccountCode = "agi_accountcode",
    /// The thread in Asterisk; the last line before the arguments.
    ThreadId = "agi_threadid",
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an environment is refused. Offending text is never repeated: a caller wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// A line that is not `agi_<key>: <value>`.
    #[error("line {line} of the environment is not an agi_ line")]
    NotAnAgiLine {
        /// Counted from 1.
        line: usize,
    },
    /// A key Asterisk does not print.
    #[error("line {line} of the environment has an unknown key")]
    UnknownKey {
        /// Counted from 1.
        line: usize,
    },
    /// A key that was there already.
    #[error("line {line} of the environment repeats {key}")]
    DuplicateKey {
        /// Counted from 1.
        line: usize,
        /// The key.
        key: Key,
    },
    /// A fixed key after the arguments, which Asterisk prints last.
    #[error("line {line} of the environment is {found}, after the arguments")]
    OutOfOrder {
        /// Counted from 1.
        line: usize,
        /// The key that stands there.
        found: Key,
    },
    /// The blank line came before a key that says which call it is.
    #[error("the environment ends before {expected}")]
    EndsEarly {
        /// The first key that is missing.
        expected: Key,
    },
    /// Arguments are numbered from 1 without a gap, after the last fixed key.
    #[error("line {line} of the environment is not argument {expected}")]
    ArgumentOutOfOrder {
        /// Counted from 1.
        line: usize,
        /// The number of the argument that belongs there.
        expected: usize,
    },
    /// More than [`MAX_ARGUMENTS`] arguments.
    #[error("the environment has more than {MAX_ARGUMENTS} arguments")]
    TooManyArguments,
    /// More than [`MAX_ENVIRONMENT_BYTES`] bytes.
    #[error("the environment has more than {MAX_ENVIRONMENT_BYTES} bytes")]
    TooLong,
    /// A control character: NUL, CR, TAB, escape and the like.
    #[error("line {line} of the environment has a control character")]
    ControlCharacter {
        /// Counted from 1.
        line: usize,
    },
    /// A value that is not UTF-8.
    #[error("line {line} of the environment is not UTF-8")]
    NotUtf8 {
        /// Counted from 1.
        line: usize,
    },
    /// `agi_network` is something else than `yes`.
    #[error("agi_network is not `yes`")]
    NotNetworked,
    /// `agi_network_script` is not the path of `agi_request`.
    #[error("agi_network_script is not the path of agi_request")]
    ScriptMismatch,
}

/// A call's environment, complete and checked.
///
/// # Example
///
/// ```
/// use tollgate_agi::{Environment, Key};
/// # let lines = tollgate_agi::client::Call::new("agi://127.0.0.1:4573/authorize").unique_id("pbx-1.2").arg("alice")
/// #     .environment_bytes();
/// let environment = Environment::parse(&lines)?;
/// assert_eq!(environment.script(), "authorize");
/// assert_eq!(environment.get(Key::UniqueId), "pbx-1.2");
/// assert_eq!(environment.arg(1), Some("alice"));
/// # Ok::<(), tollgate_agi::environment::ParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    text: String,
    fixed: [Range<u32>; Key::ALL.len()],
    args: Vec<Range<u32>>,
}

impl Environment {
    /// Parses a whole environment, blank line included; nothing may follow it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut parser = EnvironmentParser::new();
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let done = parser.push(&rest[..end])?;
            rest = &rest[end + 1..];
            if let Some(environment) = done {
                return if rest.is_empty() { Ok(environment) } else { Err(ParseError::BytesAfterEnd) };
            }
        }
        Err(ParseError::Unfinished)
    }

    /// The value of a fixed line; empty if it is empty or, for [`Key::NetworkScript`], absent.
    #[must_use]
    pub fn get(&self, key: Key) -> &str {
        self.slice(&self.fixed[key as usize])
    }

    /// The script asked for: the path of the URL, without its leading slash and its query.
    #[must_use]
    pub fn script(&self) -> &str {
        let url = self.get(Key::Request);
        let after_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
        let path = after_scheme.split_once('/').map_or("", |(_, path)| path);
        path.split_once('?').map_or(path, |(script, _)| script)
    }

    /// The channel's unique id.
    #[must_use]
    pub fn unique_id(&self) -> &str {
        self.get(Key::UniqueId)
    }

    /// Argument `number`, counted from 1; `None` if there are fewer.
    #[must_use]
    pub fn arg(&self, number: usize) -> Option<&str> {
        Some(self.slice(self.args.get(number.checked_sub(1)?)?))
    }

    /// The arguments in order.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &str> {
        self.args.iter().map(|range| self.slice(range))
    }

    fn slice(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for key in Key::ALL {
            map.entry(&key.as_str(), &self.get(key));
        }
        map.entry(&"args", &self.args().collect::<Vec<_>>()).finish()
    }
}

/// Why bytes are not one whole environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line is refused.
    #[error(transparent)]
    Line(#[from] EnvironmentError),
    /// There is no blank line at the end.
    #[error("the environment has no end")]
    Unfinished,
    /// Something follows the blank line.
    #[error("something follows the environment")]
    BytesAfterEnd,
}

/// Keys without which no call can be told from another. The others differ between Asterisk's versions and may be
/// left out or come in another order; a key that comes twice is refused wherever it stands, because one of the two was
/// written by a caller, and so is one after the arguments. An environment that a caller cut short with a blank line of
/// his own lacks its arguments, and its true rest lies in the socket, where the session finds it
/// ([`SessionError::Unsolicited`](crate::SessionError::Unsolicited)).
const REQUIRED: [Key; 3] = [Key::Network, Key::Request, Key::UniqueId];

/// Takes the environment line by line.
#[derive(Debug)]
pub struct EnvironmentParser {
    text: String,
    fixed: [Range<u32>; Key::ALL.len()],
    args: Vec<Range<u32>>,
    /// Index in [`Key::ALL`] of the key that Asterisk 22 prints next: a guess that is nearly always right.
    next: usize,
    /// Keys that have come, by their index in [`Key::ALL`].
    seen: u32,
    line: usize,
    bytes: usize,
}

impl Default for EnvironmentParser {
    fn default() -> Self {
        Self::new()
    }
}

impl EnvironmentParser {
    /// A parser that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            text: String::with_capacity(1024),
            fixed: [const { 0..0 }; Key::ALL.len()],
            args: Vec::with_capacity(12),
            next: 0,
            seen: 0,
            line: 0,
            bytes: 0,
        }
    }

    /// Takes one line without its newline; the environment when the line was the blank one that ends it.
    ///
    /// After an error or the end the parser is of no further use.
    pub fn push(&mut self, line: &[u8]) -> Result<Option<Environment>, EnvironmentError> {
        self.line += 1;
        self.bytes += line.len() + 1;
        if self.bytes > MAX_ENVIRONMENT_BYTES {
            return Err(EnvironmentError::TooLong);
        }
        if line.is_empty() {
            return self.finish().map(Some);
        }
        // Without an early end the compiler looks at many bytes at a time.
        if line.iter().fold(false, |found, byte| found | byte.is_ascii_control()) {
            return Err(EnvironmentError::ControlCharacter { line: self.line });
        }
        let line = std::str::from_utf8(line).map_err(|_| EnvironmentError::NotUtf8 { line: self.line })?;
        self.push_text(line).map(|()| None)
    }

    fn push_text(&mut self, line: &str) -> Result<(), EnvironmentError> {
        let not_agi = EnvironmentError::NotAnAgiLine { line: self.line };
        let colon = memchr::memchr(b':', line.as_bytes()).ok_or(not_agi)?;
        let (key, value) = (&line[..colon], line[colon + 1..].strip_prefix(' ').ok_or(not_agi)?);
        if let Some(number) = key.strip_prefix("agi_arg_") {
            return self.push_argument(number, value);
        }
        // The usual case first: the key that Asterisk 22 prints here.
        let index = match Key::ALL.get(self.next) {
            Some(expected) if key == expected.as_str() => self.next,
            _ => match Key::ALL.iter().position(|known| known.as_str() == key) {
                Some(index) => index,
                None if key.starts_with("agi_") => {
                    return Err(EnvironmentError::UnknownKey { line: self.line });
                }
                None => return Err(not_agi),
            },
        };
        let found = Key::ALL[index];
        if self.seen & (1 << index) != 0 {
            return Err(EnvironmentError::DuplicateKey { line: self.line, key: found });
        }
        if !self.args.is_empty() {
            return Err(EnvironmentError::OutOfOrder { line: self.line, found });
        }
        self.seen |= 1 << index;
        self.fixed[index] = self.keep(value);
        self.next = index + 1;
        Ok(())
    }

    fn push_argument(&mut self, number: &str, value: &str) -> Result<(), EnvironmentError> {
        let expected = self.args.len() + 1;
        // Asterisk prints the number with %d; 01 or +1 did not come from it.
        let canonical = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        if !canonical || number.parse() != Ok(expected) {
            return Err(EnvironmentError::ArgumentOutOfOrder { line: self.line, expected });
        }
        if expected > MAX_ARGUMENTS {
            return Err(EnvironmentError::TooManyArguments);
        }
        let kept = self.keep(value);
        self.args.push(kept);
        Ok(())
    }

    fn keep(&mut self, value: &str) -> Range<u32> {
        let start = self.text.len();
        self.text.push_str(value);
        // At most MAX_ENVIRONMENT_BYTES, which is far below u32::MAX.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by MAX_ENVIRONMENT_BYTES")]
        let range = start as u32..self.text.len() as u32;
        range
    }

    fn finish(&mut self) -> Result<Environment, EnvironmentError> {
        let missing = |key: &&Key| self.seen & (1 << (**key as usize)) == 0;
        if let Some(&expected) = REQUIRED.iter().find(missing) {
            return Err(EnvironmentError::EndsEarly { expected });
        }
        let has_script = self.seen & (1 << (Key::NetworkScript as usize)) != 0;
        let environment = Environment {
            text: std::mem::take(&mut self.text),
            fixed: std::mem::replace(&mut self.fixed, [const { 0..0 }; Key::ALL.len()]),
            args: std::mem::take(&mut self.args),
        };
        if environment.get(Key::Network) != "yes" {
            return Err(EnvironmentError::NotNetworked);
        }
        // agi://host[:port][/script]: both lines come from this one string.
        let url = environment.get(Key::Request);
        let after_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
        let path = after_scheme.split_once('/').map_or("", |(_, path)| path);
        if has_script && path != environment.get(Key::NetworkScript) {
            return Err(EnvironmentError::ScriptMismatch);
        }
        Ok(environment)
    }
}

#[cfg(test)]
mod tests;
