//! The OpenAPI document, from the endpoints' own types.
//!
//! It describes the paths `/SURFACE/v1/ENDPOINT`, because it cannot tell operations apart that differ in a query string
//! alone; `/SURFACE/index.php?endpoint=ENDPOINT` are the same. The subaccounts API is described by hand, beside its code.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::PartialSchema as _;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Required};

use super::described::flagged;
use super::docs;
use super::endpoint::Verb;
use super::error::ApiErrorBody;
use super::subaccounts;
use super::surface::Surface;
use crate::config::Config;

/// The name of the one way to authorise.
const KEY_SCHEME: &str = "X-API-Key";
/// Statuses of refusals that any endpoint may answer, with what each means.
const REFUSALS: [(u16, &str); 13] = [
    (400, "Malformed, or out of range; `field` names the fault"),
    (401, "No key, or one that is not valid"),
    (402, "Not enough credit"),
    (403, "Not for this kind of key, or the account is switched off"),
    (404, "No such thing, or somebody else's"),
    (405, "Asked by another method; `Allow` names the right one"),
    (408, "The body took too long to arrive"),
    (409, "In conflict with what is there"),
    (413, "The body is too large"),
    (415, "The body is not JSON"),
    (422, "A rule refuses it"),
    (429, "Too many requests; `Retry-After` says when to come back"),
    (503, "Away at the moment; `Retry-After` says when to come back"),
];

fn json(schema: RefOr<Schema>) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

/// The whole document: what the endpoints' types say, and the subaccounts API, which has none because it takes
/// everything in every form.
pub(super) fn document(config: &Config) -> serde_json::Value {
    let mut document = serde_json::to_value(of_endpoints(config)).unwrap_or_default();
    for (pointer, more) in subaccounts::described() {
        if let (Some(members), serde_json::Value::Object(more)) =
            (document.pointer_mut(pointer).and_then(serde_json::Value::as_object_mut), more)
        {
            members.extend(more);
        }
    }
    document
}

fn of_endpoints(config: &Config) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new()
        .security_scheme(KEY_SCHEME, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(KEY_SCHEME))));
    for surface in Surface::ALL {
        for route in surface.routes() {
            let described = (route.describe)(surface.flag());
            let mut operation = OperationBuilder::new()
                .tag(surface.title())
                .operation_id(Some(format!("{}-{}", surface.path(), route.name)))
                .summary(Some(described.summary))
                .parameters(Some(described.parameters))
                .security(SecurityRequirement::new(KEY_SCHEME, Vec::<String>::new()))
                .response(
                    "200",
                    ResponseBuilder::new()
                        .description("Done")
                        .content("application/json", json(described.answer)),
                );
            for (status, meaning) in REFUSALS {
                let body = flagged(ApiErrorBody::schema(), surface.flag(), false);
                operation = operation.response(
                    status.to_string(),
                    ResponseBuilder::new().description(meaning).content("application/json", json(body)),
                );
            }
            if let Some(body) = described.body {
                let body = RequestBodyBuilder::new()
                    .content("application/json", json(body))
                    .required(Some(Required::True));
                operation = operation.request_body(Some(body.build()));
            }
            for (name, schema) in described.named {
                components = components.schema(name, schema);
            }
            let method = match route.verb {
                Verb::Get => HttpMethod::Get,
                Verb::Post => HttpMethod::Post,
            };
            paths = paths.path(
                format!("/{}/v1/{}", surface.path(), route.name),
                PathItem::new(method, operation.build()),
            );
        }
    }
    let info = InfoBuilder::new().title("Tollgate").version(env!("CARGO_PKG_VERSION")).description(Some(
        "Each operation is also `/SURFACE/index.php?endpoint=ENDPOINT`, as the published documents show it; those of the \
         subaccounts API are also `/api/subaccounts?action=ACTION`, by GET or POST, in a form, the URL or JSON.",
    ));
    let servers = config.http.public_url.clone().map(|url| vec![utoipa::openapi::Server::new(url)]);
    OpenApiBuilder::new()
        .info(info.build())
        .servers(servers)
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

/// `/openapi.json`, and the page made from it.
pub(super) fn router(config: &Config) -> Router {
    let document = document(config);
    let text = document.to_string();
    let json = get(move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    });
    Router::new().route("/openapi.json", json).merge(docs::router(&document))
}
