//! The refusals that the documentation promises: each operation's statuses with their machine codes.
//!
//! Endpoints name their own in `Endpoint::REFUSALS`; the others follow from the method and the constants of the
//! endpoint. Tests compare every refusal that they receive with this list.

/// A status with one of its machine codes.
pub type Refusal = (u16, &'static str);

/// Refusals of every operation.
pub(super) const OF_ALL: &[Refusal] = &[
    (400, "bad_request"),
    (400, "misplaced_header"),
    (400, "key_in_url"),
    (400, "unknown_parameter"),
    (401, "unauthorized"),
    (403, "wrong_key_kind"),
    (405, "method_not_allowed"),
    (429, "too_many_requests"),
    (500, "internal"),
    (503, "unavailable"),
];
/// Refusals of every `POST`.
pub(super) const OF_POST: &[Refusal] = &[
    (400, "unknown_field"),
    (403, "inactive"),
    (408, "too_slow"),
    (413, "too_large"),
    (415, "unsupported_media_type"),
];
/// Refusals of a change that is not paid for.
pub(super) const OF_CHANGES: &[Refusal] = &[(429, "too_many_changes")];
/// Refusals of an `Idempotency-Key`.
pub(super) const OF_KEYS: &[Refusal] = &[(409, "answer_gone"), (409, "idempotency_key_taken")];

/// The meaning of a status, for the documentation.
pub(super) const fn meaning(status: u16) -> &'static str {
    match status {
        400 => "Malformed, unknown or out of range; `field` names it",
        401 => "The key is missing or invalid",
        402 => "Not enough credit",
        403 => "The key is of another kind, or the account is disabled",
        404 => "Not found, or it belongs to another account",
        405 => "Another method is required; `Allow` names it",
        408 => "The body took too long to arrive",
        409 => "Conflicts with the present state",
        413 => "The body is too large",
        415 => "The body is not JSON",
        422 => "Refused by a rule",
        429 => "Too many requests; `Retry-After` gives the seconds to wait",
        500 => "Internal error; `request_id` identifies it in the log",
        503 => "Not available at the moment; `Retry-After` gives the seconds to wait",
        _ => "Refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::surface::Surface;

    #[test]
    fn every_refusal_of_every_endpoint_has_a_meaning() {
        for route in Surface::ALL.iter().flat_map(|surface| surface.routes()) {
            let refusals = (route.refusals)();
            assert!(refusals.contains(&(400, "bad_request")), "{route:?}");
            assert!(refusals.iter().all(|(status, _)| meaning(*status) != "Refused"), "{route:?}");
        }
    }
}
