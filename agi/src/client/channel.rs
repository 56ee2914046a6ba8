//! The channel a played call is on: its variables, and what the commands do to them.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::words::words;
use crate::command::MAX_PAIRS;

/// Where a call is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Alive,
    /// Hung up; the server has not been told.
    HangingUp,
    Dead,
}

/// A channel's variables and state.
#[derive(Debug, Clone, Default)]
pub(super) struct Channel {
    variables: HashMap<String, String>,
    pub(super) state: State,
}

/// `CHANNEL STATUS` of a call that rings: nobody has answered it yet.
const RINGING: &str = "200 result=4\n";

/// What `GET VARIABLE` returns at most: it reads into 1,024 bytes.
const GET_VARIABLE_BYTES: usize = 1_023;

impl Channel {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        // What is inherited by other channels is the same variable on this one.
        let name = name.trim_start_matches('_');
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub(super) fn into_variables(self) -> HashMap<String, String> {
        self.variables
    }

    /// Runs a command and appends the reply.
    pub(super) fn run(&mut self, line: &str, reply: &mut String) {
        let words = words(line);
        let upper: Vec<String> = words.iter().take(3).map(|word| word.to_ascii_uppercase()).collect();
        let verbs: Vec<&str> = upper.iter().map(String::as_str).collect();
        let dead = self.state == State::Dead;
        match verbs[..] {
            ["SET", "VARIABLE", ..] => self.set_variable(&words[2..], reply),
            ["GET", "VARIABLE", ..] => self.get_variable(&words[2..], reply),
            ["GET", "FULL", "VARIABLE"] => self.get_full_variable(&words[3..], reply),
            ["EXEC", ..] => self.exec(&words[1..], reply),
            ["VERBOSE", _, ..] => reply.push_str("200 result=1\n"),
            ["VERBOSE"] => usage(reply, "VERBOSE <message> <level>"),
            ["ANSWER" | "HANGUP", ..] | ["CHANNEL", "STATUS", ..] if dead => {
                reply.push_str("511 Command Not Permitted on a dead channel or intercept routine\n");
            }
            ["NOOP", ..] | ["ANSWER"] => reply.push_str("200 result=0\n"),
            ["HANGUP"] => {
                self.state = State::HangingUp;
                reply.push_str("200 result=1\n");
            }
            ["CHANNEL", "STATUS"] => reply.push_str(RINGING),
            // Of another channel: there is none.
            ["HANGUP", _] | ["CHANNEL", "STATUS", _] if words.len() == verbs.len() => {
                reply.push_str("200 result=-1\n");
            }
            ["HANGUP", ..] => usage(reply, "HANGUP [<channelname>]"),
            ["CHANNEL", "STATUS", ..] => usage(reply, "CHANNEL STATUS [<channelname>]"),
            _ => reply.push_str("510 Invalid or unknown command\n"),
        }
    }

    fn set_variable(&mut self, words: &[String], reply: &mut String) {
        match words {
            [name, value, ..] => {
                self.set(name, value);
                reply.push_str("200 result=1\n");
            }
            _ => usage(reply, "SET VARIABLE <variablename> <value>"),
        }
    }

    fn get_variable(&self, words: &[String], reply: &mut String) {
        match words {
            [name] => answer(reply, self.variables.get(name).map(|value| cut(value, GET_VARIABLE_BYTES))),
            _ => usage(reply, "GET VARIABLE <variablename>"),
        }
    }

    fn get_full_variable(&self, words: &[String], reply: &mut String) {
        match words {
            [expression] => answer(reply, Some(&self.expand(expression))),
            [_, _other_channel] => answer(reply, None),
            _ => usage(reply, "GET FULL VARIABLE <expression> [<channelname>]"),
        }
    }

