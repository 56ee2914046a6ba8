//! An order as its buyer sees it.

use serde::Serialize;
use utoipa::ToSchema;

use super::public::qr_address;
use crate::api::amount::D4;
use crate::api::rows::stamp;
use crate::api::state::Api;
use crate::store::esim_orders::{EsimOrder, EsimStatus};

/// Status of an order.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum EsimOrderStatus {
    /// The price is held; the eSIM is not allocated yet.
    Pending,
    /// The eSIM is allocated and unused.
    Allocated,
    /// The eSIM is in use.
    InUse,
    /// The volume is used up.
    UsedUp,
    /// The eSIM has expired.
    Expired,
    /// The order was cancelled.
    Cancelled,
    /// The order was refused; nothing was charged.
    Failed,
}

impl From<EsimStatus> for EsimOrderStatus {
    fn from(status: EsimStatus) -> Self {
        match status {
            EsimStatus::Pending => Self::Pending,
            EsimStatus::Allocated => Self::Allocated,
            EsimStatus::InUse => Self::InUse,
            EsimStatus::UsedUp => Self::UsedUp,
            EsimStatus::Expired => Self::Expired,
            EsimStatus::Cancelled => Self::Cancelled,
            EsimStatus::Failed => Self::Failed,
        }
    }
}

/// An order; unknown values are null.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EsimOrderRow {
    /// Id of the order.
    order_id: i64,
    /// Code of the package.
    package_code: String,
    /// Name of the package.
    package_name: String,
    /// Price.
    price: D4,
    /// Currency of the price, ISO 4217.
    currency: String,
    /// Status of the order.
    status: EsimOrderStatus,
    /// ICCID of the eSIM.
    iccid: Option<String>,
    /// Activation code for phones: `LPA:1$…`.
    activation_code: Option<String>,
    /// URL of the activation code as a QR code; it needs no key and cannot be guessed.
    qr_code_url: Option<String>,
    /// Data volume, in bytes.
    total_bytes: Option<i64>,
    /// Used volume, in bytes.
    used_bytes: Option<i64>,
    /// Remaining volume, in bytes.
    remaining_bytes: Option<i64>,
    /// Expiry, UTC.
    expires_at: Option<String>,
    /// Time of the order, UTC.
    created_at: String,
}

/// Null until both are known, and never negative: usage is reported late and may exceed the volume.
fn remaining_bytes(total: Option<i64>, used: Option<i64>) -> Option<i64> {
    Some(total?.saturating_sub(used?).max(0))
}

impl EsimOrderRow {
    pub(super) fn new(api: &Api, order: EsimOrder) -> Self {
        let qr_code_url = order.activation_code.as_ref().map(|_| qr_address(api, &order.new.qr_token));
        Self {
            order_id: order.new.id,
            package_code: order.new.package_code,
            package_name: order.new.package_name,
            price: D4(order.new.price),
            currency: order.new.currency,
            status: order.status.into(),
            iccid: order.iccid,
            activation_code: order.activation_code,
            qr_code_url,
            total_bytes: order.total_bytes,
            used_bytes: order.used_bytes,
            remaining_bytes: remaining_bytes(order.total_bytes, order.used_bytes),
            expires_at: order.expires_at.map(stamp),
            created_at: stamp(order.new.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remaining_volume_is_known_with_both_figures_and_never_negative() {
        assert_eq!(remaining_bytes(Some(100), Some(30)), Some(70));
        assert_eq!(remaining_bytes(Some(100), Some(130)), Some(0));
        assert_eq!(remaining_bytes(Some(100), None), None);
    }
}
