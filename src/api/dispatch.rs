//! A request's way to its endpoint, the same for `index.php?endpoint=NAME` and `v1/NAME`.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Api;
use super::endpoint::{Call, Route, Verb};
use super::error::ApiError;
use super::query::Parameters;
use super::surface::Surface;
use crate::accounts::keys;
use crate::accounts::reference_text;
use crate::directory::Account;
use crate::directory::keys::KeyHolder;
use crate::secrets::{hex, random_bytes};

/// How long a body may take to arrive, all of it.
const BODY_PATIENCE: Duration = Duration::from_secs(15);
/// How long an answer is waited for. A `POST` goes on behind it: asked again with its external id it tells what became of it.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// The longest `Idempotency-Key`.
const MAX_IDEMPOTENCY_KEY: usize = 128;
/// The header that keys are in.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
/// What an answer is found by in the log.
pub(super) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// A name for a request, in its answer and on its log lines.
pub(super) fn new_request_id() -> Arc<str> {
    hex(&random_bytes::<8>()).into()
}

/// Marks an answer with its request's name.
pub(super) fn stamped(mut response: Response, request_id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    // Answers hold passwords and balances.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// `/SURFACE/index.php?endpoint=NAME`.
pub(super) async fn by_parameter(
    State((api, surface)): State<(Arc<Api>, Surface)>,
    request: Request,
) -> Response {
    answer(api, surface, None, request).await
}

/// `/SURFACE/v1/NAME`.
pub(super) async fn by_path(
    State((api, surface)): State<(Arc<Api>, Surface)>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // What is no text is the name of nothing.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    answer(api, surface, Some(name), request).await
}

async fn answer(api: Arc<Api>, surface: Surface, name: Option<String>, request: Request) -> Response {
    let request_id = new_request_id();
    let span = tracing::info_span!("request", request.id = %request_id);
    let answered = serve(api, surface, name, request, &request_id).instrument(span).await;
    let response = answered.unwrap_or_else(|error| error.response(surface.flag(), &request_id));
    stamped(response, &request_id)
}

async fn serve(
    api: Arc<Api>,
    surface: Surface,
    name: Option<String>,
    request: Request,
    request_id: &Arc<str>,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let address = address_of(&api, &parts.extensions, &parts.headers);
    let parameters = match Parameters::read(parts.uri.query()) {
        Ok(parameters) => parameters,
        Err(error) => {
            // A request that is refused before its key was looked at costs its address all the same.
            api.limits.of_stranger(address)?;
            return Err(error);
        }
    };
    let (key, account) = admit(&api, address, &parts.headers)?;
    if !surface.admits(account.kind) {
        let message = format!("this key is not one for the {}", surface.title());
        return Err(ApiError::new(StatusCode::FORBIDDEN, "wrong_key_kind", message));
    }
    let route = find(surface, name.as_deref(), &parameters)?;
    let verb = match (route.verb, &parts.method) {
        (Verb::Get, &Method::GET) => Verb::Get,
        (Verb::Post, &Method::POST) => Verb::Post,
        (verb, _) => return Ok(not_allowed(surface, verb, request_id)),
    };
    if verb == Verb::Post && !account.may_call() {
        let message = "the account is switched off: it can be looked at and not changed";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "inactive", message));
    }
    let bytes = match verb {
        Verb::Get => Vec::new(),
        Verb::Post => read_body(&parts.headers, body, route.max_body_bytes).await?,
    };
    let idempotency_key = idempotency_key(&parts.headers)?;
    // Only what may come again is compared.
    let fingerprint = match &idempotency_key {
        Some(_) => {
            Sha256::digest([format!("{}/{}\n", surface.path(), route.name).as_bytes(), &bytes].concat())
                .into()
        }
        None => [0; 32],
    };
    let gone = CancellationToken::new();
    let _gone = gone.clone().drop_guard();
    let request_id = Arc::clone(request_id);
    let call = Call { api, account, key, request_id, idempotency_key, fingerprint, address, gone };
    let login = call.account.login.clone();
    let turn = route.is_costly.then(|| (Arc::clone(&call.api.turns), call.account.id));
    let running = async move {
        let _turn = match turn {
            Some((turns, account_id)) => Some(turns.take(account_id).await?),
            None => None,
        };
        (route.run)(call, parameters, bytes).await
    };
    let running = running.in_current_span();
    let finished = async {
        match verb {
            Verb::Get => AssertUnwindSafe(running)
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(ApiError::fault(&"the endpoint panicked"))),
            // Whoever asked may go away; what was begun is carried to its end.
            Verb::Post => tokio::spawn(running).await.unwrap_or_else(|error| Err(ApiError::fault(&error))),
        }
    };
    // A database that vanished without a word never answers.
    let text = tokio::time::timeout(route.patience, finished).await.unwrap_or_else(|_| Err(ApiError::away()));
    match &text {
        Ok(_) if verb == Verb::Get => {
            tracing::debug!(api = surface.path(), endpoint = route.name, account.login = %login, "answered");
        }
        Ok(_) => {
            tracing::info!(api = surface.path(), endpoint = route.name, account.login = %login, "answered");
        }
        Err(error) => tracing::info!(
            api = surface.path(),
            endpoint = route.name,
            account.login = %login,
            http.status = error.status.as_u16(),
            error.code = error.code,
            "refused"
        ),
    }
    let text = text?;
    // `{"data":…}` becomes `{"success":true,"data":…}`.
    let rest = text.strip_prefix('{').unwrap_or(&text);
    let comma = if rest == "}" { "" } else { "," };
    let text = format!("{{\"{}\":true{comma}{rest}", surface.flag());
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The endpoint that is asked for. An unknown one is told without telling which there are.
fn find(surface: Surface, name: Option<&str>, parameters: &Parameters) -> Result<&'static Route, ApiError> {
    let name = match name {
        Some(name) => name,
        None => parameters
            .get("endpoint")
            .ok_or_else(|| ApiError::bad_field("endpoint", "it is missing in the URL"))?,
    };
    surface
        .route(name)
        .ok_or_else(|| ApiError { code: "unknown_endpoint", ..ApiError::missing("endpoint", "endpoint") })
}

