//! Messages: sender, recipient, payers, charges and outcome. Campaigns are in [`super::campaigns`], receipts in
//! [`super::receipts`].

use std::sync::LazyLock;

use jiff::Timestamp;
use tollgate_rating::Money;

use super::insert::{ManyRows, Value};
use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

const CLAIM: &str = include_str!("../../sql/queries/messages_claim.sql");
const CLAIM_OF_CAMPAIGNS: &str = include_str!("../../sql/queries/messages_claim_of_campaigns.sql");
const DUE_OF_CAMPAIGNS: &str = include_str!("../../sql/queries/messages_due_of_campaigns.sql");
const DUE: &str = include_str!("../../sql/queries/messages_due.sql");
const CLAIMED: &str = include_str!("../../sql/queries/messages_claimed.sql");
const END: &str = include_str!("../../sql/queries/messages_end.sql");
const STATE: &str = include_str!("../../sql/queries/messages_state.sql");
const CANCEL: &str = include_str!("../../sql/queries/messages_cancel.sql");
const SCHEDULED_ONE: &str = include_str!("../../sql/queries/messages_scheduled_one.sql");

pub(super) static MESSAGES: LazyLock<ManyRows> = LazyLock::new(|| {
    ManyRows::insert(
        "sms_messages",
        "id, account_id, campaign_id, reference, provider, phone, sender_id, body, encoding, segments, scheduled_at, \
         due_at, created_at, updated_at, state, claim, attempts, payer_1, charge_1, payer_2, charge_2, \
         payer_3, charge_3, payer_4, charge_4, prices, failure, asked",
        "",
    )
});

/// Payer accounts and their amounts, in the order of the chain: at most four.
pub type Payers = Vec<(i64, Money)>;

/// State of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Waiting for its scheduled time.
    Scheduled,
    /// Waiting to be sent.
    Queued,
    /// Being submitted to a provider.
    Sending,
    /// Accepted by a provider.
    SentToProvider,
    /// Delivered to the phone.
    Delivered,
    /// Not accepted by a provider in time, or not deliverable by the network.
    Failed,
    /// Not delivered by the network in time.
    Expired,
    /// Refused by the provider, the price list or the network.
    Rejected,
    /// Delivery to the provider is in doubt.
    Unknown,
    /// Cancelled before it was sent.
    Cancelled,
}

impl MessageState {
    /// Returns the name that is shown: a message being sent is shown as waiting.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Sending => "QUEUED",
            other => other.as_str(),
        }
    }

    /// Returns the name that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Queued => "QUEUED",
            Self::Sending => "SENDING",
            Self::SentToProvider => "SENT_TO_PROVIDER",
            Self::Delivered => "DELIVERED",
            Self::Failed => "FAILED",
            Self::Expired => "EXPIRED",
            Self::Rejected => "REJECTED",
            Self::Unknown => "UNKNOWN",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        Ok(match text {
            "SCHEDULED" => Self::Scheduled,
            "QUEUED" => Self::Queued,
            "SENDING" => Self::Sending,
            "SENT_TO_PROVIDER" => Self::SentToProvider,
            "DELIVERED" => Self::Delivered,
            "FAILED" => Self::Failed,
            "EXPIRED" => Self::Expired,
            "REJECTED" => Self::Rejected,
            "UNKNOWN" => Self::Unknown,
            "CANCELLED" => Self::Cancelled,
            other => {
                let reason = format!("unknown state {other:?}");
                return Err(StoreError::Inconsistent { table: "sms_messages", reason });
            }
        })
    }
}

/// A message to insert.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Id of the message.
    pub id: i64,
    /// Account of the sender.
    pub account_id: i64,
    /// Id of its campaign, if any; then the text is the campaign's.
    pub campaign_id: Option<i64>,
    /// Reference given to the provider.
    pub reference: String,
    /// Provider that sends it.
    pub provider: String,
    /// Number of the recipient in E.164 digits.
    pub phone: String,
    /// Requested sender id.
    pub sender_id: Option<String>,
    /// Text; `None` in a campaign.
    pub body: Option<String>,
    /// Alphabet of the text.
    pub encoding: &'static str,
    /// Number of segments.
    pub segments: u16,
    /// Requested time of sending; `None` for at once.
    pub scheduled_at: Option<Timestamp>,
    /// Time it is due.
    pub due_at: Timestamp,
    /// State of the message.
    pub state: MessageState,
    /// Claim under which it is already being sent.
    pub claim: Option<i64>,
    /// Payers and their amounts.
    pub payers: Payers,
    /// Rates of the charges, as JSON.
    pub prices: String,
    /// Reason if it is not sent.
    pub failure: Option<String>,
}

row! {
    pub(super) struct PayersRow {
        id: i64,
        payer_1: i64,
        charge_1: i64,
        payer_2: Option<i64>,
        charge_2: i64,
        payer_3: Option<i64>,
        charge_3: i64,
        payer_4: Option<i64>,
        charge_4: i64,
    }
}

