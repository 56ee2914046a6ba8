//! Whatever is read as a transcript is written and read again as the same one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_agi::transcript::Transcript;

fuzz_target!(|text: &str| {
    if let Ok(transcript) = text.parse::<Transcript>() {
        assert_eq!(transcript.to_string().parse(), Ok(transcript));
    }
});
