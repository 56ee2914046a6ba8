//! The manager interface: what an Asterisk, or an impostor, sends, and that no value of an action makes another line.
#![no_main]

use bytes::BytesMut;
use tokio_util::codec::{Decoder as _, Encoder as _};
use tollgate::ami::action::MAX_LINE_BYTES;
use tollgate::ami::codec::{Codec, Frame, MAX_BLOCK_LINES, MAX_READ_LINE_BYTES};
use tollgate::ami::{Action, Event};
use tollgate::fuzzing;

/// The frames of a text that comes in two parts, and whether the connection holds.
fn read(first: &[u8], second: &[u8]) -> (Vec<Frame>, bool) {
    let (mut codec, mut src, mut frames) = (Codec::new(), BytesMut::new(), Vec::new());
    for part in [first, second] {
        src.extend_from_slice(part);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
        assert!(src.len() <= MAX_READ_LINE_BYTES, "what waits is bounded");
    }
    (frames, true)
}

fn blocks(at: u8, text: &[u8]) {
    let at = usize::from(at).min(text.len());
    let (whole, split) = (read(text, &[]), read(&text[..at], &text[at..]));
    assert_eq!(whole, split, "it reads the same wherever it is split");
    for frame in whole.0 {
        if let Frame::Block(block) = frame {
            assert!(!block.fields().is_empty() && block.fields().len() <= MAX_BLOCK_LINES);
            assert!(block.fields().iter().all(|(name, value)| !name.contains('\n') && !value.contains('\n')));
            if let Some(row) = fuzzing::channel_row(&block) {
                assert!(!row.channel.is_empty() && !row.unique_id.is_empty());
                assert!(row.endpoint().is_none_or(|endpoint| row.channel.contains(endpoint)));
            }
            let ambiguous = block.is_ambiguous();
            assert!(matches!(Event::from(block), Event::Other(_)) || !ambiguous);
        }
    }
}

/// An action with values that somebody else chose is written as exactly its own lines.
fn action(value: &str) {
    let Ok(action) = Action::new("DBGet").with("Family", value).and_then(|action| action.with("Key", "k")) else {
        return;
    };
    let mut out = BytesMut::new();
    if Codec::new().encode((&action, "1"), &mut out).is_err() {
        return;
    }
    let text = std::str::from_utf8(&out).unwrap();
    let lines: Vec<&str> = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n").collect();
    let family = format!("Family: {value}");
    assert_eq!(lines.len(), 4, "{text:?}");
    assert!(lines.contains(&"Action: DBGet") && lines.contains(&family.as_str()) && lines.contains(&"Key: k"));
    assert!(lines.iter().all(|line| line.len() + 2 <= MAX_LINE_BYTES));
    assert!(!family.contains(['\r', '\n', '\0']));
}

tollgate_fuzz::target!(|data: &[u8]| {
    let Some((at, text)) = data.split_first() else { return };
    match (at, std::str::from_utf8(text)) {
        (255, Ok(value)) => action(value),
        _ => blocks(*at, text),
    }
});
