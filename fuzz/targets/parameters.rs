//! Parameters of URLs and forms: each is given once, none is a key, pages are bounded; the subaccounts API's parameters
//! and signatures.
#![no_main]

use tollgate::api::query::MAX_LIMIT;
use tollgate::fuzzing;

fn query(text: &str) {
    match fuzzing::query(text, "endpoint") {
        Err(error) => assert_eq!(error.status, 400),
        Ok((_, pages)) => {
            for page in pages {
                match page {
                    Ok((limit, offset)) => assert!((1..=MAX_LIMIT).contains(&limit) && offset >= 0),
                    Err(error) => assert!(error.status == 400 && !error.message.is_empty()),
                }
            }
        }
    }
}

fn subaccounts(text: &[u8]) {
    let (query, body) = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let Ok(query) = std::str::from_utf8(query) else { return };
    let of_query = fuzzing::subaccount_parameter(query, b"", "id").unwrap();
    if let Some(Some(value)) = fuzzing::subaccount_parameter(query, body, "id") {
        // A form's broken UTF-8 becomes a character of three bytes for one.
        assert!(value.len() <= 3 * (query.len() + body.len()));
    }
    if body.trim_ascii().is_empty() {
        assert_eq!(fuzzing::subaccount_parameter(query, body, "id"), Some(of_query));
    }
}

fn signature(text: &str) {
    if let Some(bytes) = fuzzing::signature(text) {
        assert_eq!(bytes.len(), 32);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, text.to_ascii_lowercase());
    }
}

tollgate_fuzz::target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    match (kind, std::str::from_utf8(rest)) {
        (b'q', Ok(text)) => query(text),
        (b's', _) => subaccounts(rest),
        (b'x', Ok(text)) => signature(text),
        _ => {}
    }
});
