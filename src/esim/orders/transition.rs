//! The transitions of a pending order: the next step for each state and answer, without side effects.
//!
//! | answer | untried | in doubt | accepted |
//! |---|---|---|---|
//! | placed | record the number | record the number | – |
//! | refused | fail | read the list of purchases | retry |
//! | request rejected | fail | retry | retry |
//! | not sent (busy, not reached) | retry as untried | retry | retry |
//! | no clear answer | retry in doubt | retry in doubt | retry |
//! | not allocated yet | retry in doubt | retry in doubt | poll |
//! | in the list of purchases | record the number | record the number | – |
//! | absent from a complete list | fail | fail | – |
//! | list incomplete or unclear | retry | retry | – |
//! | allocated | – | – | charge |
//! | cancelled and refunded | – | – | fail |
//! | in an undocumented state | – | – | retry |
//!
//! Where the table has –, the question is not asked in that state: the order is polled.
//!
//! A refusal is final only for an order that was never submitted before. After a submission without a clear answer it proves
//! nothing about that one: an upstream need not look for the transaction id before it looks at prices, stock and balance.
//! The list of purchases then shows what was bought.

use crate::esim::upstream::{Profile, ProfileState, UpstreamError};
use crate::store::esim_orders::{EsimGiven, EsimStatus};

/// The state of a pending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was never submitted to the upstream.
    Untried,
    /// It was submitted, or may have been, without a clear answer.
    InDoubt,
    /// The upstream has accepted it under a number.
    Accepted,
}

/// An answer about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To its submission: accepted under this number.
    Placed(String),
    /// To the question whether it is among the purchases, asked after this refusal.
    Purchases {
        /// The refusal.
        refusal: String,
        /// The answer.
        found: Found,
    },
    /// To the question for its eSIM: it is there.
    Profile(Profile),
    /// To its submission, or to the question for its eSIM: none.
    Failed(UpstreamError),
}

/// The evidence of the upstream's list of purchases about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was bought, under this number.
    Bought(String),
    /// It is not in a list that contains another order of ours of about that time.
    Absent {
        /// The last submission is so long ago that the list would contain it.
        is_conclusive: bool,
    },
    /// The list proves nothing.
    Unclear(String),
}

/// The next step of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Record the upstream's number, then ask for the eSIM.
    RecordNumber(String),
    /// Ask whether it is among the purchases.
    ReadPurchases {
        /// The refusal that led to the question.
        refusal: String,
    },
    /// Charge it and record its eSIM.
    Charge(EsimGiven),
    /// End it as failed, and release its hold.
    Fail(String),
    /// Ask for the eSIM again soon.
    Poll,
    /// Try again later, as an order that was never submitted.
    RetryUntried(UpstreamError),
    /// Try again later; it may have been bought by this submission.
    RetryInDoubt(UpstreamError),
    /// Try again later.
    Retry(UpstreamError),
}

/// The next step of an order.
pub(super) fn next_step(state: State, answer: Answer) -> Step {
    use UpstreamError::{Busy, NotReached, NotYet, Refused, Rejected, Unknown};
    match (state, answer) {
        (State::Accepted, Answer::Profile(profile)) => step_with_profile(profile),
        (State::Accepted, Answer::Failed(NotYet) | Answer::Placed(_) | Answer::Purchases { .. })
        | (State::Untried | State::InDoubt, Answer::Profile(_)) => Step::Poll,
        (State::Untried | State::InDoubt, Answer::Placed(number)) => Step::RecordNumber(number),
        (State::Untried | State::InDoubt, Answer::Purchases { refusal, found }) => match found {
            Found::Bought(number) => Step::RecordNumber(number),
            Found::Absent { is_conclusive: true } => Step::Fail(refusal),
            Found::Absent { is_conclusive: false } => unproven(&refusal, "its list does not have it so far"),
            Found::Unclear(reason) => unproven(&refusal, &reason),
        },
        (State::Untried, Answer::Failed(error @ (Refused { .. } | Rejected { .. }))) => {
            Step::Fail(error.to_string())
        }
        (State::Untried, Answer::Failed(error @ (NotReached(_) | Busy))) => Step::RetryUntried(error),
        (State::InDoubt, Answer::Failed(error @ Refused { .. })) => {
            Step::ReadPurchases { refusal: error.to_string() }
        }
        (State::Untried | State::InDoubt, Answer::Failed(error @ (NotYet | Unknown(_)))) => {
            Step::RetryInDoubt(error)
        }
        // An upstream that has accepted an order cannot refuse it any more: the operator has to look.
        (State::InDoubt | State::Accepted, Answer::Failed(error)) => Step::Retry(error),
    }
}

fn step_with_profile(profile: Profile) -> Step {
    match (profile.state.status(), profile.state) {
        (_, ProfileState::Cancelled) => Step::Fail("the upstream has cancelled it".to_owned()),
        (None, ProfileState::Other(state)) => Step::Retry(UpstreamError::Unknown(format!("state {state}"))),
        (status, _) => Step::Charge(EsimGiven {
            status: status.unwrap_or(EsimStatus::Allocated),
            tran_no: profile.tran_no,
            iccid: profile.iccid,
            activation_code: profile.activation_code,
            total_bytes: profile.total_bytes,
            used_bytes: profile.used_bytes,
            expires_at: profile.expires_at,
        }),
    }
}

