//! What Asterisk answers to a command.

use std::ops::Range;

use bytes::Bytes;

/// Most lines of a 520 answer. The longest usage text of Asterisk 22 has about 40.
pub const MAX_USAGE_LINES: usize = 128;

/// Most bytes of a 520 answer.
pub const MAX_USAGE_BYTES: usize = 16 * 1024;

/// A complete answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `200 result=…`: the command was run.
    Success(Success),
    /// `510 Invalid or unknown command`.
    UnknownCommand,
    /// `511 Command Not Permitted on a dead channel or intercept routine`: the call is over.
    DeadChannel,
    /// `520-Invalid command syntax.  Proper usage follows:` and so on, to `520 End of proper usage.`
    Usage(String),
}

/// The parts of `200 result=<result> (<value>) endpos=<n>`; all but the result are optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Success {
    line: Bytes,
    result: Range<usize>,
    value: Option<Range<usize>>,
    endpos: Option<u64>,
}

impl Success {
    /// The result as it stands there.
    #[must_use]
    pub fn result(&self) -> &str {
        self.text(&self.result)
    }

    /// The result as a number; `None` if it is something else, a DTMF digit for instance.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        self.result().parse().ok()
    }

    /// What stands in the parentheses, from the first one to the last.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_ref().map(|range| self.text(range))
    }

    /// The position at which a playback ended, in samples.
    #[must_use]
    pub fn endpos(&self) -> Option<u64> {
        self.endpos
    }

    fn text(&self, range: &Range<usize>) -> &str {
        // `parse` checked the line; the ranges are cut at ASCII characters.
        std::str::from_utf8(&self.line[range.clone()]).unwrap_or_default()
    }

    fn parse(line: Bytes) -> Result<Self, ReplyError> {
        const HEAD: &str = "200 result=";
        let text = std::str::from_utf8(&line).map_err(|_| ReplyError::NotUtf8)?;
        let rest = text.strip_prefix(HEAD).ok_or(ReplyError::Unrecognised)?;
        let result = HEAD.len()..HEAD.len() + rest.find(' ').unwrap_or(rest.len());
        let tail = &text[result.end..];
        // A value may hold parentheses, spaces and even ` endpos=`: what ends in `)` has no endpos.
        let (tail, endpos) = match tail.rsplit_once(" endpos=") {
            Some((before, digits)) if !tail.ends_with(')') => {
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(ReplyError::Unrecognised);
                }
                (before, Some(digits.parse().map_err(|_| ReplyError::Unrecognised)?))
            }
            _ => (tail, None),
        };
        let value = if tail.is_empty() {
            None
        } else if tail.len() >= 3 && tail.starts_with(" (") && tail.ends_with(')') {
            Some(result.end + 2..result.end + tail.len() - 1)
        } else {
            return Err(ReplyError::Unrecognised);
        };
        Ok(Self { line, result, value, endpos })
    }
}

/// One thing Asterisk said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A bare `HANGUP` line: the caller is gone. It may stand before any reply and says nothing of it.
    Hangup,
    /// `100 …`: the command is under way, its reply follows.
    Trying,
    /// The reply to the oldest command without one.
    Reply(Reply),
}

/// Why a line is no reply. The connection is of no further use: what belongs to what is no longer known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The line is none Asterisk would send.
    #[error("not a reply Asterisk would give")]
    Unrecognised,
    /// The line is not UTF-8.
    #[error("a reply that is not UTF-8")]
    NotUtf8,
    /// A NUL or CR in a reply.
    #[error("a reply with NUL or CR in it")]
    ControlCharacter,
    /// A 520 answer without an end.
    #[error("a usage text of more than {MAX_USAGE_LINES} lines or {MAX_USAGE_BYTES} bytes")]
    UsageTooLong,
}

/// Takes replies line by line.
#[derive(Debug, Default)]
pub struct ReplyParser {
    /// The 520 answer being read, with its number of lines.
    usage: Option<(String, usize)>,
}

/// The last line of a 520 answer.
const USAGE_END: &str = "520 End of proper usage.";

impl ReplyParser {
    /// Takes one line without its newline; what it says, or `None` inside a 520 answer.
    pub fn push(&mut self, line: Bytes) -> Result<Option<Said>, ReplyError> {
        if memchr::memchr2(0, b'\r', &line).is_some() {
            return Err(ReplyError::ControlCharacter);
        }
        if self.usage.is_some() {
            return self.push_usage(&line);
        }
        let said = match &line[..] {
            text if text.starts_with(b"200 ") => Said::Reply(Reply::Success(Success::parse(line)?)),
            b"HANGUP" => Said::Hangup,
            text if text.starts_with(b"100 ") => Said::Trying,
            text if text.starts_with(b"510 ") => Said::Reply(Reply::UnknownCommand),
            text if text.starts_with(b"511 ") => Said::Reply(Reply::DeadChannel),
            text if text.starts_with(b"520-") => {
                self.usage = Some((String::new(), 0));
                return Ok(None);
            }
            // A command without a usage text has a one-line answer.
            text if text.starts_with(b"520 Invalid ") => Said::Reply(Reply::Usage(String::new())),
            _ => return Err(ReplyError::Unrecognised),
        };
        Ok(Some(said))
    }

