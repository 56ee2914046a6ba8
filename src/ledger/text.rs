//! Cleans texts from the network for the ledger: a call must not be lost because of its texts.
//!
//! `PostgreSQL` refuses NUL in a text, and other control characters do not belong in a CDR; a text longer than any that
//! SIP or Asterisk produces is cut.

use crate::store::cdr::{CallKey, CdrDraft, RefusedAttempt, Settlement};

/// Maximum length in bytes. Asterisk limits extensions and caller ids to 80; a Call-ID may be longer.
const MAX_BYTES: usize = 255;

pub(super) fn clean_settlement(settlement: &mut Settlement) {
    clean_key(&mut settlement.key);
    clean_draft(&mut settlement.cdr);
}

pub(super) fn clean_attempt(attempt: &mut RefusedAttempt) {
    clean_key(&mut attempt.key);
    clean_draft(&mut attempt.cdr);
}

/// Cleans a key. Equal keys are cleaned to equal texts, so the key still names one call.
pub(super) fn clean_key(key: &mut CallKey) {
    clean(&mut key.server);
    clean(&mut key.unique_id);
}

fn clean_draft(draft: &mut CdrDraft) {
    let optional = [
        &mut draft.refused_reason,
        &mut draft.number,
        &mut draft.destination,
        &mut draft.hung_up_by,
        &mut draft.source_address,
        &mut draft.sip_call_id,
    ];
    let attempts = draft
        .attempts
        .iter_mut()
        .flat_map(|attempt| attempt.trunk.iter_mut().chain([&mut attempt.dial_status]));
    let texts = [&mut draft.endpoint, &mut draft.caller, &mut draft.dialled];
    texts.into_iter().chain(optional.into_iter().flatten()).chain(attempts).for_each(clean);
}

fn clean(text: &mut String) {
    if text.len() <= MAX_BYTES && !text.contains(char::is_control) {
        return;
    }
    *text = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let mut end = MAX_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> String {
        let mut text = text.to_owned();
        clean(&mut text);
        text
    }

    #[test]
    fn control_characters_are_shown_as_unreadable_and_long_texts_are_cut() {
        assert_eq!(cleaned("00491701"), "00491701");
        assert_eq!(cleaned("a\0b\r\nc"), "a\u{fffd}b\u{fffd}\u{fffd}c");
        assert_eq!(cleaned(&"é".repeat(200)).len(), 254);
        assert_eq!(cleaned(&"x".repeat(300)).len(), 255);
    }
}
