//! One message: sent now, or at a time, or called back.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tollgate_rating::E164;

use super::error::{CancelError, SendError};
use super::order::{Draft, Priced, encoding_name, new_reference};
use super::outcome::Ended;
use super::service::{Messaging, STOP_PATIENCE};
use crate::accounts::spending::{self, Question, Record, SpendError, Spending};
use crate::directory::Account;
use crate::services::ServiceError;
use crate::store::idempotency::RememberedAnswer;
use crate::store::messages::{MessageState, NewMessage};
use crate::store::{StoreError, Tx};

/// How long whoever sends a message waits to hear what its provider says.
const SEND_PATIENCE: Duration = Duration::from_secs(20);

/// A message that is written, with what the same request gets if it comes again.
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

impl Question for Written<'_> {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.message_state(self.message.id).await?.is_some())
    }
}

/// A message that is called back.
struct CalledBack {
    id: i64,
    account_id: i64,
    at: Timestamp,
}

/// It is not waiting.
#[derive(Debug)]
struct NotWaiting;

impl Record for CalledBack {
    type Refused = NotWaiting;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), NotWaiting>, StoreError> {
        let done = tx.cancel_message(self.id, self.account_id, self.at).await?;
        Ok(if done { Ok(()) } else { Err(NotWaiting) })
    }
}

impl Question for CalledBack {
    async fn is_written(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.message_state(self.id).await? == Some(MessageState::Cancelled))
    }
}

impl Messaging {
    /// Sends a message: on return it is known what its provider says, or it is still being tried. It is taken as every
    /// other that is due: so a process that ends was sending no more of them than its provider is given in a moment.
    pub async fn send(
        &self,
        draft: &Draft,
        (number, priced): (E164, Priced),
        id: i64,
        remembered: Option<&RememberedAnswer>,
    ) -> Result<Ended, SendError> {
        let message = self.message(draft, number, id, priced);
        let waiting = Ended { state: MessageState::Queued, failure: None };
        if self.lane(&message.provider).is_none_or(|lane| lane.pace.is_paused()) {
            // Nobody waits for a provider that takes nothing at the moment.
            self.write(draft, &message, remembered).await?;
            return Ok(waiting);
        }
        let (reply, mut ended) = oneshot::channel();
        self.waiting().insert(id, reply);
        if let Err(error) = self.write(draft, &message, remembered).await {
            self.waiting().remove(&id);
            return Err(error);
        }
        self.wake(&message.provider);
        let heard = tokio::time::timeout(SEND_PATIENCE, &mut ended);
        let heard = tokio::select! {
            heard = heard => heard,
            () = self.stop.cancelled() => {
                // What is not taken by now, the next process takes.
                let is_taken = self.waiting().remove(&id).is_none();
                let patience = if is_taken { STOP_PATIENCE } else { Duration::ZERO };
                tokio::time::timeout(patience, ended).await
            }
        };
        self.waiting().remove(&id);
        match heard {
            Ok(Ok(ended)) => Ok(ended),
            _ => Ok(waiting),
        }
    }

    /// Writes a message that is sent at its time: on return it is durable, and its cost is set aside.
    pub async fn schedule(
        &self,
        draft: &Draft,
        (number, priced): (E164, Priced),
        (id, at): (i64, Timestamp),
        remembered: Option<&RememberedAnswer>,
    ) -> Result<(), SendError> {
        let message = NewMessage {
            state: MessageState::Scheduled,
            scheduled_at: Some(at),
            due_at: at,
            ..self.message(draft, number, id, priced)
        };
        self.write(draft, &message, remembered).await?;
        self.wake(&message.provider);
        Ok(())
    }

    /// Calls an account's scheduled message back. Against the sending of it exactly one wins.
    pub async fn cancel_scheduled(&self, account: &Account, id: i64) -> Result<(), CancelError> {
        // One at a time, so that it can be told whose calling back a message was.
        let _alone = self.calling_back.lock().await;
        let found = self.services.store.scheduled_message(id, account.id).await?;
        let (reference, payers) = found.ok_or(CancelError::Unknown)?;
        let shares = self.shares(&payers).await?;
        let record = CalledBack { id, account_id: account.id, at: self.services.clock.now() };
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

    fn message(&self, draft: &Draft, number: E164, id: i64, priced: Priced) -> NewMessage {
        NewMessage {
            id,
            account_id: draft.account.id,
            campaign_id: None,
            reference: new_reference(),
            provider: draft.provider.name.clone(),
            phone: number.to_string(),
            sender_id: draft.sender_id.clone(),
            body: Some(draft.text.clone()),
            encoding: encoding_name(draft.counted.encoding),
            segments: draft.counted.segments,
            scheduled_at: None,
            due_at: self.services.clock.now(),
            state: MessageState::Queued,
            claim: None,
            payers: priced.payers,
            prices: priced.prices,
            failure: None,
        }
    }

    /// Sets aside what a message costs, and writes it.
    async fn write(
        &self,
        draft: &Draft,
        message: &NewMessage,
        remembered: Option<&RememberedAnswer>,
    ) -> Result<(), SendError> {
        let reserved = self.unsent.reserve(&draft.chain, 1)?;
        let shares: Vec<_> = draft
            .chain
            .iter()
            .zip(&message.payers)
            .map(|(account, (_, amount))| spending::Share { account: Arc::clone(account), amount: *amount })
            .collect();
        let record = Written { message, remembered, at: self.services.clock.now() };
        let written =
            spending::set_aside(&self.services, Spending::Sms, &message.reference, &shares, &record).await;
        written?;
        reserved.written();
        Ok(())
    }
}
