//! What was said on a connection, as a text file.
//!
//! One line of the wire is one line of the file, with `< ` before what Asterisk said and `> ` before what it was told;
//! a line that begins with `#` is a remark. The blank line that ends an environment is `<` alone.

use std::fmt;
use std::str::FromStr;

/// Who said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Asterisk: the environment, replies, `HANGUP`.
    Asterisk,
    /// The `FastAGI` server: commands.
    Server,
}

/// The lines of one connection, in order, without their newlines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    /// Who said what.
    pub lines: Vec<(Speaker, String)>,
}

/// A line of the file that is neither said by anybody nor a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the transcript begins with none of `< `, `> ` and `#`")]
pub struct TranscriptError {
    /// Counted from 1.
    pub line: usize,
}

impl Transcript {
    /// Adds a line.
    pub fn push(&mut self, speaker: Speaker, line: impl Into<String>) {
        self.lines.push((speaker, line.into()));
    }

    /// What one side said.
    pub fn said_by(&self, speaker: Speaker) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(who, _)| *who == speaker).map(|(_, line)| line.as_str())
    }

    /// The commands in order.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.said_by(Speaker::Server)
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (speaker, line) in &self.lines {
            let mark = match speaker {
                Speaker::Asterisk => '<',
                Speaker::Server => '>',
            };
            // No blank at the end of a line: editors remove it.
            if line.is_empty() { writeln!(f, "{mark}")? } else { writeln!(f, "{mark} {line}")? }
        }
        Ok(())
    }
}

impl FromStr for Transcript {
    type Err = TranscriptError;

    fn from_str(text: &str) -> Result<Self, TranscriptError> {
        let mut transcript = Self::default();
        for (index, line) in text.split_terminator('\n').enumerate() {
            let speaker = match line.as_bytes().first() {
                Some(b'<') => Speaker::Asterisk,
                Some(b'>') => Speaker::Server,
                Some(b'#') => continue,
                _ => return Err(TranscriptError { line: index + 1 }),
            };
            let said = &line[1..];
            match said.strip_prefix(' ') {
                Some(said) => transcript.push(speaker, said),
                None if said.is_empty() => transcript.push(speaker, ""),
                None => return Err(TranscriptError { line: index + 1 }),
            }
        }
        Ok(transcript)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn remarks_are_skipped_and_strangers_refused() {
        let transcript: Transcript =
            "# remark\n< agi_network: yes\n<\n> NOOP\n< 200 result=0\n".parse().expect("clean");
        assert_eq!(
            transcript.said_by(Speaker::Asterisk).collect::<Vec<_>>(),
            ["agi_network: yes", "", "200 result=0"]
        );
        assert_eq!(transcript.commands().collect::<Vec<_>>(), ["NOOP"]);
        assert_eq!("< a\nb\n".parse::<Transcript>(), Err(TranscriptError { line: 2 }));
        assert_eq!("<a\n".parse::<Transcript>(), Err(TranscriptError { line: 1 }));
        assert_eq!("\n".parse::<Transcript>(), Err(TranscriptError { line: 1 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            lines in proptest::collection::vec((any::<bool>(), "[^\n]{0,20}"), 0..20),
        ) {
            let mut transcript = Transcript::default();
            for (asterisk, line) in lines {
                transcript.push(if asterisk { Speaker::Asterisk } else { Speaker::Server }, line);
            }
            prop_assert_eq!(transcript.to_string().parse::<Transcript>(), Ok(transcript));
        }
    }
}
