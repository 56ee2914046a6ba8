//! Whatever is taken for an environment has each fixed line once and values without line breaks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_agi::environment::MAX_ARGUMENTS;
use tollgate_agi::{Environment, Key};

fuzz_target!(|bytes: &[u8]| {
    let Ok(environment) = Environment::parse(bytes) else { return };
    let clean = |value: &str| !value.chars().any(|character| character.is_ascii_control());
    assert!(Key::ALL.into_iter().all(|key| clean(environment.get(key))));
    assert!(environment.args().all(clean));
    assert!(environment.args().len() <= MAX_ARGUMENTS);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(lines >= Key::ALL.len() + environment.args().len());
});
