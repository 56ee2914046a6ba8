//! Settlement: the charge of a call, written once.
//!
//! The ledger detects duplicates by the call key. Everything before it only prices the call, and may run twice.

use std::sync::atomic::Ordering;

use dashmap::Entry;

use super::ended::Charged;
use super::error::SettleError;
use super::open::{Ending, OpenCall, Phase, Submission};
use super::request::SettleRequest;
use super::restored::{self, apply_extras};
use super::state::Calls;
use super::ticket::Ticket;
use crate::ledger::{CallKey, DurationSource, RecordedCall, Settled, Taken};
use crate::store::to_micros;

/// Result of a settle request that was carried out. The charge, if there is one, is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettleOutcome {
    /// In the ledger: committed now, or found committed.
    Committed(Settled),
    /// In the spool, until the database is reachable.
    Spooled {
        /// True if the spool had it already.
        again: bool,
    },
    /// Committed by an earlier request according to memory; the ledger was not asked.
    AlreadyCommitted,
    /// The key holds nothing: the call was never granted.
    NothingHeld,
}

impl SettleOutcome {
    /// Reports whether an earlier request settled the call.
    pub const fn is_duplicate(&self) -> bool {
        match self {
            Self::Committed(settled) => settled.duplicate,
            Self::Spooled { again } => *again,
            Self::AlreadyCommitted | Self::NothingHeld => true,
        }
    }

    /// Returns the CDR's id, if the ledger returned one.
    pub const fn cdr_id(&self) -> Option<i64> {
        match self {
            Self::Committed(settled) => Some(settled.cdr_id),
            Self::Spooled { .. } | Self::AlreadyCommitted | Self::NothingHeld => None,
        }
    }

    /// Returns one word for the log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Committed(_) => "committed",
            Self::Spooled { .. } => "spooled",
            Self::AlreadyCommitted => "already_committed",
            Self::NothingHeld => "nothing_held",
        }
    }
}

impl From<Taken> for SettleOutcome {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Booked(settled) => Self::Committed(settled),
            Taken::Spooled { again } => Self::Spooled { again },
        }
    }
}

impl Calls {
    /// Settles a call as its hangup handler reports it. On `Ok` the charge is durable.
    pub async fn settle(&self, request: &SettleRequest) -> Result<SettleOutcome, SettleError> {
        self.settle_from(request, DurationSource::Asterisk).await
    }

    /// Like [`Calls::settle`], with the source of the duration.
    pub async fn settle_from(
        &self,
        request: &SettleRequest,
        source: DurationSource,
    ) -> Result<SettleOutcome, SettleError> {
        if request.ticket.is_empty() {
            return self.settle_without_ticket(request).await;
        }
        let ticket = self.open_ticket(request)?;
        let _lock = self.lock_call(&request.key).ok_or(SettleError::InProgress)?;
        if let Some(call) = self.remove_granted(request, &ticket) {
            return self.price_and_submit(request, call, source).await;
        }
        // Answer repeated requests without the database, which may be unreachable.
        if self.spool.holds(&request.key, ticket.granted_at_us) {
            self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
            return Ok(SettleOutcome::Spooled { again: true });
        }
        if self.charged(&request.key) == Charged::Finally {
            self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
            return Ok(SettleOutcome::AlreadyCommitted);
        }
        let call = self.rebuild_from_ticket(request, &ticket).await?;
        self.price_and_submit(request, call, source).await
    }

    /// Verifies the ticket of a request and that it belongs to this call.
    fn open_ticket(&self, request: &SettleRequest) -> Result<Ticket, SettleError> {
        let refused = || self.metrics.tickets_refused.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket::open(&request.ticket, &self.secrets()).inspect_err(|_| {
            refused();
        })?;
        let key =
            CallKey { server: ticket.server.clone(), unique_id: ticket.unique_id.clone(), leg: ticket.leg };
        if key != request.key {
            refused();
            return Err(SettleError::OtherCall { ticket: key });
        }
        Ok(ticket)
    }

    /// Removes the open call that the ticket was issued for.
    fn remove_granted(&self, request: &SettleRequest, ticket: &Ticket) -> Option<Box<OpenCall>> {
        let is_its_grant = |call: &OpenCall| to_micros(call.granted_at) == ticket.granted_at_us;
        let (_, mut call) = self.open.remove_if(&request.key, |_, call| is_its_grant(call))?;
        // The journal keeps only the ticket: the request adds caller and called number.
        if !call.origin.is_this_process() {
            apply_extras(&mut call, request);
        }
        Some(call)
    }

