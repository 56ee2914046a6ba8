//! How bytes arrive changes nothing in the lines they make. The first byte says in pieces of how many, the second how
//! long a line may be.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;
use tollgate_agi::codec::LineCodec;

fn lines<'a>(limit: usize, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Bytes>, bool) {
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

fuzz_target!(|bytes: &[u8]| {
    let [size, limit, rest @ ..] = bytes else { return };
    let (size, limit) = (usize::from(*size).max(1), usize::from(*limit));
    assert_eq!(lines(limit, rest.chunks(size)), lines(limit, std::iter::once(rest)));
});
