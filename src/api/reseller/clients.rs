//! `GET ?endpoint=clients`: the clients of the reseller, newest first.

use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::balance;
use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::paged::{List, Paged};
use crate::api::query::{NoBody, Page};
use crate::api::rows::stamp;
use crate::store::accounts::AccountRecord;

/// A client of the reseller.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerClientRow {
    /// Id of the client.
    id: i64,
    /// Login of the client.
    login: String,
    /// True where the client is enabled.
    active: bool,
    /// Retail balance.
    balance: Num,
    /// Id of its plan.
    plan_id: i64,
    /// Name of its plan.
    plan_name: String,
    /// Time of creation, UTC.
    created_at: String,
}

pub(super) struct Clients;

impl List for Clients {
    type Row = ResellerClientRow;
    const KEY: &'static str = "clients";
    const DESCRIPTION: &'static str = "Clients, newest first.";
}

impl Endpoint for Clients {
    const NAME: &'static str = "clients";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "List the reseller's clients";
    type Query = Page;
    type Body = NoBody;
    type Answer = Paged<Self>;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Paged<Self>, ApiError> {
        let store = &call.services().store;
        let (accounts, total) = store.clients_of(call.account.id, page.limit.0, page.offset.0).await?;
        let mut clients = Vec::with_capacity(accounts.len());
        for account in accounts {
            clients.push(row(&call, account).await?);
        }
        Ok(Paged::new(clients, page, total))
    }
}

async fn row(call: &Call, account: AccountRecord) -> Result<ResellerClientRow, ApiError> {
    let money = balance::account_money(call.services(), &account).await?;
    Ok(ResellerClientRow {
        id: account.id,
        active: account.active,
        balance: Num(money.balance),
        plan_id: account.plan_id,
        plan_name: call.plan_name(account.plan_id),
        created_at: stamp(account.created_at),
        login: account.login,
    })
}
