//! Tickets: what is read of one is what was signed, and nothing that was not signed here is read at all.
#![no_main]

use std::sync::LazyLock;

use tollgate::calls::ticket::{MAX_TICKET_CHARS, Ticket, TicketError};
use tollgate::fuzzing;
use tollgate::secrets::Secrets;

static SECRETS: LazyLock<Secrets> = LazyLock::new(Secrets::ephemeral);

tollgate_fuzz::target!(|data: &[u8]| {
    // Without the key no text is a ticket.
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(Ticket::open(text, &SECRETS).is_err(), "a ticket that nobody signed was accepted");
    }
    // Behind the signature: fields as they may come out of a key that leaked, or of another version.
    let Ok(ticket) = fuzzing::ticket_fields(data) else { return };
    assert!(ticket.server.len() + ticket.unique_id.len() <= data.len());
    assert!(ticket.payers.len() <= 16 && ticket.routes.len() <= 16);
    assert!(ticket.payers.iter().all(|payer| payer.plan_version_ids.len() <= 16));
    match ticket.seal(&SECRETS) {
        Ok(text) => {
            assert!(text.len() <= MAX_TICKET_CHARS);
            assert_eq!(Ticket::open(&text, &SECRETS).as_ref(), Ok(&ticket));
            // One changed character is never accepted.
            let at = data.iter().map(|byte| usize::from(*byte)).sum::<usize>() % text.len();
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut changed = text;
            changed.replace_range(at..=at, other);
            assert!(Ticket::open(&changed, &SECRETS).is_err());
        }
        Err(error) => assert_eq!(error, TicketError::TooLong),
    }
});
