//! `GET ?endpoint=client&login=LOGIN`: one of the reseller's clients.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::amount::Num;
use crate::api::call::Call;
use crate::api::endpoint::{Endpoint, Verb};
use crate::api::error::ApiError;
use crate::api::query::NoBody;
use crate::store::peers::PeerKind;

/// Which client.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The client's login.
    login: String,
}

/// A client with what is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResellerClient {
    id: i64,
    login: String,
    active: bool,
    balance: Num,
    credit_limit: Num,
    plan_id: i64,
    plan_name: String,
    email: Option<String>,
    phone: Option<String>,
    language: Option<String>,
    created_at: String,
    /// How many it has; those of the web phone and of IP authorizations do not count.
    sip_accounts: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer {
    client: ResellerClient,
}

pub(super) struct GetClient;

impl Endpoint for GetClient {
    const NAME: &'static str = "client";
    const VERB: Verb = Verb::Get;
    const SUMMARY: &'static str = "One client";
    type Query = Wanted;
    type Body = NoBody;
    type Answer = Answer;

    async fn handle(call: Call, wanted: Wanted, _: NoBody) -> Result<Answer, ApiError> {
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
            created_at: format!("{:.0}", account.created_at),
            sip_accounts: peers.iter().filter(|peer| peer.kind == PeerKind::Sip).count(),
            login: account.login,
        };
        Ok(Answer { client })
    }
}