fn unproven(refusal: &str, reason: &str) -> Step {
    Step::Retry(UpstreamError::Unknown(format!("{refusal}; an earlier try may have bought it, and {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "B1";

    fn refused() -> UpstreamError {
        UpstreamError::Refused { code: "7".to_owned(), message: "no stock".to_owned() }
    }

    fn rejected() -> UpstreamError {
        UpstreamError::Rejected { code: "1".to_owned(), message: "signature".to_owned() }
    }

    fn unknown() -> UpstreamError {
        UpstreamError::Unknown("HTTP 500".to_owned())
    }

    fn not_reached() -> UpstreamError {
        UpstreamError::NotReached("no route".to_owned())
    }

    fn profile(state: ProfileState) -> Profile {
        Profile {
            tran_no: "T1".to_owned(),
            iccid: "89".to_owned(),
            activation_code: "LPA:1$x$y".to_owned(),
            state,
            total_bytes: Some(2),
            used_bytes: Some(1),
            expires_at: None,
        }
    }

    fn purchases(found: Found) -> Answer {
        Answer::Purchases { refusal: "refused".to_owned(), found }
    }

    /// The three cells of a row: untried, in doubt, accepted.
    fn row(answer: &Answer) -> [Step; 3] {
        [State::Untried, State::InDoubt, State::Accepted].map(|state| next_step(state, answer.clone()))
    }

    #[test]
    fn a_placed_order_is_recorded_under_its_number() {
        let record = || Step::RecordNumber(NUMBER.to_owned());
        assert_eq!(row(&Answer::Placed(NUMBER.to_owned())), [record(), record(), Step::Poll]);
    }

    #[test]
    fn a_refusal_ends_only_an_order_that_was_never_submitted_before() {
        let reason = refused().to_string();
        assert_eq!(
            row(&Answer::Failed(refused())),
            [Step::Fail(reason.clone()), Step::ReadPurchases { refusal: reason }, Step::Retry(refused())]
        );
    }

    #[test]
    fn a_rejected_request_proves_nothing_about_an_earlier_submission() {
        let fail = Step::Fail(rejected().to_string());
        assert_eq!(
            row(&Answer::Failed(rejected())),
            [fail, Step::Retry(rejected()), Step::Retry(rejected())]
        );
    }

    #[test]
    fn a_request_that_was_not_sent_leaves_the_order_as_it_was() {
        for error in [not_reached(), UpstreamError::Busy] {
            let retry = || Step::Retry(error.clone());
            assert_eq!(
                row(&Answer::Failed(error.clone())),
                [Step::RetryUntried(error.clone()), retry(), retry()]
            );
        }
    }

    #[test]
    fn a_submission_without_a_clear_answer_leaves_the_order_in_doubt() {
        let doubt = || Step::RetryInDoubt(unknown());
        assert_eq!(row(&Answer::Failed(unknown())), [doubt(), doubt(), Step::Retry(unknown())]);
        let doubt = || Step::RetryInDoubt(UpstreamError::NotYet);
        assert_eq!(row(&Answer::Failed(UpstreamError::NotYet)), [doubt(), doubt(), Step::Poll]);
    }

    #[test]
    fn the_list_of_purchases_decides_about_a_refused_order_in_doubt() {
        let record = || Step::RecordNumber(NUMBER.to_owned());
        assert_eq!(row(&purchases(Found::Bought(NUMBER.to_owned()))), [record(), record(), Step::Poll]);
        let fail = || Step::Fail("refused".to_owned());
        assert_eq!(row(&purchases(Found::Absent { is_conclusive: true })), [fail(), fail(), Step::Poll]);
        for (found, reason) in [
            (Found::Absent { is_conclusive: false }, "its list does not have it so far"),
            (Found::Unclear("it is too long".to_owned()), "it is too long"),
        ] {
            let text = format!("refused; an earlier try may have bought it, and {reason}");
            let retry = || Step::Retry(UpstreamError::Unknown(text.clone()));
            assert_eq!(row(&purchases(found)), [retry(), retry(), Step::Poll]);
        }
    }

    #[test]
    fn an_allocated_esim_is_charged_in_whatever_documented_state_it_is() {
        for (state, status) in [
            (ProfileState::Allocated, EsimStatus::Allocated),
            (ProfileState::InUse, EsimStatus::InUse),
            (ProfileState::UsedUp, EsimStatus::UsedUp),
            (ProfileState::Expired, EsimStatus::Expired),
            (ProfileState::Revoked, EsimStatus::Cancelled),
        ] {
            let charge = Step::Charge(EsimGiven {
                status,
                tran_no: "T1".to_owned(),
                iccid: "89".to_owned(),
                activation_code: "LPA:1$x$y".to_owned(),
                total_bytes: Some(2),
                used_bytes: Some(1),
                expires_at: None,
            });
            assert_eq!(row(&Answer::Profile(profile(state))), [Step::Poll, Step::Poll, charge]);
        }
    }

    #[test]
    fn a_cancelled_esim_is_not_charged_and_an_undocumented_state_waits() {
        let cancelled = Step::Fail("the upstream has cancelled it".to_owned());
        assert_eq!(
            row(&Answer::Profile(profile(ProfileState::Cancelled))),
            [Step::Poll, Step::Poll, cancelled]
        );
        let other = Step::Retry(UpstreamError::Unknown("state MAYBE".to_owned()));
        let state = ProfileState::Other("MAYBE".to_owned());
        assert_eq!(row(&Answer::Profile(profile(state))), [Step::Poll, Step::Poll, other]);
    }
}
