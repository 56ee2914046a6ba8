//! The way of a request to its action.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use tollgate_rating::Money;
use tracing::Instrument as _;

use super::answer::{self, Created, Done, Listed, Shape};
use super::parameters::{self, Parameters};
use super::refusal::{Refusal, json};
use super::{key, signing};
use crate::accounts::subaccounts::{self, NewSubaccount};
use crate::api::changes::Changes;
use crate::api::error::{ApiError, printable};
use crate::api::idempotency::{self, MAX_KEY_CHARS};
use crate::api::state::Api;
use crate::api::{body, transport};
use crate::config::UnknownFields;
use crate::directory::Account;
use crate::directory::keys::KeyHolder;
use crate::store::accounts::Kind;
use crate::store::subaccounts::TopUpSetting;

/// The paths.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    Router::new()
        .route("/api/subaccounts", any(plain))
        .route("/api/subaccounts/{action}", any(by_path))
        .with_state(Arc::clone(api))
}

async fn plain(State(api): State<Arc<Api>>, request: Request) -> Response {
    answer(api, None, request).await
}

async fn by_path(
    State(api): State<Arc<Api>>,
    action: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // Invalid UTF-8 is an unknown action.
    let action = action.map_or_else(|_| "?".to_owned(), |Path(action)| action);
    answer(api, Some(action), request).await
}

/// An action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Read,
    Create,
    Delete,
    Update,
    TransferCredits,
}

impl Action {
    /// By its name; `list` and `write` are in other editions of the gateway's document.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "read" | "list" => Self::Read,
            "create" | "write" => Self::Create,
            "delete" => Self::Delete,
            "update" => Self::Update,
            "transfer_credits" => Self::TransferCredits,
            _ => return None,
        })
    }
}

async fn answer(api: Arc<Api>, action: Option<String>, request: Request) -> Response {
    let request_id = transport::new_request_id();
    let span = tracing::info_span!("request", request.id = %request_id);
    let response = async {
        match serve(api, action, request).await {
            Ok(text) => json(StatusCode::OK, text),
            Err(refusal) => refusal.response(),
        }
    };
    let mut response = response.instrument(span).await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    }
    transport::with_request_id(response, &request_id)
}

async fn serve(api: Arc<Api>, action: Option<String>, request: Request) -> Result<String, Refusal> {
    let (parts, body) = request.into_parts();
    let address = transport::client_address(&api.services.config.http, &parts.extensions, &parts.headers);
    if parts.method != Method::GET && parts.method != Method::POST {
        let message = "Method not allowed";
        return Err(Refusal::Status(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        )));
    }
    let (holder, client, parameters, bytes) = admit(&api, address, &parts, body).await?;
    match client.kind {
        Kind::Client => {}
        Kind::Reseller => {
            return Err(Refusal::because("This key is a reseller's: only a client has subaccounts"));
        }
        Kind::Subaccount => {
            return Err(Refusal::because("This key is a subaccount's: a subaccount has no subaccounts"));
        }
    }
    signing::check(&api, client.id, &parts, &bytes).await?;
    if let Some(name) = parameters.misplaced_key() {
        return Err(Refusal::Because(format!(
            "{} is a header: it has no effect as a parameter",
            printable(name)
        )));
    }
    if let Some(name) = parameters.unknown()
        && api.services.config.api.unknown_fields == UnknownFields::Refuse
    {
        return Err(Refusal::Because(format!("Unknown parameter: {}", printable(name))));
    }
    let name = parameters.get("action").or(action.as_deref()).unwrap_or_default();
    let action = Action::named(name).ok_or_else(|| Refusal::because("Invalid request"))?;
    if action != Action::Read && !client.may_call() {
        return Err(Refusal::because("The account is disabled"));
    }
    if action != Action::Read {
        api.budgets.take(Changes::Something, client.id)?;
    }
    let key = idempotency_key(&parts)?;
    let shape = if holder.numbers { Shape::Numbers } else { Shape::Documented };
    let login = client.login.clone();
    let doing = run(api, client, action, parameters, key, shape).in_current_span();
    // The client may disconnect: the action continues to its end.
    let done = tokio::time::timeout(transport::ANSWER_PATIENCE, tokio::spawn(doing)).await;
    // A vanished database never answers.
    let done = done.unwrap_or_else(|_| Ok(Err(ApiError::away().into())));
    let done = done.unwrap_or_else(|error| Err(ApiError::fault(&error).into()));
    match &done {
        Ok(_) => tracing::info!(api = "subaccounts", ?action, account.login = %login, "answered"),
        Err(refusal) => {
            tracing::info!(api = "subaccounts", ?action, account.login = %login, ?refusal, "refused");
        }
    }
    done
}

