//! What can be asked of Asterisk: one file per command.
//!
//! A command writes one line and reads one reply. Asterisk splits a line at blanks outside double quotes; `\` takes
//! the next character as it is. A line of more than 8,191 bytes would be split and its tail run as a command of its
//! own, and a newline in a value would do the same: both are refused here, before anything is sent.

mod channel_status;
mod exec;
mod get_full_variable;
mod get_variable;
mod hangup;
mod mset;
mod noop;
mod set_variable;
mod verbose;

use bytes::{BufMut, BytesMut};

pub use self::channel_status::{ChannelState, ChannelStatus};
pub use self::exec::Exec;
pub use self::get_full_variable::GetFullVariable;
pub use self::get_variable::GetVariable;
pub use self::hangup::Hangup;
pub use self::mset::{MAX_PAIRS, MSet, PairError};
pub use self::noop::Noop;
pub use self::set_variable::SetVariable;
pub use self::verbose::Verbose;

use crate::reply::{Reply, Success};

/// The longest command that is sent, in bytes, newline included: half of what Asterisk takes.
pub const MAX_COMMAND_BYTES: usize = 4_096;

/// The longest name of a variable, function arguments included. Asterisk's own limit for a variable is 80.
pub const MAX_NAME_BYTES: usize = 80;

/// A command: how it is written and what its reply means.
pub trait Command {
    /// What a successful reply says.
    type Answer;

    /// Appends the command's line, newline included. On an error nothing is appended.
    fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError>;

    /// Reads the reply to this command.
    fn parse(&self, reply: Reply) -> Result<Self::Answer, Refusal>;
}

/// Why a command cannot be written. Nothing of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A CR, LF or NUL: each would end the line inside Asterisk.
    #[error("a command may not hold CR, LF or NUL")]
    LineBreak,
    /// More than [`MAX_COMMAND_BYTES`].
    #[error("a command of more than {MAX_COMMAND_BYTES} bytes")]
    TooLong,
    /// A variable's name that Asterisk would not take as one.
    #[error("not a variable's name")]
    BadName,
    /// A word that would have to be quoted, where Asterisk expects a bare one.
    #[error("not a bare word")]
    BadWord,
    /// A list of assignments with nothing in it.
    #[error("nothing to assign")]
    Empty,
}

/// Why Asterisk did not do what it was asked. The session goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 510: Asterisk has no such command.
    #[error("Asterisk does not know the command")]
    UnknownCommand,
    /// 511: not on a channel that is hung up.
    #[error("the channel is hung up")]
    DeadChannel,
    /// 520: wrong arguments.
    #[error("Asterisk refuses the command's arguments")]
    Usage(String),
    /// EXEC of an application that is not loaded.
    #[error("Asterisk has no such application")]
    NoSuchApplication,
    /// A result that does not belong to this command.
    #[error("an unexpected result: {0:?}")]
    UnexpectedResult(String),
}

/// The success in `reply`, or what it says instead.
pub fn success(reply: Reply) -> Result<Success, Refusal> {
    match reply {
        Reply::Success(success) => Ok(success),
        Reply::UnknownCommand => Err(Refusal::UnknownCommand),
        Reply::DeadChannel => Err(Refusal::DeadChannel),
        Reply::Usage(text) => Err(Refusal::Usage(text)),
    }
}

/// `Ok` if the reply is a success with exactly this result.
fn expect_result(reply: Reply, expected: i64) -> Result<(), Refusal> {
    let success = success(reply)?;
    if success.code() == Some(expected) { Ok(()) } else { Err(unexpected(&success)) }
}

fn unexpected(success: &Success) -> Refusal {
    Refusal::UnexpectedResult(success.result().to_owned())
}

/// The value of `200 result=1 (value)`, `None` of `200 result=0`.
fn optional_value(reply: Reply) -> Result<Option<String>, Refusal> {
    let success = success(reply)?;
    match (success.code(), success.value()) {
        (Some(1), Some(value)) => Ok(Some(value.to_owned())),
        (Some(0), None) => Ok(None),
        _ => Err(unexpected(&success)),
    }
}

/// Writes one command line. What is wrong with a part is told at [`Line::finish`], which then takes the line back.
#[derive(Debug)]
#[must_use = "a line is complete when it is finished"]
pub struct Line<'a> {
    out: &'a mut BytesMut,
    start: usize,
    error: Option<EncodeError>,
}

impl<'a> Line<'a> {
    /// Begins a line with the command's own words, `SET VARIABLE` for instance.
    pub fn new(out: &'a mut BytesMut, verb: &str) -> Self {
        let start = out.len();
        let mut line = Self { out, start, error: None };
        line.append_checked(verb);
        line
    }

