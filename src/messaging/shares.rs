//! The accounts that pay for messages that were written before.

use tollgate_rating::Money;

use super::service::Messaging;
use crate::accounts::spending::Share;
use crate::store::StoreError;

impl Messaging {
    /// Finds the accounts of payers.
    pub(super) async fn load_shares(&self, payers: &[(i64, Money)]) -> Result<Vec<Share>, StoreError> {
        let mut shares = Vec::with_capacity(payers.len());
        for (id, amount) in payers {
            if self.memory.directory.account(*id).is_none() {
                self.services.reload_account(*id).await?;
            }
            let account = self.memory.directory.account(*id);
            let account = account.ok_or_else(|| StoreError::Inconsistent {
                table: "sms_messages",
                reason: format!("payer {id}: account not found"),
            })?;
            shares.push(Share { account, amount: *amount });
        }
        Ok(shares)
    }
}
