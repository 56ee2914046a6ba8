//! The paths of the public listener.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::any;

use super::state::Api;
use super::surface::Surface;
use super::{dispatch, esim, openapi, subaccounts, transport};

/// All paths.
pub(super) fn router(api: &Arc<Api>) -> Router {
    let mut router = Router::new();
    for surface in Surface::ALL {
        let state = (Arc::clone(api), surface);
        // A web server serves index.php for its folder too.
        for path in ["index.php", ""] {
            router = router.route(
                &format!("/{}/{path}", surface.path()),
                any(dispatch::by_parameter).with_state(state.clone()),
            );
        }
        router = router
            .route(&format!("/{}/v1/{{endpoint}}", surface.path()), any(dispatch::by_path).with_state(state));
    }
    router
        .merge(subaccounts::router(api))
        .merge(esim::router(api))
        .merge(openapi::router(&api.services.config.http, api.address()))
        .fallback(transport::unknown_path)
        .layer(middleware::from_fn_with_state(Arc::clone(api), count_answer))
}

/// Counts answers by API and status.
async fn count_answer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let surface = Surface::ALL.into_iter().map(Surface::path).chain(["api/subaccounts"]);
    let name = surface.into_iter().find(|name| {
        let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    // A path without a key is charged to the address.
    let allowed = if name.is_some() {
        Ok(())
    } else {
        let http = &api.services.config.http;
        let address = transport::client_address(http, request.extensions(), request.headers());
        api.limits.of_stranger(address)
    };
    let response = match allowed {
        Ok(()) => next.run(request).await,
        Err(error) => transport::error_response(&error),
    };
    api.services.metrics.http_answered(name.unwrap_or("other"), response.status().as_u16());
    if response.headers().contains_key(transport::REQUEST_ID_HEADER) {
        response
    } else {
        transport::with_request_id(response, &transport::new_request_id())
    }
}
