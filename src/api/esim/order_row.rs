//! An order as it is shown to who bought it.

use serde::Serialize;
use utoipa::ToSchema;

use super::public::qr_address;
use crate::api::amount::D4;
use crate::api::rows::stamp;
use crate::api::state::Api;
use crate::store::esim_orders::{EsimOrder, EsimStatus};

/// Where an order is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum EsimOrderStatus {
    /// Its price is held; the eSIM is not there yet.
    Pending,
    /// The eSIM is there and was not used.
    Allocated,
    /// It is used.
    InUse,
    /// Its data is used up.
    UsedUp,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Cancelled,
    /// It was refused; nothing was charged.
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

/// An order; what is not known yet is null.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EsimOrderRow {
    order_id: i64,
    package_code: String,
    package_name: String,
    price: D4,
    currency: String,
    status: EsimOrderStatus,
    iccid: Option<String>,
    /// What a phone installs it by: `LPA:1$…`.
    activation_code: Option<String>,
    /// The same as a picture; its address needs no key and cannot be guessed.
    qr_code_url: Option<String>,
    total_bytes: Option<i64>,
    used_bytes: Option<i64>,
    remaining_bytes: Option<i64>,
    expires_at: Option<String>,
    created_at: String,
}

impl EsimOrderRow {
    pub(super) fn new(api: &Api, order: EsimOrder) -> Self {
        let qr_code_url = order.activation_code.as_ref().map(|_| qr_address(api, &order.new.qr_token));
        let remaining = order.total_bytes.zip(order.used_bytes);
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
            remaining_bytes: remaining.map(|(total, used)| total.saturating_sub(used).max(0)),
            expires_at: order.expires_at.map(stamp),
            created_at: stamp(order.new.created_at),
        }
    }
}
