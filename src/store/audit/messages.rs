//! Reads messages and campaigns for the audit, a page at a time.
//!
//! They change while they are read. Values that must agree are therefore read in one statement, which sees a single
//! moment; entries are read after it, and do not change.

use super::CallEntryRow;
use crate::store::messages::MessageState;
use crate::store::{Head, Store, StoreError, on, row};

const HEAD: &str = include_str!("../../../sql/queries/audit_message_head.sql");
const MESSAGES: &str = include_str!("../../../sql/queries/audit_messages.sql");
const ENTRIES: &str = include_str!("../../../sql/queries/audit_message_entries.sql");
const TRANSACTIONS: &str = include_str!("../../../sql/queries/audit_message_transactions.sql");
const HELD: &str = include_str!("../../../sql/queries/audit_message_held.sql");
const CAMPAIGN_PAGE: &str = include_str!("../../../sql/queries/audit_campaign_page.sql");
const CAMPAIGNS: &str = include_str!("../../../sql/queries/audit_campaigns.sql");

row! {
    struct PayersRow {
        payer_1: Option<i64>,
        charge_1: i64,
        payer_2: Option<i64>,
        charge_2: i64,
        payer_3: Option<i64>,
        charge_3: i64,
        payer_4: Option<i64>,
        charge_4: i64,
    }
}

row! {
    struct HeldRow {
        holder_1: Option<i64>,
        held_1: i64,
        holder_2: Option<i64>,
        held_2: i64,
        holder_3: Option<i64>,
        held_3: i64,
        holder_4: Option<i64>,
        held_4: i64,
    }
}

/// Payer and amount at each position of a chain; `None` where a position is empty.
pub(crate) type Amounts = [(Option<i64>, i64); 4];

impl From<PayersRow> for Amounts {
    fn from(row: PayersRow) -> Self {
        [
            (row.payer_1, row.charge_1),
            (row.payer_2, row.charge_2),
            (row.payer_3, row.charge_3),
            (row.payer_4, row.charge_4),
        ]
    }
}

impl From<HeldRow> for Amounts {
    fn from(row: HeldRow) -> Self {
        [
            (row.holder_1, row.held_1),
            (row.holder_2, row.held_2),
            (row.holder_3, row.held_3),
            (row.holder_4, row.held_4),
        ]
    }
}

/// The columns of a message from which its charges are derived, and its charges.
#[derive(Debug)]
pub(crate) struct MessageRow {
    pub(crate) id: i64,
    pub(crate) campaign_id: Option<i64>,
    pub(crate) state: MessageState,
    pub(crate) was_sent: bool,
    pub(crate) tx_id: Option<i64>,
    /// Kind of that transaction, if it exists.
    pub(crate) tx_kind: Option<String>,
    /// Id of the transaction posted under the message's name.
    pub(crate) named_tx: Option<i64>,
    pub(crate) payers: Amounts,
    /// Amounts held under the message's name.
    pub(crate) held: Amounts,
}

impl<'r, R> sqlx::FromRow<'r, R> for MessageRow
where
    R: sqlx::Row,
    &'static str: sqlx::ColumnIndex<R>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<i64>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<String>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    PayersRow: sqlx::FromRow<'r, R>,
    HeldRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            campaign_id: row.try_get("campaign_id")?,
            state: state(&row.try_get::<String, _>("state")?)?,
            was_sent: row.try_get::<Option<i64>, _>("sent_at")?.is_some(),
            tx_id: row.try_get("tx_id")?,
            tx_kind: row.try_get("tx_kind")?,
            named_tx: row.try_get("named_tx")?,
            payers: PayersRow::from_row(row)?.into(),
            held: HeldRow::from_row(row)?.into(),
        })
    }
}

