//! Payments received by resellers' portals, credited or not.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Session, Store, StoreError, Tx, from_micros, on, row, to_micros};

const INSERT: &str = include_str!("../../sql/queries/payments_insert.sql");
const CHANGE: &str = include_str!("../../sql/queries/payments_change.sql");
const UNCREDITED_COUNT: &str = include_str!("../../sql/queries/payments_uncredited_count.sql");
const OF: &str = include_str!("../../sql/queries/payments_of.sql");
const OF_TXID: &str = include_str!("../../sql/queries/payments_of_txid.sql");

/// The credit of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credited {
    /// Id of the ledger transaction.
    pub tx_id: i64,
    /// Balance of the client afterwards.
    pub client_balance: Money,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRecord {
    /// Id of the payment.
    pub id: i64,
    /// Reseller whose portal received it.
    pub reseller_id: i64,
    /// Account that it is for.
    pub account_id: i64,
    /// The reseller's reference of the payment.
    pub external_id: String,
    /// Amount of the payment.
    pub amount: Money,
    /// Currency of the amount.
    pub currency: String,
    /// Payment provider.
    pub provider: String,
    /// The provider's reference; empty until known.
    pub provider_txid: String,
    /// Status as reported by the provider.
    pub status: String,
    /// The credit; `None` if it was not credited.
    pub credited: Option<Credited>,
    /// Time of the first report.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub changed_at: Timestamp,
}

row! {
    struct PaymentRow {
        id: i64,
        reseller_id: i64,
        account_id: i64,
        external_id: String,
        amount: i64,
        currency: String,
        provider: String,
        provider_txid: String,
        status: String,
        tx_id: Option<i64>,
        client_balance: Option<i64>,
        created_at_us: i64,
        changed_at_us: i64,
    }
}

impl PaymentRow {
    fn record(self) -> PaymentRecord {
        let credited = self.tx_id.zip(self.client_balance);
        PaymentRecord {
            id: self.id,
            reseller_id: self.reseller_id,
            account_id: self.account_id,
            external_id: self.external_id,
            amount: Money::from_nanos(self.amount),
            currency: self.currency,
            provider: self.provider,
            provider_txid: self.provider_txid,
            status: self.status,
            credited: credited
                .map(|(tx_id, nanos)| Credited { tx_id, client_balance: Money::from_nanos(nanos) }),
            created_at: from_micros(self.created_at_us),
            changed_at: from_micros(self.changed_at_us),
        }
    }
}

async fn payment_of(
    session: &mut impl Session,
    reseller_id: i64,
    external_id: &str,
) -> Result<Option<PaymentRecord>, StoreError> {
    let row: Option<PaymentRow> = on!(session, c =>
        sqlx::query_as(OF).bind(reseller_id).bind(external_id).fetch_optional(c).await)?;
    Ok(row.map(PaymentRow::record))
}

impl Tx {
    /// Counts a reseller's uncredited payments.
    pub async fn count_uncredited_payments(&mut self, reseller_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(UNCREDITED_COUNT).bind(reseller_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Inserts a payment.
    pub async fn insert_payment(&mut self, payment: &PaymentRecord) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT)
            .bind(payment.id)
            .bind(payment.reseller_id)
            .bind(payment.account_id)
            .bind(&payment.external_id)
            .bind(payment.amount.nanos())
            .bind(&payment.currency)
            .bind(&payment.provider)
            .bind(&payment.provider_txid)
            .bind(&payment.status)
            .bind(payment.credited.map(|credited| credited.tx_id))
            .bind(payment.credited.map(|credited| credited.client_balance.nanos()))
            .bind(to_micros(payment.created_at))
            .bind(to_micros(payment.changed_at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Updates the mutable columns of a payment: the provider's reference and status, and the credit.
    pub async fn change_payment(&mut self, payment: &PaymentRecord) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(CHANGE)
            .bind(payment.id)
            .bind(&payment.provider_txid)
            .bind(&payment.status)
            .bind(payment.credited.map(|credited| credited.tx_id))
            .bind(payment.credited.map(|credited| credited.client_balance.nanos()))
            .bind(to_micros(payment.changed_at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads a payment by the reseller's reference.
    pub async fn payment_of(
        &mut self,
        reseller_id: i64,
        external_id: &str,
    ) -> Result<Option<PaymentRecord>, StoreError> {
        payment_of(self, reseller_id, external_id).await
    }

    /// Returns the reseller's reference of the payment with this provider reference.
    pub async fn payment_of_provider(
        &mut self,
        reseller_id: i64,
        provider: &str,
        provider_txid: &str,
    ) -> Result<Option<String>, StoreError> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(OF_TXID)
            .bind(reseller_id).bind(provider).bind(provider_txid).fetch_optional(c).await)?;
        Ok(row.map(|(external_id,)| external_id))
    }
}

impl Store {
    /// Reads a payment by the reseller's reference.
    pub async fn payment_of(
        &self,
        reseller_id: i64,
        external_id: &str,
    ) -> Result<Option<PaymentRecord>, StoreError> {
        payment_of(&mut self.reader().await?, reseller_id, external_id).await
    }
}
