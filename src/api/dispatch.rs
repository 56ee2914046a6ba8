//! The way of a request to its endpoint, the same for `index.php?endpoint=NAME` and `v1/NAME`.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::call::Call;
use super::endpoint::Verb;
use super::error::ApiError;
use super::idempotency::RequestKey;
use super::query::Parameters;
use super::route::Route;
use super::state::Api;
use super::surface::Surface;
use super::transport::{client_address, new_request_id, read_limited, with_request_id};
use crate::accounts::keys;
use crate::config::UnknownFields;
use crate::directory::Account;
use crate::directory::keys::KeyHolder;

/// The header with the API key.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
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
    // Invalid UTF-8 is an unknown name.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    answer(api, surface, Some(name), request).await
}

async fn answer(api: Arc<Api>, surface: Surface, name: Option<String>, request: Request) -> Response {
    let request_id = new_request_id();
    let span = tracing::info_span!("request", request.id = %request_id);
    let answered = serve(api, surface, name, request, &request_id).instrument(span).await;
    let response = answered.unwrap_or_else(|error| error.response(surface.flag(), &request_id));
    with_request_id(response, &request_id)
}

async fn serve(
    api: Arc<Api>,
    surface: Surface,
    name: Option<String>,
    request: Request,
    request_id: &Arc<str>,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let address = client_address(&api.services.config.http, &parts.extensions, &parts.headers);
    let parameters = match Parameters::read(parts.uri.query()) {
        Ok(parameters) => parameters,
        Err(error) => {
            // A request refused before its key is checked is charged to its address.
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
        let message = "the account is disabled: it can be read and not changed";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "inactive", message));
    }
    if api.services.config.api.unknown_fields == UnknownFields::Refuse {
        let own = if name.is_none() { Some("endpoint") } else { None };
        let known: Vec<&str> = (route.parameters)().iter().copied().chain(own).collect();
        parameters.check_known(&known)?;
    }
    let bytes = match verb {
        Verb::Get => Vec::new(),
        Verb::Post => read_body(&parts.headers, body, route.max_body_bytes).await?,
    };
    let target = format!("{}/{}", surface.path(), route.name);
    let request_key = RequestKey::read(&parts.headers, account.id, &target, &bytes)?;
    let gone = CancellationToken::new();
    let _gone = gone.clone().drop_guard();
    let request_id = Arc::clone(request_id);
    let call = Call { api, account, key, request_id, request_key, address, gone };
    let login = call.account.login.clone();
    let queue = route.is_costly.then(|| (Arc::clone(&call.api.costly), call.account.id));
    let running = async move {
        let _slot = match queue {
            Some((queue, account_id)) => Some(queue.wait(account_id).await?),
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
            // The client may disconnect: the request continues to its end.
            Verb::Post => tokio::spawn(running).await.unwrap_or_else(|error| Err(ApiError::fault(&error))),
        }
    };
    // A vanished database never answers.
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

/// The requested endpoint. The refusal of an unknown one does not list the others.
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
    let message = format!("this endpoint requires {}", verb.as_str());
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    let mut response = error.response(surface.flag(), request_id);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(verb.as_str()));
    response
}

/// The holder of the API key. A request without a valid key is charged to its address.
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

/// The body, if it is JSON and neither too large nor too slow.
async fn read_body(headers: &HeaderMap, body: Body, most: usize) -> Result<Vec<u8>, ApiError> {
    let bytes = read_limited(body, most).await?;
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

/// True for the media type of JSON.
fn is_json_type(text: &str) -> bool {
    let media = text.split(';').next().unwrap_or(text).trim();
    media.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_body_may_carry_a_charset() {
        for good in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(is_json_type(good), "{good}");
        }
        assert!(!is_json_type("application/jsonp") && !is_json_type("text/plain"));
    }

    #[test]
    fn an_unknown_endpoint_is_404_and_a_missing_name_400() {
        let parameters = |text| Parameters::read(Some(text)).unwrap();
        let found = |text| find(Surface::Client, None, &parameters(text));
        assert_eq!(found("endpoint=me").unwrap().name, "me");
        assert_eq!(found("endpoint=nothing").unwrap_err().code, "unknown_endpoint");
        assert_eq!(found("").unwrap_err().status, 400);
        assert_eq!(find(Surface::Client, Some("me"), &parameters("")).unwrap().name, "me");
    }
}