fn state(text: &str) -> Result<MessageState, sqlx::Error> {
    MessageState::read(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

row! {
    /// The columns of a campaign.
    #[derive(Clone, Debug)]
    pub(crate) struct CampaignRow {
        pub(crate) id: i64,
        pub(crate) state: String,
        pub(crate) recipients: i64,
        pub(crate) waiting: i64,
        pub(crate) sent: i64,
        pub(crate) delivered: i64,
        pub(crate) failed: i64,
        pub(crate) unknown: i64,
        pub(crate) cancelled: i64,
        pub(crate) cost: i64,
        /// Part of `failed` without a message row.
        pub(crate) failed_unstored: i64,
        /// Part of `cancelled` without a message row.
        pub(crate) cancelled_unstored: i64,
    }
}

/// A campaign joined with its messages of one state: their number, and the sums of their cost.
#[derive(Debug)]
pub(crate) struct CampaignPart {
    pub(crate) campaign: CampaignRow,
    /// `None` if it has no messages at all.
    pub(crate) message_state: Option<MessageState>,
    pub(crate) were_sent: bool,
    pub(crate) messages: i64,
    pub(crate) charges: Amounts,
    /// Amounts held under the campaign's name.
    pub(crate) held: Amounts,
}

impl<'r, R> sqlx::FromRow<'r, R> for CampaignPart
where
    R: sqlx::Row,
    &'static str: sqlx::ColumnIndex<R>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    Option<String>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    CampaignRow: sqlx::FromRow<'r, R>,
    PayersRow: sqlx::FromRow<'r, R>,
    HeldRow: sqlx::FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let message_state = row.try_get::<Option<String>, _>("message_state")?;
        Ok(Self {
            campaign: CampaignRow::from_row(row)?,
            message_state: message_state.as_deref().map(state).transpose()?,
            were_sent: row.try_get::<i64, _>("was_sent")? != 0,
            messages: row.try_get("messages")?,
            charges: PayersRow::from_row(row)?.into(),
            held: HeldRow::from_row(row)?.into(),
        })
    }
}

row! {
    /// Credit held under a name that no message or campaign has.
    #[derive(Debug)]
    pub(crate) struct StrayHeld {
        pub(crate) reference: String,
        pub(crate) position: i64,
        pub(crate) amount: i64,
    }
}

impl Store {
    /// Returns the newest message's id; the campaigns of messages up to it have lower ids.
    pub(crate) async fn audit_message_head(&self) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (id,): (i64,) = on!(&mut reader, c => sqlx::query_as(HEAD).fetch_one(c).await)?;
        Ok(id)
    }

    /// Reads the next messages up to an id, and the entries of their transactions.
    pub(crate) async fn audit_messages(
        &self,
        after: i64,
        upto: i64,
    ) -> Result<(Vec<MessageRow>, Vec<CallEntryRow>), StoreError> {
        let mut reader = self.reader().await?;
        let messages: Vec<MessageRow> =
            on!(&mut reader, c => sqlx::query_as(MESSAGES).bind(after).bind(upto).fetch_all(c).await)?;
        let Some(last) = messages.last() else { return Ok((messages, Vec::new())) };
        let entries =
            on!(&mut reader, c => sqlx::query_as(ENTRIES).bind(after).bind(last.id).fetch_all(c).await)?;
        Ok((messages, entries))
    }

    /// Reads transactions for messages that no message refers to, up to the number that is reported.
    pub(crate) async fn audit_stray_message_transactions(&self, head: Head) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<(i64,)> =
            on!(&mut reader, c => sqlx::query_as(TRANSACTIONS).bind(head.transaction_id).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Reads credit held for messages under unknown names, up to the number that is reported.
    pub(crate) async fn audit_stray_message_credit(&self) -> Result<Vec<StrayHeld>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(HELD).fetch_all(c).await)?)
    }

    /// Reads the next campaigns up to an id, in order, each with its messages grouped by state.
    pub(crate) async fn audit_campaigns(
        &self,
        after: i64,
        upto: i64,
    ) -> Result<Vec<CampaignPart>, StoreError> {
        let mut reader = self.reader().await?;
        let (last,): (Option<i64>,) =
            on!(&mut reader, c => sqlx::query_as(CAMPAIGN_PAGE).bind(after).bind(upto).fetch_one(c).await)?;
        let Some(last) = last else { return Ok(Vec::new()) };
        Ok(on!(&mut reader, c => sqlx::query_as(CAMPAIGNS).bind(after).bind(last).fetch_all(c).await)?)
    }
}
