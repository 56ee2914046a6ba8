//! Whatever is taken for a success can be put together again.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tollgate_agi::reply::{Reply, ReplyParser, Said};

fuzz_target!(|bytes: &[u8]| {
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
});