/// The key holder, its account, the parameters and the body. A request without a valid key is charged to its address.
async fn admit(
    api: &Api,
    address: IpAddr,
    parts: &Parts,
    body: Body,
) -> Result<(KeyHolder, Arc<Account>, Parameters, Vec<u8>), Refusal> {
    let stranger = || match api.limits.of_stranger(address) {
        Ok(()) => Refusal::Key,
        Err(error) => Refusal::Status(error),
    };
    let by_parameter = api.services.config.api.key_in_parameters;
    let shown = key::shown(&parts.headers).map_err(|()| stranger())?;
    let found = shown.iter().find_map(|key| api.holder(key));
    if found.is_none() && (!shown.is_empty() || !by_parameter) {
        return Err(stranger());
    }
    if let Some((holder, _)) = &found {
        api.limits.of_key(holder.key_id).map_err(Refusal::Status)?;
    }
    let bytes = transport::read_limited(body, body::MAX_BYTES).await?;
    let parameters = Parameters::read(parts.uri.query().unwrap_or_default(), &bytes);
    let (holder, client) = if let Some(found) = found {
        found
    } else {
        let key = parameters.as_ref().ok().and_then(|parameters| parameters.get("p"));
        let found = key.filter(|key| key::is_one(key)).and_then(|key| api.holder(key));
        let (holder, client) = found.ok_or_else(stranger)?;
        api.limits.of_key(holder.key_id).map_err(Refusal::Status)?;
        (holder, client)
    };
    let parameters = parameters.map_err(|parameters::NotRead| Refusal::because("Invalid request"))?;
    Ok((holder, client, parameters, bytes))
}

fn idempotency_key(parts: &Parts) -> Result<Option<String>, Refusal> {
    let mut shown = parts.headers.get_all(idempotency::HEADER).iter();
    let Some(key) = shown.next() else { return Ok(None) };
    let text = key.to_str().ok().filter(|key| (1..=MAX_KEY_CHARS).contains(&key.len()));
    match text {
        Some(text) if shown.next().is_none() => Ok(Some(text.to_owned())),
        _ => Err(Refusal::because("Invalid Idempotency-Key")),
    }
}

async fn run(
    api: Arc<Api>,
    client: Arc<Account>,
    action: Action,
    parameters: Parameters,
    key: Option<String>,
    shape: Shape,
) -> Result<String, Refusal> {
    let services = &*api.services;
    let text = |name: &str| parameters.get(name).unwrap_or_default();
    let id = text("id").trim();
    let amount =
        |name: &str| Money::parse(text(name).trim()).map_err(|_| Refusal::Because(format!("Invalid {name}")));
    match action {
        Action::Read => {
            // Some clients send `undefined` or `null` as text.
            let wanted = Some(id).filter(|id| !matches!(*id, "" | "undefined" | "null"));
            let views = subaccounts::list(services, &client, wanted).await?;
            let listed: Vec<Listed> = views.iter().map(|view| Listed::of(view, shape)).collect();
            return Ok(answer::text(&listed));
        }
        Action::Create => {
            let new = NewSubaccount {
                name: text("name").to_owned(),
                email: text("email").to_owned(),
                company: parameters.get("company").map(str::to_owned),
            };
            let made = subaccounts::create(services, &client, new).await?;
            return Ok(answer::text(&Created::of(&made, shape)));
        }
        Action::Delete => subaccounts::delete(services, &client, id).await?,
        // The gateway looks at the amount before it looks for the subaccount here, and the other way round in `update`.
        Action::TransferCredits => {
            let amount = amount("amount")?;
            subaccounts::transfer(services, &client, id, amount, key.as_deref()).await?;
        }
        Action::Update => {
            subaccounts::find(services, &client, id).await?;
            let setting = TopUpSetting { threshold: amount("threshold")?, amount: amount("amount")? };
            subaccounts::set_top_up(services, &client, id, setting).await?;
        }
    }
    Ok(answer::text(&Done { success: true, error: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_an_action_are_known() {
        assert_eq!(Action::named("list"), Some(Action::Read));
        assert_eq!(Action::named("write"), Some(Action::Create));
        assert_eq!(Action::named("transfer_credits"), Some(Action::TransferCredits));
        assert_eq!(Action::named("Read"), None);
    }
}
