//! A single message: sent now or at a time, or cancelled.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tollgate_rating::Money;

use super::error::{CancelError, SendError};
use super::outcome::Ended;
use super::prepare::{Placement, Prepared};
use super::service::{Messaging, STOP_PATIENCE};
use crate::accounts::spending::{self, Record, SpendError, Spending};
use crate::directory::Account;
use crate::services::ServiceError;
use crate::store::idempotency::RememberedAnswer;
use crate::store::messages::{MessageState, NewMessage};
use crate::store::{Evidence, StoreError, Tx};

/// The longest wait of a request for the provider's answer.
const SEND_PATIENCE: Duration = Duration::from_secs(20);

/// A message that was sent, or is still being tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its state.
    pub state: MessageState,
    /// Why it was not sent.
    pub failure: Option<String>,
    /// Balance of the sender; while the message is being tried, less its held cost.
    pub balance_after: Money,
}

/// A message that is written, with the answer that a repeated request gets.
struct Written<'a> {
    message: &'a NewMessage,
    remembered: Option<&'a RememberedAnswer>,
    at: Timestamp,
}

impl Record for Written<'_> {
    type Refused = std::convert::Infallible;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), Self::Refused>, StoreError> {
        tx.insert_messages(std::slice::from_ref(self.message), self.at).await?;
        if let Some(answer) = self.remembered {
            tx.remember_answer(answer).await?;
        }
        Ok(Ok(()))
    }
}

impl Evidence for Written<'_> {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.message_state(self.message.id).await?.is_some())
    }
}

/// The cancellation of a message.
struct Cancellation {
    id: i64,
    account_id: i64,
    at: Timestamp,
}

/// The message is not waiting.
#[derive(Debug)]
struct NotWaiting;

impl Record for Cancellation {
    type Refused = NotWaiting;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), NotWaiting>, StoreError> {
        let done = tx.cancel_message(self.id, self.account_id, self.at).await?;
        Ok(if done { Ok(()) } else { Err(NotWaiting) })
    }
}

impl Evidence for Cancellation {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.message_state(self.id).await? == Some(MessageState::Cancelled))
    }
}

impl Messaging {
    /// Sends a message: on return the provider has answered, or the message is still being tried. It is claimed like any
    /// other due message, so that a process that ends has no more of them under way than its provider gets in a moment.
    pub async fn send(
        &self,
        prepared: &Prepared,
        id: i64,
        remembered: Option<&RememberedAnswer>,
    ) -> Result<Sent, SendError> {
        let ended = self.send_and_wait(prepared, id, remembered).await?;
        // The cost of a message that still waits is held: as good as spent.
        let balance_after = match ended.state {
            MessageState::Queued => prepared.balance_after(),
            _ => prepared.account.wallet.snapshot().balance,
        };
        Ok(Sent { state: ended.state, failure: ended.failure, balance_after })
    }

    async fn send_and_wait(
        &self,
        prepared: &Prepared,
        id: i64,
        remembered: Option<&RememberedAnswer>,
    ) -> Result<Ended, SendError> {
        let placement = Placement {
            id,
            campaign_id: None,
            state: MessageState::Queued,
            scheduled_at: None,
            due_at: self.services.clock.now(),
        };
        let message = prepared.message(prepared.first_recipient()?, placement);
        let waiting = Ended { state: MessageState::Queued, failure: None };
        if self.lane(&message.provider).is_none_or(|lane| lane.pace.is_paused()) {
            // A paused provider accepts nothing at the moment: its answer is not waited for.
            self.write(prepared, &message, remembered).await?;
            return Ok(waiting);
        }
        let (reply, mut ended) = oneshot::channel();
        self.waiting().insert(id, reply);
        if let Err(error) = self.write(prepared, &message, remembered).await {
            self.waiting().remove(&id);
            return Err(error);
        }
        self.wake(&message.provider);
        let answered = tokio::time::timeout(SEND_PATIENCE, &mut ended);
        let answered = tokio::select! {
            answered = answered => answered,
            () = self.stop.cancelled() => {
                // A message that is not claimed by now is claimed by the next process.
                let is_claimed = self.waiting().remove(&id).is_none();
                let patience = if is_claimed { STOP_PATIENCE } else { Duration::ZERO };
                tokio::time::timeout(patience, ended).await
            }
        };
        self.waiting().remove(&id);
        match answered {
            Ok(Ok(ended)) => Ok(ended),
            _ => Ok(waiting),
        }
    }

    /// Writes a message that is sent at its time: on return it is durable, and its cost is held.
    pub async fn schedule(
        &self,
        prepared: &Prepared,
        id: i64,
        at: Timestamp,
        remembered: Option<&RememberedAnswer>,
    ) -> Result<(), SendError> {
        let placement = Placement {
            id,
            campaign_id: None,
            state: MessageState::Scheduled,
            scheduled_at: Some(at),
            due_at: at,
        };
        let message = prepared.message(prepared.first_recipient()?, placement);
        self.write(prepared, &message, remembered).await?;
        self.wake(&message.provider);
        Ok(())
    }

    /// Cancels an account's scheduled message, unless it is claimed for sending first: exactly one of both happens.
    pub async fn cancel_scheduled(&self, account: &Account, id: i64) -> Result<(), CancelError> {
        // One at a time, so that a cancelled message is known to be cancelled by this request.
        let _alone = self.cancelling_messages.lock().await;
        let found = self.services.store.scheduled_message(id, account.id).await?;
        let (reference, payers) = found.ok_or(CancelError::Unknown)?;
        let shares = self.load_shares(&payers).await?;
        let record = Cancellation { id, account_id: account.id, at: self.services.clock.now() };
        match spending::give_back(&self.services, &reference, &shares, &record).await {
            Ok(()) => Ok(()),
            Err(SpendError::Refused(NotWaiting)) => Err(self.too_late(account, id).await?),
            Err(SpendError::Services(ServiceError::Store(error))) => Err(error.into()),
            Err(error) => {
                let reason = error.to_string();
                Err(StoreError::Inconsistent { table: "sms_messages", reason }.into())
            }
        }
    }

    async fn too_late(&self, account: &Account, id: i64) -> Result<CancelError, StoreError> {
        let message = self.services.store.message(id, account.id).await?;
        let state = message.map_or(MessageState::Cancelled, |message| message.state);
        Ok(CancelError::TooLate { state: state.shown().to_owned() })
    }

    /// Holds the cost of a message, and writes it.
    async fn write(
        &self,
        prepared: &Prepared,
        message: &NewMessage,
        remembered: Option<&RememberedAnswer>,
    ) -> Result<(), SendError> {
        let shares = prepared.shares();
        let reserved = self.unsent.reserve(shares, 1)?;
        let record = Written { message, remembered, at: self.services.clock.now() };
        spending::set_aside(&self.services, Spending::Sms, &message.reference, shares, &record).await?;
        reserved.written();
        Ok(())
    }
}