impl PayersRow {
    /// Returns the message id, and the payers and their amounts.
    pub(super) fn read(&self) -> (i64, Payers) {
        let all = [
            (Some(self.payer_1), self.charge_1),
            (self.payer_2, self.charge_2),
            (self.payer_3, self.charge_3),
            (self.payer_4, self.charge_4),
        ];
        let payers =
            all.into_iter().filter_map(|(payer, charge)| payer.map(|id| (id, Money::from_nanos(charge))));
        (self.id, payers.collect())
    }
}

/// A message's reference and its payers.
struct ScheduledRow {
    reference: String,
    payers: PayersRow,
}

impl<'r, R> sqlx::FromRow<'r, R> for ScheduledRow
where
    R: sqlx::Row,
    &'static str: sqlx::ColumnIndex<R>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    PayersRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self { reference: row.try_get("reference")?, payers: PayersRow::from_row(row)? })
    }
}

row! {
    struct ClaimedFields {
        account_id: i64,
        campaign_id: Option<i64>,
        reference: String,
        held_under: String,
        provider: String,
        phone: String,
        sender_id: Option<String>,
        body: String,
        encoding: String,
        segments: i64,
        give_up_at: Option<i64>,
        attempts: i64,
        claim: i64,
    }
}

/// A claimed message's fields and its payers.
struct ClaimedRow {
    fields: ClaimedFields,
    payers: PayersRow,
}

impl<'r, R> sqlx::FromRow<'r, R> for ClaimedRow
where
    R: sqlx::Row,
    ClaimedFields: sqlx::FromRow<'r, R>,
    PayersRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self { fields: ClaimedFields::from_row(row)?, payers: PayersRow::from_row(row)? })
    }
}

/// A message claimed for sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedMessage {
    /// Id of the message.
    pub id: i64,
    /// Account of the sender.
    pub account_id: i64,
    /// Id of its campaign, if any.
    pub campaign_id: Option<i64>,
    /// Reference given to the provider.
    pub reference: String,
    /// Reference of its hold.
    pub held_under: String,
    /// Provider that sends it.
    pub provider: String,
    /// Number of the recipient.
    pub phone: String,
    /// Requested sender id.
    pub sender_id: Option<String>,
    /// Text of the message.
    pub body: String,
    /// Alphabet of the text.
    pub encoding: String,
    /// Number of segments.
    pub segments: u16,
    /// Deadline for further attempts; `None` until the first attempt failed.
    pub give_up_at: Option<Timestamp>,
    /// Number of attempts, including this one.
    pub attempts: i64,
    /// The claim: only its holder may write the outcome.
    pub claim: i64,
    /// Payers and their amounts.
    pub payers: Payers,
}

impl From<ClaimedRow> for ClaimedMessage {
    fn from(ClaimedRow { fields, payers }: ClaimedRow) -> Self {
        let (id, payers) = payers.read();
        Self {
            id,
            account_id: fields.account_id,
            campaign_id: fields.campaign_id,
            reference: fields.reference,
            held_under: fields.held_under,
            provider: fields.provider,
            phone: fields.phone,
            sender_id: fields.sender_id,
            body: fields.body,
            encoding: fields.encoding,
            segments: u16::try_from(fields.segments).unwrap_or(u16::MAX),
            give_up_at: fields.give_up_at.map(from_micros),
            attempts: fields.attempts,
            claim: fields.claim,
            payers,
        }
    }
}

/// Outcome of an attempt to send a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageEnd {
    /// Time the provider accepted it.
    pub sent_at: Option<Timestamp>,
    /// Id of the transaction that charges it.
    pub tx_id: Option<i64>,
    /// Reason why it was not sent, or why its outcome is unknown.
    pub failure: Option<String>,
    /// The provider's cost and its currency.
    pub upstream_cost: Option<(Money, String)>,
    /// Time to ask the provider for its state.
    pub ask_at: Option<Timestamp>,
    /// Time of the next attempt.
    pub due_at: Option<Timestamp>,
    /// Deadline for further attempts.
    pub give_up_at: Option<Timestamp>,
}

impl Tx {
    /// Inserts messages.
    pub async fn insert_messages(
        &mut self,
        messages: &[NewMessage],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let at = to_micros(at);
        let mut values = Vec::with_capacity(messages.len() * MESSAGES.columns());
        for message in messages {
            let payer = |place: usize| message.payers.get(place).map(|(id, _)| *id);
            let charge = |place: usize| message.payers.get(place).map_or(0, |(_, charge)| charge.nanos());
            values.extend([
                Value::Int(message.id),
                Value::Int(message.account_id),
                Value::IntOr(message.campaign_id),
                Value::Text(&message.reference),
                Value::Text(&message.provider),
                Value::Text(&message.phone),
                Value::TextOr(message.sender_id.as_deref()),
                Value::TextOr(message.body.as_deref()),
                Value::Text(message.encoding),
                Value::Int(i64::from(message.segments)),
                Value::IntOr(message.scheduled_at.map(to_micros)),
                Value::Int(to_micros(message.due_at)),
                Value::Int(at),
                Value::Int(at),
                Value::Text(message.state.as_str()),
                Value::IntOr(message.claim),
                Value::Int(i64::from(message.claim.is_some())),
                Value::Int(payer(0).unwrap_or(message.account_id)),
                Value::Int(charge(0)),
                Value::IntOr(payer(1)),
                Value::Int(charge(1)),
                Value::IntOr(payer(2)),
                Value::Int(charge(2)),
                Value::IntOr(payer(3)),
                Value::Int(charge(3)),
                Value::Text(&message.prices),
                Value::TextOr(message.failure.as_deref()),
                Value::Int(0),
            ]);
        }
        MESSAGES.execute(self, &values).await
    }

