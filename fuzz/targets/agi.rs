//! FastAGI: the environment, lines, replies, commands and transcripts. The first byte chooses.
#![no_main]

use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder as _;
use tollgate_agi::client::{split_assignments, words};
use tollgate_agi::codec::LineCodec;
use tollgate_agi::command::{MAX_COMMAND_BYTES, MSet, SetVariable};
use tollgate_agi::environment::MAX_ARGUMENTS;
use tollgate_agi::reply::{Reply, ReplyParser, Said};
use tollgate_agi::transcript::Transcript;
use tollgate_agi::{Command as _, Environment, Key};

/// Each value stands in a line of its own and holds no line break.
fn environment(bytes: &[u8]) {
    let Ok(environment) = Environment::parse(bytes) else { return };
    let clean = |value: &str| !value.chars().any(|character| character.is_ascii_control());
    assert!(Key::ALL.into_iter().all(|key| clean(environment.get(key))));
    assert!(environment.args().all(clean));
    assert!(environment.args().len() <= MAX_ARGUMENTS);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let values = Key::ALL.into_iter().filter(|key| !environment.get(*key).is_empty()).count();
    // The blank line that ends it is one more.
    assert!(lines > values + environment.args().len());
}

fn read_lines<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Bytes>, bool) {
    let (mut codec, mut buffer, mut lines) = (LineCodec::new(limit), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => break,
                Err(_) => return (lines, true),
            }
        }
    }
    (lines, false)
}

/// In which pieces bytes arrive changes nothing in the lines they make.
fn lines(bytes: &[u8]) {
    let [size, limit, rest @ ..] = bytes else { return };
    let (size, limit) = (usize::from(*size).max(1), usize::from(*limit));
    assert_eq!(read_lines(limit, rest.chunks(size)), read_lines(limit, std::iter::once(rest)));
}

/// A success that was read can be put together again.
fn replies(bytes: &[u8]) {
    let mut parser = ReplyParser::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        match parser.push(Bytes::copy_from_slice(line)) {
            Err(_) => return,
            Ok(Some(Said::Reply(Reply::Success(success)))) => {
                let mut again = format!("200 result={}", success.result());
                if let Some(value) = success.value() {
                    again += &format!(" ({value})");
                }
                // An end position may have had leading zeros.
                match success.endpos() {
                    None => assert_eq!(again.as_bytes(), line),
                    Some(_) => assert!(line.starts_with(again.as_bytes())),
                }
            }
            Ok(_) => {}
        }
    }
}

/// A command is one line, and Asterisk's own splitting gives the value back.
fn commands(value: &str) {
    // Any line at all may be split.
    let _ = (words(value), split_assignments(value));
    let mut out = BytesMut::new();
    if (SetVariable { name: "A", value }).encode(&mut out).is_ok() {
        let line = std::str::from_utf8(&out).unwrap();
        assert!(line.len() <= MAX_COMMAND_BYTES);
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        assert_eq!(words(line.trim_end_matches('\n')), ["SET", "VARIABLE", "A", value]);
    } else {
        assert!(out.is_empty());
    }
    let mut set = MSet::new();
    if set.push("A", value).is_ok() && set.push("B", "1").is_ok() {
        out.clear();
        set.encode(&mut out).unwrap();
        let line = std::str::from_utf8(&out).unwrap();
        let list = &words(line.trim_end_matches('\n'))[2];
        let expected = [("A".to_owned(), value.to_owned()), ("B".to_owned(), "1".to_owned())];
        assert_eq!(split_assignments(list), expected);
    }
}

/// A transcript is written and read again as the same one.
fn transcript(text: &str) {
    if let Ok(transcript) = text.parse::<Transcript>() {
        assert_eq!(transcript.to_string().parse(), Ok(transcript));
    }
}

tollgate_fuzz::target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = std::str::from_utf8(rest);
    match (kind, text) {
        (b'e', _) => environment(rest),
        (b'l', _) => lines(rest),
        (b'r', _) => replies(rest),
        (b'c', Ok(text)) => commands(text),
        (b't', Ok(text)) => transcript(text),
        _ => {}
    }
});
