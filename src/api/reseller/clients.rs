//! `GET ?endpoint=clients`: the reseller's clients, newest first.

use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::balance;
use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::{NoBody, Page};
use crate::store::accounts::AccountRecord;

/// A client in the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerClientRow {
    id: i64,
    login: String,
    active: bool,
    balance: Num,
    plan_id: i64,
    plan_name: String,
    created_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    clients: Vec<ResellerClientRow>,
    limit: i64,
    offset: i64,
    total: i64,
}

pub(super) struct Clients;

impl Endpoint for Clients {
    const NAME: &'static str = "clients";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "The reseller's clients";
    type Query = Page;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, page: Page, _: NoBody) -> Result<Answer, ApiError> {
        let (limit, offset) = (page.limit.0, page.offset.0);
        let (accounts, total) = call.services().store.clients_of(call.account.id, limit, offset).await?;
        let mut clients = Vec::with_capacity(accounts.len());
        for account in accounts {
            clients.push(row(&call, account).await?);
        }
        Ok(Answer { clients, limit, offset, total })
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
        created_at: format!("{:.0}", account.created_at),
        login: account.login,
    })
}