    /// Replaces each `${NAME}`; what is not set becomes nothing.
    fn expand(&self, expression: &str) -> String {
        let mut out = String::with_capacity(expression.len());
        let mut rest = expression;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else { return out };
            out.push_str(self.variables.get(name).map_or("", String::as_str));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn exec(&mut self, words: &[String], reply: &mut String) {
        let Some((application, options)) = words.split_first() else {
            return usage(reply, "EXEC <application> <options>");
        };
        let options = options.first().map_or("", String::as_str);
        let result = match application.to_ascii_lowercase().as_str() {
            "mset" => {
                for (name, value) in split_assignments(options) {
                    self.set(&name, &value);
                }
                0
            }
            "set" => {
                if let Some((name, value)) = options.split_once('=') {
                    self.set(name, value);
                }
                0
            }
            "noop" | "verbose" | "log" => 0,
            _ => -2,
        };
        let _ = writeln!(reply, "200 result={result}");
    }
}

/// What `MSet` makes of its options: split at commas outside quotes and parentheses, quotes and backslashes dropped.
///
/// The 99th assignment takes all that is left, commas and quotes included. What has no `=` is skipped.
#[must_use]
pub fn split_assignments(options: &str) -> Vec<(String, String)> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_usize);
    for (at, character) in options.char_indices() {
        if parts.len() == MAX_PAIRS {
            if let Some(part) = parts.last_mut() {
                part.push_str(&options[at..]);
            }
            break;
        }
        match character {
            _ if escaped => escaped = false,
            '\\' => {
                escaped = true;
                continue;
            }
            '"' => {
                quoted = !quoted;
                continue;
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    let assignments = parts.iter().filter_map(|part| part.split_once('='));
    assignments.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The longest beginning of `text` of at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn answer(reply: &mut String, value: Option<&str>) {
    match value {
        Some(value) => {
            let _ = writeln!(reply, "200 result=1 ({value})");
        }
        None => reply.push_str("200 result=0\n"),
    }
}

fn usage(reply: &mut String, usage: &str) {
    let _ = write!(
        reply,
        "520-Invalid command syntax.  Proper usage follows:\nUsage: {usage}\n520 End of proper usage.\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(channel: &mut Channel, line: &str) -> String {
        let mut reply = String::new();
        channel.run(line, &mut reply);
        reply
    }

    #[test]
    fn variables_are_set_and_read() {
        let mut channel = Channel::default();
        assert_eq!(run(&mut channel, "GET VARIABLE A"), "200 result=0\n");
        assert_eq!(run(&mut channel, "SET VARIABLE A \"x (y) \\\"z\\\"\""), "200 result=1\n");
        assert_eq!(run(&mut channel, "get variable A"), "200 result=1 (x (y) \"z\")\n");
        assert_eq!(run(&mut channel, "EXEC MSet B=1,C=a=b,__D=,\"E=1,2\""), "200 result=0\n");
        assert_eq!(run(&mut channel, "GET VARIABLE B"), "200 result=1 (1)\n");
        assert_eq!(run(&mut channel, "GET VARIABLE C"), "200 result=1 (a=b)\n");
        assert_eq!(run(&mut channel, "GET VARIABLE D"), "200 result=1 ()\n");
        assert_eq!(run(&mut channel, "GET FULL VARIABLE \"${B}-${NO}-${C}\""), "200 result=1 (1--a=b)\n");
        assert_eq!(run(&mut channel, "GET FULL VARIABLE ${B} PJSIP/gone-1"), "200 result=0\n");
    }

    #[test]
    fn mset_drops_quotes_and_its_99th_assignment_takes_the_rest() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            split_assignments("A=1,B=\"x,y\",C=a\\,b,D"),
            [pair("A", "1"), pair("B", "x,y"), pair("C", "a,b")]
        );
        let many: Vec<String> = (0..120).map(|n| format!("V{n}=x")).collect();
        let split = split_assignments(&many.join(","));
        assert_eq!(split.len(), MAX_PAIRS);
        assert_eq!(split[MAX_PAIRS - 1].1, format!("x,{}", many[MAX_PAIRS..].join(",")));
    }

    #[test]
    fn a_dead_channel_refuses_what_asterisk_refuses() {
        let mut channel = Channel { state: State::Dead, ..Channel::default() };
        for line in ["ANSWER", "HANGUP", "CHANNEL STATUS", "CHANNEL STATUS PJSIP/x"] {
            assert!(run(&mut channel, line).starts_with("511 "), "{line}");
        }
        for line in ["NOOP", "SET VARIABLE A 1", "GET VARIABLE A", "EXEC NoOp", "VERBOSE x 1"] {
            assert!(run(&mut channel, line).starts_with("200 "), "{line}");
        }
    }

    #[test]
    fn what_is_unknown_or_incomplete_is_said_so() {
        let mut channel = Channel::default();
        assert_eq!(run(&mut channel, "EXEC NoSuchApplication"), "200 result=-2\n");
        for line in ["", "JUMP", "SET", "GET FULL", "STREAM FILE x \"\""] {
            assert!(run(&mut channel, line).starts_with("510 "), "{line:?}");
        }
        for line in [
            "SET VARIABLE A",
            "GET VARIABLE",
            "GET FULL VARIABLE",
            "EXEC",
            "VERBOSE",
            "HANGUP a b",
            "CHANNEL STATUS a b",
        ] {
            let reply = run(&mut channel, line);
            assert!(
                reply.starts_with("520-") && reply.ends_with("520 End of proper usage.\n"),
                "{line}: {reply}"
            );
        }
    }
}
