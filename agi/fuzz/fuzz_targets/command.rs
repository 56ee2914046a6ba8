//! Whatever is written for a value is one line, and Asterisk's own splitting gives the value back.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tollgate_agi::Command;
use tollgate_agi::client::{split_assignments, words};
use tollgate_agi::command::{MAX_COMMAND_BYTES, MSet, SetVariable};

fuzz_target!(|value: &str| {
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
        assert_eq!(
            split_assignments(list),
            [("A".to_owned(), value.to_owned()), ("B".to_owned(), "1".to_owned())]
        );
    }
});
