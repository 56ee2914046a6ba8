//! `GET ?endpoint=client&login=LOGIN`: a client of the reseller.

use serde::Serialize;
use utoipa::ToSchema;

use super::fields::OfClient;
use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::api::refusals::Refusal;
use crate::api::rows::stamp;
use crate::store::peers::PeerKind;

/// A client of the reseller.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerClient {
    /// Id of the client.
    id: i64,
    /// Login of the client.
    login: String,
    /// True where the client is enabled.
    active: bool,
    /// Retail balance.
    balance: Num,
    /// Credit limit.
    credit_limit: Num,
    /// Id of its plan.
    plan_id: i64,
    /// Name of its plan.
    plan_name: String,
    /// Mail address; null where unset.
    email: Option<String>,
    /// Phone number; null where unset.
    phone: Option<String>,
    /// Language; null where unset.
    language: Option<String>,
    /// Time of creation, UTC.
    created_at: String,
    /// Number of SIP accounts, without web phones and IP peers.
    sip_accounts: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    /// The client.
    client: ResellerClient,
}

pub(super) struct GetClient;

impl Endpoint for GetClient {
    const NAME: &'static str = "client";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "Show a client";
    const REFUSALS: &[Refusal] = &[(404, "not_found")];
    type Query = OfClient;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, wanted: OfClient, _: NoBody) -> Result<Answer, ApiError> {
        let known = call.own_client(&wanted.login)?;
        let store = &call.services().store;
        let account = store.account_by_id(known.id).await?;
        let account = account.ok_or_else(|| ApiError::missing("login", "client"))?;
        let profile = store.profile(account.id).await?;
        let peers = store.peers_of(account.id).await?;
        let client = ResellerClient {
            id: account.id,
            active: account.active,
            balance: Num(known.wallet.snapshot().balance),
            credit_limit: Num(account.credit_limit),
            plan_id: account.plan_id,
            plan_name: call.plan_name(account.plan_id),
            email: profile.email,
            phone: profile.phone,
            language: profile.language,
            created_at: stamp(account.created_at),
            sip_accounts: peers.iter().filter(|peer| peer.kind == PeerKind::Sip).count(),
            login: account.login,
        };
        Ok(Answer { client })
    }
}
