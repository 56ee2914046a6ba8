//! Recorded output of a real Asterisk, block by block.

use bytes::BytesMut;
use tokio_util::codec::Decoder as _;

use super::Message;
use super::codec::{Codec, Frame};

/// Reads the blocks of one recording in `transcripts/`.
pub(super) fn blocks(name: &str) -> Vec<Message> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ami/transcripts");
    let text = std::fs::read(format!("{folder}/asterisk-22.10.1-{name}.ami")).unwrap();
    let (mut codec, mut src) = (Codec::new(), BytesMut::from(text.as_slice()));
    let frames = std::iter::from_fn(|| codec.decode(&mut src).unwrap());
    frames
        .filter_map(|frame| match frame {
            Frame::Block(block) => Some(block),
            Frame::Banner(_) | Frame::Dropped => None,
        })
        .collect()
}