    /// Rebuilds the call of a ticket that is not among the open ones.
    async fn rebuild_from_ticket(
        &self,
        request: &SettleRequest,
        ticket: &Ticket,
    ) -> Result<Box<OpenCall>, SettleError> {
        let mut call = restored::from_ticket(self, ticket, Some(request)).await?;
        // The limit up to which Asterisk let it run outlives the record of the open call.
        call.funded_seconds = self.limit_of(&request.key).unwrap_or(call.funded_seconds);
        Ok(Box::new(call))
    }

    /// Prices a call's end and submits it to the ledger. If that fails the call stays open with its holds, and the same
    /// priced settlement is submitted again until the ledger answers.
    pub(super) async fn price_and_submit(
        &self,
        request: &SettleRequest,
        call: Box<OpenCall>,
        source: DurationSource,
    ) -> Result<SettleOutcome, SettleError> {
        // A settlement without the ticket gives way to one with it, submitted or not.
        let is_current =
            |ending: &&Ending| request.ticket.is_empty() || !ending.settlement.settlement.provisional;
        if let Some(ending) = call.ending().filter(is_current) {
            let ending = ending.clone();
            return self.submit(&request.key, call, ending).await;
        }
        let settlement = match self.price(request, &call, source) {
            Ok(settlement) => settlement,
            Err(error) => {
                self.metrics.settles_failed.fetch_add(1, Ordering::Relaxed);
                if !call.origin.is_ticket_only() {
                    self.put_back(&request.key, call);
                }
                return Err(error);
            }
        };
        let submission = call.ending().map_or(call.submission, |ending| ending.submission);
        let ending = Ending { settlement, submission, may_have_dialled: call.may_have_dialled() };
        self.submit(&request.key, call, ending).await
    }

    /// Submits a settlement to the ledger, or to the spool before it, and closes the call according to the answer.
    pub(super) async fn submit(
        &self,
        key: &CallKey,
        mut call: Box<OpenCall>,
        ending: Ending,
    ) -> Result<SettleOutcome, SettleError> {
        let ticket_only = call.origin.is_ticket_only();
        let newest_before = self.newest_before(&ending);
        let charged = Charged::by(ending.settlement.settlement.provisional);
        let settled = match self.spool.settle(ending.settlement.settlement.clone()).await {
            Ok(Taken::Booked(settled)) => settled,
            Ok(Taken::Spooled { again }) => {
                let newest = (!again).then_some(newest_before);
                self.close_spooled(key, &mut call, &ending.settlement, newest);
                return Ok(SettleOutcome::Spooled { again });
            }
            Err(error) => {
                self.metrics.settles_failed.fetch_add(1, Ordering::Relaxed);
                self.keep_in_doubt(key, call, ending);
                return Err(error.into());
            }
        };
        self.newest_cdr.fetch_max(settled.cdr_id, Ordering::Relaxed);
        if !settled.duplicate {
            self.metrics.calls_settled.fetch_add(1, Ordering::Relaxed);
            call.hold_zero_if_ticket_only();
            let due = self.charges_due(key, &ending.settlement.charges, settled.replaced.as_ref());
            self.close(key, &mut call, &due);
            self.record_end(key, charged);
            return Ok(SettleOutcome::Committed(settled));
        }
        self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
        if ticket_only {
            return Ok(SettleOutcome::Committed(settled));
        }
        let record = RecordedCall {
            cdr_id: settled.cdr_id,
            setup_at: to_micros(call.granted_at),
            provisional: settled.provisional,
            replaced: settled.replaced.as_ref().map(|replaced| replaced.cdr_id),
        };
        let may_be_ours = ending.submission == Submission::InDoubt || !call.origin.is_this_process();
        match self.close_as_recorded(key, &mut call, record, may_be_ours).await {
            Ok(()) => Ok(SettleOutcome::Committed(settled)),
            Err(error) => {
                call.phase = Phase::Ended(Box::new(ending));
                self.put_back(key, call);
                Err(error)
            }
        }
    }

    /// Keeps a call whose settlement the ledger did not acknowledge among the open ones.
    fn keep_in_doubt(&self, key: &CallKey, mut call: Box<OpenCall>, ending: Ending) {
        call.hold_zero_if_ticket_only();
        call.phase = Phase::Ended(Box::new(Ending { submission: Submission::InDoubt, ..ending }));
        // The call has ended: only its settlement is pending.
        call.place = None;
        self.put_back(key, call);
    }

    /// Puts a call back among the open ones. If another call of the same key is open, that one is live: this one's
    /// holds are released, and its end is reported again.
    fn put_back(&self, key: &CallKey, mut call: Box<OpenCall>) {
        match self.open.entry(key.clone()) {
            Entry::Vacant(place) => {
                place.insert(call);
            }
            Entry::Occupied(_) => call.release_holds(),
        }
    }
}
