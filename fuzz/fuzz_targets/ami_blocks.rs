//! What an Asterisk, or whoever sits there instead, may say on the manager interface.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder as _;
use tollgate::ami::Event;
use tollgate::ami::codec::{Codec, Frame, MAX_BLOCK_LINES, MAX_READ_LINE_BYTES};

/// The frames of a text that comes in two parts; whether the connection holds.
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

fuzz_target!(|data: &[u8]| {
    let Some((at, text)) = data.split_first() else { return };
    let at = usize::from(*at).min(text.len());
    let (whole, split) = (read(text, &[]), read(&text[..at], &text[at..]));
    assert_eq!(whole, split, "it reads the same wherever it is split");
    for frame in whole.0 {
        if let Frame::Block(block) = frame {
            assert!(!block.fields().is_empty() && block.fields().len() <= MAX_BLOCK_LINES);
            assert!(block.fields().iter().all(|(name, value)| !name.contains('\n') && !value.contains('\n')));
            let ambiguous = block.is_ambiguous();
            assert!(matches!(Event::from(block), Event::Other(_)) || !ambiguous);
        }
    }
});
