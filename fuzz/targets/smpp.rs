//! SMPP: PDUs of an SMSC, whole or spoilt, and the receipts in them.
#![no_main]

use tollgate::fuzzing;

tollgate_fuzz::target!(|data: &[u8]| {
    let Some(read) = fuzzing::smpp_pdu(data) else {
        assert!(data.len() < 16);
        return;
    };
    let word = |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().unwrap());
    assert_eq!(read.head, (word(4), word(8), word(12)), "the head is read whatever the body is");
    if let Some(id) = &read.message_id {
        assert!(read.has_body && !id.is_empty() && id.len() <= data.len());
    }
    if let Some(receipt) = &read.receipt {
        assert!(read.has_body && !receipt.upstream_id.is_empty() && receipt.upstream_id.len() <= 3 * data.len());
        assert!(receipt.failure.as_ref().is_none_or(|code| code.chars().count() <= 40));
    }
});
