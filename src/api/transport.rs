//! HTTP as every API here sees it: the id of a request, the limits of its body, the address it comes from.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::error::ApiError;
use crate::config::Http;
use crate::secrets::{hex, random_bytes};

/// Time limit of an answer. A `POST` continues after it: repeated with its external id, it returns the outcome.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// Time limit for a whole body to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(15);
/// The header with the id by which the log lines of a request are found.
pub(super) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A random id of a request, for its answer and its log lines.
pub(super) fn new_request_id() -> Arc<str> {
    hex(&random_bytes::<8>()).into()
}

/// Adds the request's id to an answer, and forbids caching.
pub(super) fn with_request_id(mut response: Response, request_id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    // Answers hold passwords and balances.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An error outside of the published APIs, under a request id of its own.
pub(super) fn error_response(error: &ApiError) -> Response {
    let request_id = new_request_id();
    with_request_id(error.response("success", &request_id), &request_id)
}

/// The answer of an unknown path.
pub(super) async fn unknown_path() -> Response {
    error_response(&ApiError::missing("path", "path"))
}

/// Reads a whole body of at most `max_bytes`, within the time limit.
pub(super) async fn read_limited(body: Body, max_bytes: usize) -> Result<Vec<u8>, ApiError> {
    let collected = Limited::new(body, max_bytes).collect();
    match tokio::time::timeout(BODY_PATIENCE, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().to_vec()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {max_bytes} bytes"),
        )),
        Ok(Err(_)) => Err(ApiError::bad_request("the body could not be read")),
        Err(_) => {
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body took too long to arrive"))
        }
    }
}

/// The address a request comes from: the peer of the connection, or the hop that a trusted proxy reports.
pub(super) fn client_address(http: &Http, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let connected = extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(address)| address.ip().to_canonical());
    let trusted = |address: &IpAddr| http.trusted_proxies.iter().any(|network| network.contains(address));
    if !trusted(&connected) {
        return connected;
    }
    // The nearest hop is last; the first one that is not a trusted proxy is the client.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_can_report_the_address_of_a_client() {
        let http = Http { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Http::default() };
        let address = |peer: &str, forwarded: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1)));
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            client_address(&http, &extensions, &headers).to_string()
        };
        assert_eq!(address("192.0.2.1", "198.51.100.7"), "192.0.2.1");
        assert_eq!(address("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2"), "198.51.100.7");
        assert_eq!(address("10.0.0.1", "198.51.100.7, no address"), "10.0.0.1");
    }

    #[tokio::test]
    async fn a_body_above_its_limit_is_refused_with_413() {
        assert_eq!(read_limited(Body::from("12345"), 5).await.unwrap(), b"12345");
        assert_eq!(read_limited(Body::from("123456"), 5).await.unwrap_err().status, 413);
    }
}