    /// Claims a limited number of a provider's due messages that belong to no campaign, under a unique claim.
    pub async fn claim_messages(
        &mut self,
        provider: &str,
        claim: i64,
        at: Timestamp,
        most: i64,
    ) -> Result<u64, StoreError> {
        Ok(on!(self, c => sqlx::query(CLAIM).bind(claim).bind(to_micros(at)).bind(provider).bind(most)
            .execute(c).await.map(|done| done.rows_affected()))?)
    }

    /// Claims a limited number of a provider's due messages that belong to running campaigns, like
    /// [`Tx::claim_messages`].
    pub async fn claim_of_campaigns(
        &mut self,
        provider: &str,
        claim: i64,
        at: Timestamp,
        most: i64,
    ) -> Result<u64, StoreError> {
        Ok(
            on!(self, c => sqlx::query(CLAIM_OF_CAMPAIGNS).bind(claim).bind(to_micros(at)).bind(provider).bind(most)
            .execute(c).await.map(|done| done.rows_affected()))?,
        )
    }

    /// Writes the outcome of an attempt; `false` if the message is not being sent or has a different claim: only the
    /// holder of its claim writes the outcome.
    pub async fn end_message(
        &mut self,
        (id, claim): (i64, i64),
        state: MessageState,
        end: &MessageEnd,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (cost, currency) = end.upstream_cost.clone().unzip();
        let rows = on!(self, c => sqlx::query(END)
            .bind(id)
            .bind(state.as_str())
            .bind(to_micros(at))
            .bind(end.sent_at.map(to_micros))
            .bind(end.tx_id)
            .bind(end.failure.as_deref())
            .bind(cost.map(Money::nanos))
            .bind(currency.as_deref())
            .bind(end.ask_at.map(to_micros))
            .bind(end.due_at.map(to_micros))
            .bind(end.give_up_at.map(to_micros))
            .bind(claim)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Reads the state of a message; `None` if there is no such message.
    pub async fn message_state(&mut self, id: i64) -> Result<Option<MessageState>, StoreError> {
        let row = self.state_and_claim(id).await?;
        row.map(|(state, _)| MessageState::read(&state)).transpose()
    }

    /// Reports whether a message is being sent under this claim.
    pub async fn is_claimed(&mut self, id: i64, claim: i64) -> Result<bool, StoreError> {
        let row = self.state_and_claim(id).await?;
        Ok(row.is_some_and(|(state, by)| state == MessageState::Sending.as_str() && by == claim))
    }

    async fn state_and_claim(&mut self, id: i64) -> Result<Option<(String, i64)>, StoreError> {
        Ok(on!(self, c => sqlx::query_as(STATE).bind(id).fetch_optional(c).await)?)
    }

    /// Cancels a waiting message that belongs to no campaign; `false` if there is no such message.
    pub async fn cancel_message(
        &mut self,
        id: i64,
        account_id: i64,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = on!(self, c => sqlx::query(CANCEL).bind(id).bind(account_id).bind(to_micros(at))
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }
}

impl Store {
    /// Reports whether a message of a provider is due.
    pub async fn has_due_messages(&self, provider: &str, at: Timestamp) -> Result<bool, StoreError> {
        let mut reader = self.reader().await?;
        for text in [DUE, DUE_OF_CAMPAIGNS] {
            let (due,): (i64,) = on!(&mut reader, c => sqlx::query_as(text).bind(provider).bind(to_micros(at))
                .fetch_one(c).await)?;
            if due > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the messages being sent after an id, at most 500: those of a claim, or all.
    pub async fn claimed_messages(
        &self,
        claim: Option<i64>,
        after: i64,
    ) -> Result<Vec<ClaimedMessage>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<ClaimedRow> =
            on!(&mut reader, c => sqlx::query_as(CLAIMED).bind(claim).bind(after).fetch_all(c).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Reads the reference and payers of an account's scheduled message that belongs to no campaign.
    pub async fn scheduled_message(
        &self,
        id: i64,
        account_id: i64,
    ) -> Result<Option<(String, Payers)>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<ScheduledRow> = on!(&mut reader, c => sqlx::query_as(SCHEDULED_ONE)
            .bind(id).bind(account_id).fetch_optional(c).await)?;
        Ok(row.map(|row| (row.reference, row.payers.read().1)))
    }
}