    /// Adds a word that needs no quotes: printable ASCII without blanks, quotes and backslashes.
    pub fn word(mut self, word: &str) -> Self {
        if word.is_empty() || !word.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\') {
            self.fail(EncodeError::BadWord);
            return self;
        }
        self.out.put_u8(b' ');
        self.out.put_slice(word.as_bytes());
        self
    }

    /// Adds a variable's name: letters, digits and `_`, not beginning with a digit; or a function of such a name with
    /// plain arguments, `CHANNEL(peername)`.
    pub fn name(mut self, name: &str) -> Self {
        if !is_variable_or_function(name) {
            self.fail(EncodeError::BadName);
            return self;
        }
        self.word(name)
    }

    /// Adds any text in double quotes, `"` and `\` escaped.
    pub fn quoted(mut self, text: &str) -> Self {
        self.out.put_slice(b" \"");
        let mut rest = text;
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest.as_bytes()) {
            self.append_checked(&rest[..at]);
            self.out.put_slice(&[b'\\', rest.as_bytes()[at]]);
            rest = &rest[at + 1..];
        }
        self.append_checked(rest);
        self.out.put_u8(b'"');
        self
    }

    /// Ends the line; takes it back if anything in it was wrong.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        self.out.put_u8(b'\n');
        if self.error.is_none() && self.out.len() - self.start > MAX_COMMAND_BYTES {
            self.fail(EncodeError::TooLong);
        }
        match self.error {
            None => Ok(()),
            Some(error) => {
                self.out.truncate(self.start);
                Err(error)
            }
        }
    }

    fn append_checked(&mut self, text: &str) {
        if memchr::memchr3(b'\r', b'\n', 0, text.as_bytes()).is_some() {
            self.fail(EncodeError::LineBreak);
        }
        self.out.put_slice(text.as_bytes());
    }

    /// Keeps the first error.
    fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }
}

/// Letters, digits and `_`, not beginning with a digit, at most [`MAX_NAME_BYTES`].
#[must_use]
pub fn is_variable(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_variable_or_function(name: &str) -> bool {
    match name.strip_suffix(')').and_then(|inner| inner.split_once('(')) {
        None => is_variable(name),
        Some((function, arguments)) => {
            name.len() <= MAX_NAME_BYTES
                && is_variable(function)
                && arguments.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.,:/@=".contains(&b))
        }
    }
}

/// The bytes a command writes.
#[cfg(test)]
fn written<C: Command>(command: &C) -> Result<String, EncodeError> {
    let mut out = BytesMut::new();
    let result = command.encode(&mut out);
    if result.is_err() {
        assert!(out.is_empty(), "a refused command leaves nothing behind");
    }
    result.map(|()| String::from_utf8(out.to_vec()).expect("commands are UTF-8"))
}

/// What a command makes of a reply line.
#[cfg(test)]
fn answered<C: Command>(command: &C, line: &'static str) -> Result<C::Answer, Refusal> {
    use crate::reply::{ReplyParser, Said};
    match ReplyParser::default().push(bytes::Bytes::from_static(line.as_bytes())) {
        Ok(Some(Said::Reply(reply))) => command.parse(reply),
        other => panic!("{line:?} is no reply: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::client::words;

    #[test]
    fn names_are_those_asterisk_takes() {
        for name in
            ["A", "_X", "__INHERITED", "TG_ROUTE_12", "CHANNEL(peername)", "CDR(a,b)", "DB(a/b)", "F()"]
        {
            assert!(is_variable_or_function(name), "{name}");
        }
        let long = "A".repeat(MAX_NAME_BYTES + 1);
        for name in ["", "1A", "A B", "A\"", "A=1", "${A}", "F(", "F)", "(x)", "F(${X})", "F(x)y", "Ä", &long]
        {
            assert!(!is_variable_or_function(name), "{name}");
        }
    }

    #[test]
    fn a_command_of_the_limit_passes_and_one_byte_more_is_refused() {
        let mut out = BytesMut::from("before");
        let room = MAX_COMMAND_BYTES - "V \"\"\n".len();
        assert_eq!(Line::new(&mut out, "V").quoted(&"x".repeat(room)).finish(), Ok(()));
        assert_eq!(out.len(), "before".len() + MAX_COMMAND_BYTES);
        let too_long = Line::new(&mut out, "V").quoted(&"x".repeat(room + 1)).finish();
        assert_eq!(too_long, Err(EncodeError::TooLong));
        assert_eq!(out.len(), "before".len() + MAX_COMMAND_BYTES, "the refused line was taken back");
    }

    proptest! {
        #[test]
        fn whatever_is_quoted_is_read_back_as_one_word(text in "[^\r\n\0]{0,300}", more in "[^\r\n\0]{0,20}") {
            let mut out = BytesMut::new();
            Line::new(&mut out, "SET VARIABLE").name("X").quoted(&text).quoted(&more).finish().expect("clean text");
            prop_assert_eq!(memchr::memchr_iter(b'\n', &out).count(), 1, "one line");
            let line = std::str::from_utf8(&out[..out.len() - 1]).expect("UTF-8");
            prop_assert_eq!(words(line), vec!["SET".to_owned(), "VARIABLE".to_owned(), "X".to_owned(), text, more]);
        }

        #[test]
        fn no_text_makes_a_second_line(text in any::<String>(), word in any::<String>(), name in any::<String>()) {
            for part in 0..4 {
                let mut out = BytesMut::new();
                let line = Line::new(&mut out, if part == 3 { &text } else { "A" });
                let line = match part {
                    0 => line.quoted(&text),
                    1 => line.word(&word),
                    2 => line.name(&name),
                    _ => line,
                };
                let done = line.finish().is_ok();
                prop_assert_eq!(memchr::memchr_iter(b'\n', &out).count(), usize::from(done));
                prop_assert_eq!(out.ends_with(b"\n"), done);
                prop_assert!(memchr::memchr2(b'\r', 0, &out).is_none());
            }
        }
    }
}