fn not_allowed(surface: Surface, verb: Verb, request_id: &str) -> Response {
    let message = format!("this endpoint is asked by {}", verb.as_str());
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    let mut response = error.response(surface.flag(), request_id);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(verb.as_str()));
    response
}

/// Whose key a request shows. What shows none, or one that is nobody's, is counted for its address.
fn admit(api: &Api, address: IpAddr, headers: &HeaderMap) -> Result<(KeyHolder, Arc<Account>), ApiError> {
    let mut shown = headers.get_all(KEY_HEADER).iter();
    let stranger = |message: &str| {
        api.limits.of_stranger(address)?;
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message))
    };
    let Some(key) = shown.next() else { return stranger("the X-API-Key header is missing") };
    if shown.next().is_some() {
        api.limits.of_stranger(address)?;
        return Err(ApiError::bad_request("the X-API-Key header is given twice"));
    }
    let found =
        key.to_str().ok().filter(|key| key.len() <= keys::MAX_KEY_CHARS).and_then(|key| api.holder(key));
    match found {
        Some((holder, account)) => {
            api.limits.of_key(holder.key_id)?;
            Ok((holder, account))
        }
        None => stranger("the API key is not valid"),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut shown = headers.get_all(IDEMPOTENCY_HEADER).iter();
    let Some(key) = shown.next() else { return Ok(None) };
    let fits =
        |key: &&str| (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()) && reference_text::check(key).is_ok();
    let text = key.to_str().ok().filter(fits);
    match text {
        Some(text) if shown.next().is_none() => Ok(Some(text.to_owned())),
        _ => Err(ApiError::bad_request(
            "Idempotency-Key: one header of 1 to 128 printable ASCII characters, spaces one at a time and inside",
        )),
    }
}

/// The body, if it is JSON and neither too large nor too slow.
async fn read_body(headers: &HeaderMap, body: Body, most: usize) -> Result<Vec<u8>, ApiError> {
    let bytes = limited(body, most).await?;
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let is_json = match (types.next(), types.next()) {
        (None, _) => bytes.is_empty(),
        (Some(one), None) => one.to_str().is_ok_and(is_json_type),
        (Some(_), Some(_)) => return Err(ApiError::bad_request("the Content-Type header is given twice")),
    };
    if is_json {
        Ok(bytes)
    } else {
        let message = "the body must be JSON, said by Content-Type: application/json";
        Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message))
    }
}

/// Whether a media type is JSON's.
fn is_json_type(text: &str) -> bool {
    let media = text.split(';').next().unwrap_or(text).trim();
    media.eq_ignore_ascii_case("application/json")
}

/// All of a body, within its limits.
pub(super) async fn limited(body: Body, most: usize) -> Result<Vec<u8>, ApiError> {
    let collected = Limited::new(body, most).collect();
    match tokio::time::timeout(BODY_PATIENCE, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {most} bytes"),
        )),
        Ok(Err(_)) => Err(ApiError::bad_request("the body could not be read")),
        Err(_) => {
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body took too long to arrive"))
        }
    }
}

/// Where a request comes from: the connection's other end, or what a trusted proxy says of it.
pub(super) fn address_of(api: &Api, extensions: &axum::http::Extensions, headers: &HeaderMap) -> IpAddr {
    let connected = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(address)| address.ip().to_canonical());
    let trusted = |address: &IpAddr| {
        api.services.config.http.trusted_proxies.iter().any(|network| network.contains(address))
    };
    if !trusted(&connected) {
        return connected;
    }
    // The nearest hop is last; the first that is no proxy of ours is who asks.
    let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).collect();
    let mut address = connected;
    for hop in hops.iter().rev() {
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        address = hop.to_canonical();
        if !trusted(&address) {
            break;
        }
    }
    address
}
