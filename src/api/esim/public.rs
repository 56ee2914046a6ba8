//! Paths without a key: `/esim-qr/NAME.svg`, whose name cannot be guessed, and `/esim-webhook/TOKEN`, where the upstream reports
//! changes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use crate::api::error::ApiError;
use crate::api::state::Api;
use crate::api::transport::{error_response, read_limited, unknown_path};
use crate::esim::{notice, qr};
use crate::secrets::tokens_match;
use crate::store::StoreError;

/// Path of the QR codes.
const QR_PATH: &str = "/esim-qr/";
/// Characters of the name of a QR code.
const QR_NAME_CHARS: usize = 32;
/// Largest notification; the upstream's are below a thousand bytes.
const MAX_NOTIFICATION_BYTES: usize = 64 * 1024;
/// A QR code loads nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// The paths without a key.
pub(crate) fn router(api: &Arc<Api>) -> Router {
    Router::new()
        .route("/esim-qr/{name}", get(qr_code).with_state(Arc::clone(api)))
        .route("/esim-webhook/{token}", post(notification).with_state(Arc::clone(api)))
}

/// Public URL of a QR code.
pub(super) fn qr_address(api: &Api, name: &str) -> String {
    let http = &api.services.config.http;
    let base = if let Some(url) = &http.public_url {
        url.trim_end_matches('/').to_owned()
    } else {
        let scheme = if http.tls_cert.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", api.address())
    };
    format!("{base}{QR_PATH}{name}.svg")
}

async fn qr_code(State(api): State<Arc<Api>>, name: Result<Path<String>, PathRejection>) -> Response {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let Some(name) = name.strip_suffix(".svg").filter(|name| is_name(name)) else {
        return unknown_path().await;
    };
    match api.services.store.esim_activation_code(name).await {
        Ok(Some(code)) => match qr::svg(&code) {
            Some(svg) => {
                let headers = [
                    (header::CONTENT_TYPE, "image/svg+xml"),
                    (header::CACHE_CONTROL, "private, no-store"),
                    (HeaderName::from_static("content-security-policy"), POLICY),
                    (HeaderName::from_static("x-content-type-options"), "nosniff"),
                    (header::REFERRER_POLICY, "no-referrer"),
                ];
                (headers, svg).into_response()
            }
            None => error_response(&ApiError::fault(&"an activation code is too long for a QR code")),
        },
        Ok(None) => unknown_path().await,
        Err(error) => error_response(&error.into()),
    }
}

fn is_name(text: &str) -> bool {
    text.len() == QR_NAME_CHARS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Answers 200 to every notification with the right token: the upstream would repeat a refused one, and nothing in it is
/// trusted anyway.
async fn notification(
    State(api): State<Arc<Api>>,
    token: Result<Path<String>, PathRejection>,
    body: Body,
) -> Response {
    let token = token.map(|Path(token)| token).unwrap_or_default();
    let known = api.services.config.esim.webhook_token.as_ref().filter(|_| api.services.config.esim.is_on());
    if !known.is_some_and(|known| tokens_match(&token, known.reveal())) {
        return unknown_path().await;
    }
    let body = match read_limited(body, MAX_NOTIFICATION_BYTES).await {
        Ok(body) => body,
        Err(error) => return error_response(&error),
    };
    match notice::handle_notice(&api.esim, &body).await {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], "{\"success\":true}")
            .into_response(),
        Err(error) => error_response(&StoreError::into(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_qr_code_is_32_lower_hexadecimal_digits() {
        assert!(is_name(&"0f".repeat(16)));
        for bad in ["", "0f", &"0F".repeat(16), &"0g".repeat(16), &"0f".repeat(17)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
