//! `/api/subaccounts`: a client's subaccounts, for the clients of the gateway whose document it is.
//!
//! Its clients send everything in every way, and judge by the body: all is answered 200, refusals as
//! `{"success":false,"error":"…"}`, a bad key as the bare code `900`.

mod request;
mod signature;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use serde_json::{Value, json};
use tollgate_rating::Money;
use tracing::Instrument as _;

use self::request::{Asked, Credentials};
pub use self::signature::Nonces;
use self::wire::Row;
use super::error::ApiError;
use super::{Api, dispatch};
use crate::accounts::Kind;
use crate::accounts::directory::Account;
use crate::accounts::keys::{self, KeyHolder};
use crate::accounts::subaccounts::{self, NewSubaccount, SubaccountError};
use crate::store::subaccounts::TopUpSettings;

/// What the OpenAPI document says of it.
const DESCRIBED: &str = include_str!("openapi.json");
/// What a bad key is answered with.
const BAD_KEY: &str = "900";

/// Its paths.
pub(super) fn router(api: &Arc<Api>) -> Router {
    Router::new()
        .route("/api/subaccounts", any(by_parameter).with_state(Arc::clone(api)))
        .route("/api/subaccounts/{action}", any(by_path).with_state(Arc::clone(api)))
}

/// What the OpenAPI document says of it: where in the document, and what.
pub(super) fn described() -> [(&'static str, Value); 2] {
    let mut described: Value = serde_json::from_str(DESCRIBED).unwrap_or_default();
    ["/paths", "/components/schemas"]
        .map(|pointer| (pointer, described.pointer_mut(pointer).map(Value::take).unwrap_or_default()))
}

async fn by_parameter(State(api): State<Arc<Api>>, request: Request) -> Response {
    answered(api, None, request).await
}

async fn by_path(State(api): State<Arc<Api>>, Path(action): Path<String>, request: Request) -> Response {
    answered(api, Some(action), request).await
}

async fn answered(api: Arc<Api>, action: Option<String>, request: Request) -> Response {
    let request_id = dispatch::new_request_id();
    let span = tracing::info_span!("request", request.id = %request_id);
    let response = serve(api, action, request).instrument(span).await;
    dispatch::stamped(response.unwrap_or_else(|error| plain(&error)), &request_id)
}

/// What a request is answered before it is one of the gateway's: how often, how large, how slow, away.
fn plain(error: &ApiError) -> Response {
    let mut response = said(error.status, &json!({ "success": false, "error": error.message }).to_string());
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn said(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text.to_owned()).into_response()
}

fn refused(text: &str) -> Response {
    said(StatusCode::OK, &json!({ "success": false, "error": text }).to_string())
}

async fn serve(api: Arc<Api>, action: Option<String>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::GET && parts.method != Method::POST {
        let text = json!({ "success": false, "error": "Method not allowed" }).to_string();
        let mut response = said(StatusCode::METHOD_NOT_ALLOWED, &text);
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, POST"));
        return Ok(response);
    }
    let address = dispatch::address_of(&api, &parts.extensions, &parts.headers);
    // A body belongs to whoever shows a key in its headers; the oldest clients have it in the body itself.
    let in_parameters = api.desk.config.api.key_in_parameters;
    let mut credentials = Credentials::of_headers(&parts.headers);
    if credentials.is_none() && !in_parameters {
        api.limits.of_stranger(address)?;
        return Ok(said(StatusCode::OK, BAD_KEY));
    }
    let bytes = dispatch::limited(body).await?;
    let Some(asked) = Asked::read(action, parts.uri.query(), &bytes) else {
        return Ok(refused("Invalid request"));
    };
    if credentials.is_none() {
        credentials = asked.get("p").map(Credentials::of_parameter);
    }
    let holder = credentials.as_ref().and_then(|shown| shown.keys().find_map(|key| known(&api, key)));
    let Some((key, account)) = holder else {
        api.limits.of_stranger(address)?;
        return Ok(said(StatusCode::OK, BAD_KEY));
    };
    api.limits.of_key(key.key_id)?;
    if account.kind != Kind::Client {
        return Ok(refused("This API key cannot manage subaccounts"));
    }
    match signature::check(&api, &account, &parts, &bytes).await {
        Ok(()) => {}
        Err(signature::Wrong::Away(error)) => return Err(error),
        Err(signature::Wrong::Signature) => return Ok(refused("Invalid signature")),
    }
    let Ok(name) = dispatch::idempotency_key(&parts.headers) else { return Ok(refused("Invalid request")) };
    let carried_out = async move {
        let outcome = act(&api, &account, &asked, key, name.as_deref()).await;
        let action = asked.action();
        match &outcome {
            Ok(_) => tracing::info!(api = "subaccounts", action, account.login = %account.login, "answered"),
            Err(error) => {
                tracing::info!(api = "subaccounts", action, account.login = %account.login, %error, "refused");
            }
        }
        outcome
    };
    // Whoever asked may go away; what was begun is carried to its end.
    let outcome =
        tokio::time::timeout(dispatch::ANSWER_PATIENCE, tokio::spawn(carried_out.in_current_span()))
            .await
            .map_err(|_| ApiError::away())?
            .map_err(|error| ApiError::fault(&error))?;
    match outcome {
        Ok(text) => Ok(said(StatusCode::OK, &text)),
        Err(Refusal::Said(text)) => Ok(refused(text)),
        Err(Refusal::Error(error)) => Err(error),
    }
}

/// Whose a key is.
fn known(api: &Api, key: &str) -> Option<(KeyHolder, Arc<Account>)> {
    (key.len() <= keys::MAX_KEY_CHARS).then(|| api.holder(key)).flatten()
}

/// Why an action was not carried out.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// Told in the gateway's words.
    #[error("{0}")]
    Said(&'static str),
    /// The service is away, or at fault.
    #[error(transparent)]
    Error(#[from] ApiError),
}

impl From<SubaccountError> for Refusal {
    fn from(error: SubaccountError) -> Self {
        Self::Said(match error {
            SubaccountError::Unknown => "Subaccount not found",
            SubaccountError::BadEmail => "Please enter a valid email address for the subaccount.",
            SubaccountError::BadName => "Please enter a valid name for the subaccount.",
            SubaccountError::Amount(_) | SubaccountError::TooLarge => "Invalid amount",
            SubaccountError::TooMany => "Too many subaccounts",
            SubaccountError::NotEnough => "Not enough credits",
            SubaccountError::ReferenceTaken => "This Idempotency-Key came with another transfer before",
            SubaccountError::Desk(error) => return Self::Error(error.into()),
            SubaccountError::Ops(error) => return Self::Error(error.into()),
        })
    }
}

async fn act(
    api: &Api,
    client: &Arc<Account>,
    asked: &Asked,
    key: KeyHolder,
    name: Option<&str>,
) -> Result<String, Refusal> {
    let desk = &*api.desk;
    let done = || Ok(json!({ "success": true, "error": null }).to_string());
    if !matches!(asked.action(), "read" | "list") && !client.may_call() {
        return Err(Refusal::Said("The account is switched off"));
    }
    match asked.action() {
        "read" | "list" => {
            let wanted = asked.id();
            let all = subaccounts::list(desk, client).await?;
            let shown = all.into_iter().filter(|one| wanted.is_none_or(|id| id == one.login));
            let balance = |id| api.calls.directory.account(id).map(|it| it.wallet.snapshot().balance);
            let rows: Vec<Row> = shown
                .map(|one| {
                    let balance = balance(one.account_id).unwrap_or(Money::ZERO);
                    Row::read(one, balance, key.numbers)
                })
                .collect();
            Ok(serde_json::to_string(&rows).map_err(|error| ApiError::fault(&error))?)
        }
        "create" | "write" => {
            let new = NewSubaccount {
                name: asked.get("name").map(str::to_owned),
                email: asked.get("email").unwrap_or_default().to_owned(),
                company: asked.get("company").map(str::to_owned),
            };
            let made = Row::created(subaccounts::create(desk, client, new).await?, key.numbers);
            let made = wire::Created { success: true, error: None, subaccount: made };
            Ok(serde_json::to_string(&made).map_err(|error| ApiError::fault(&error))?)
        }
        "delete" => {
            subaccounts::delete(desk, client, asked.id().unwrap_or_default()).await?;
            done()
        }
        "transfer_credits" => {
            // The amount is looked at before the id: so the gateway does.
            let amount = asked.amount("amount").filter(|amount| *amount > Money::ZERO);
            let amount = amount.ok_or(Refusal::Said("Invalid amount"))?;
            subaccounts::transfer(desk, client, asked.id().unwrap_or_default(), amount, name).await?;
            done()
        }
        "update" => {
            let (threshold, amount) = (asked.amount("threshold"), asked.amount("amount"));
            let topup = move || match (threshold, amount) {
                (Some(threshold), Some(amount)) => Ok(TopUpSettings { threshold, amount }),
                _ => Err(SubaccountError::TooLarge),
            };
            subaccounts::set_topup(desk, client, asked.id().unwrap_or_default(), topup).await?;
            done()
        }
        _ => Err(Refusal::Said("Invalid request")),
    }
}