    fn push_usage(&mut self, line: &[u8]) -> Result<Option<Said>, ReplyError> {
        let line = std::str::from_utf8(line).map_err(|_| ReplyError::NotUtf8)?;
        let Some((text, lines)) = &mut self.usage else { return Ok(None) };
        // A usage text that does not end in a newline has the end on its own last line.
        let ended = line.strip_suffix(USAGE_END);
        text.push_str(ended.unwrap_or(line));
        if ended.is_some() {
            let text = std::mem::take(text);
            self.usage = None;
            return Ok(Some(Said::Reply(Reply::Usage(text))));
        }
        text.push('\n');
        *lines += 1;
        if *lines > MAX_USAGE_LINES || text.len() > MAX_USAGE_BYTES {
            return Err(ReplyError::UsageTooLong);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &'static str) -> Result<Option<Said>, ReplyError> {
        ReplyParser::default().push(Bytes::from_static(line.as_bytes()))
    }

    fn success(line: &'static str) -> Success {
        match one(line) {
            Ok(Some(Said::Reply(Reply::Success(success)))) => success,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_result_stands_alone_or_with_a_value_or_an_end_position() {
        let reply = success("200 result=1");
        assert_eq!((reply.code(), reply.value(), reply.endpos()), (Some(1), None, None));
        let reply = success("200 result=-1 endpos=160");
        assert_eq!((reply.code(), reply.value(), reply.endpos()), (Some(-1), None, Some(160)));
        let reply = success("200 result=1 (ok) endpos=9");
        assert_eq!((reply.code(), reply.value(), reply.endpos()), (Some(1), Some("ok"), Some(9)));
        let reply = success("200 result=* (timeout)");
        assert_eq!((reply.result(), reply.code(), reply.value()), ("*", None, Some("timeout")));
        let reply = success("200 result= (timeout)");
        assert_eq!((reply.result(), reply.value()), ("", Some("timeout")));
    }

    #[test]
    fn a_value_may_hold_parentheses_spaces_and_an_end_position() {
        for value in ["", ")", "((", "a) (b", "Dial(PJSIP/x)", "a b  c", "x) endpos=5", " "] {
            let line = Box::leak(format!("200 result=1 ({value})").into_boxed_str());
            assert_eq!(success(line).value(), Some(value));
        }
    }

    #[test]
    fn what_asterisk_would_not_say_is_refused() {
        for line in [
            "",
            " ",
            "200",
            "200 ",
            "200 result",
            "200 OK",
            "200 result=1 x",
            "200 result=1 (open",
            "200 result=1 )",
            "200 result=1  (two)",
            "200 result=1 ",
            "200 result=1 (",
            "200 result=1 endpos=",
            "200 result=1 endpos=-1",
            "200 result=1 endpos=99999999999999999999",
            "201 result=1",
            "510",
            "511",
            "520",
            "520 End of proper usage.",
            "hangup",
            "HANGUP ",
            " HANGUP",
            "agi_priority: 1",
            "404 Not Found",
        ] {
            assert_eq!(one(line), Err(ReplyError::Unrecognised), "{line:?}");
        }
        for line in ["200 result=1\r", "HANGUP\r", "200 result=1 (\0)"] {
            assert_eq!(one(line), Err(ReplyError::ControlCharacter), "{line:?}");
        }
        let latin1 = Bytes::from_static(b"200 result=1 (M\xfcller)");
        assert_eq!(ReplyParser::default().push(latin1), Err(ReplyError::NotUtf8));
    }

    #[test]
    fn errors_and_hangups_are_told_apart() {
        assert_eq!(one("HANGUP"), Ok(Some(Said::Hangup)));
        assert_eq!(one("100 result=0 Trying..."), Ok(Some(Said::Trying)));
        assert_eq!(one("510 Invalid or unknown command"), Ok(Some(Said::Reply(Reply::UnknownCommand))));
        assert_eq!(
            one("511 Command Not Permitted on a dead channel or intercept routine"),
            Ok(Some(Said::Reply(Reply::DeadChannel)))
        );
        let short = "520 Invalid command syntax.  Proper usage not available.";
        assert_eq!(one(short), Ok(Some(Said::Reply(Reply::Usage(String::new())))));
    }

    fn usage(lines: &[&'static str]) -> Vec<Result<Option<Said>, ReplyError>> {
        let mut parser = ReplyParser::default();
        lines.iter().map(|line| parser.push(Bytes::from_static(line.as_bytes()))).collect()
    }

    #[test]
    fn a_usage_text_runs_to_its_end_and_nothing_in_it_is_a_reply() {
        let said = usage(&[
            "520-Invalid command syntax.  Proper usage follows:",
            "Usage: HANGUP",
            "HANGUP",
            "200 result=1",
            "520 End of proper usage.",
            "200 result=0",
        ]);
        let text = "Usage: HANGUP\nHANGUP\n200 result=1\n".to_owned();
        assert_eq!(said[..4], [Ok(None), Ok(None), Ok(None), Ok(None)]);
        assert_eq!(said[4], Ok(Some(Said::Reply(Reply::Usage(text)))));
        assert!(matches!(said[5], Ok(Some(Said::Reply(Reply::Success(_))))));
    }

    #[test]
    fn a_usage_text_without_a_newline_of_its_own_still_ends() {
        let said =
            usage(&["520-Invalid command syntax.  Proper usage follows:", "text520 End of proper usage."]);
        assert_eq!(said[1], Ok(Some(Said::Reply(Reply::Usage("text".to_owned())))));
    }

    #[test]
    fn an_endless_usage_text_is_refused() {
        let mut parser = ReplyParser::default();
        assert_eq!(parser.push(Bytes::from_static(b"520-x")), Ok(None));
        let last = (0..=MAX_USAGE_LINES).map(|_| parser.push(Bytes::from_static(b"more"))).last();
        assert_eq!(last, Some(Err(ReplyError::UsageTooLong)));
    }
}
