//! The OpenAPI document, from the types of the endpoints.
//!
//! It describes the paths `/SURFACE/v1/ENDPOINT`, because it cannot distinguish operations by a query string;
//! `/SURFACE/index.php?endpoint=ENDPOINT` are the same. The subaccounts API is described by hand, beside its code. The
//! examples are recorded from a running server: `examples.json`, which a test records again and compares.

use std::net::SocketAddr;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::Value;
use utoipa::PartialSchema as _;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, Ref, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, RefOr, Required};

use super::described::{Described, flagged};
use super::docs;
use super::endpoint::Verb;
use super::error::ApiErrorBody;
use super::refusals::meaning;
use super::subaccounts;
use super::surface::Surface;
use crate::config::Http;

/// The name of the security scheme.
const KEY_SCHEME: &str = "X-API-Key";
/// A request and an answer of each operation, by operation id.
const EXAMPLES: &str = include_str!("examples.json");
const DESCRIPTION: &str = "Each operation has a second address, `/SURFACE/index.php?endpoint=ENDPOINT`, as the published \
    documents show it. Operations of the subaccounts API have `/api/subaccounts?action=ACTION`, by GET or POST, with \
    parameters in the URL, a form or JSON; they answer status 200 to refusals too, with `success` false.";

/// The whole document; `address` is the listener's.
pub(super) fn document(http: &Http, address: SocketAddr) -> Value {
    let mut document = serde_json::to_value(of_endpoints(&server_url(http, address))).unwrap_or_default();
    for (pointer, more) in subaccounts::described() {
        if let (Some(members), Value::Object(more)) =
            (document.pointer_mut(pointer).and_then(Value::as_object_mut), more)
        {
            members.extend(more);
        }
    }
    add_examples(&mut document);
    document
}

/// The base URL of the operations: the public one, else the listener's; relative where it listens on all addresses.
fn server_url(http: &Http, address: SocketAddr) -> String {
    match &http.public_url {
        Some(url) => url.clone(),
        None if address.ip().is_unspecified() => "/".to_owned(),
        None if http.tls_cert.is_some() => format!("https://{address}"),
        None => format!("http://{address}"),
    }
}

fn json(schema: impl Into<RefOr<Schema>>) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

/// The name of the schema of an API's refusals.
fn refusal_schema(surface: Surface) -> &'static str {
    if surface.flag() == "ok" { "ResellerRefusal" } else { "Refusal" }
}

fn of_endpoints(server: &str) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new()
        .security_scheme(KEY_SCHEME, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(KEY_SCHEME))));
    for surface in Surface::ALL {
        let refusal = flagged(ApiErrorBody::schema(), surface.flag(), false);
        components = components.schema(refusal_schema(surface), refusal);
        for route in surface.routes() {
            let described = (route.describe)(surface.flag());
            for (name, schema) in &described.named {
                components = components.schema(name.clone(), schema.clone());
            }
            let method = match route.verb {
                Verb::Get => HttpMethod::Get,
                Verb::Post => HttpMethod::Post,
            };
            let operation = operation(surface, route.name, described);
            paths = paths.path(
                format!("/{}/v1/{}", surface.path(), route.name),
                PathItem::new(method, operation.build()),
            );
        }
    }
    let info = InfoBuilder::new().title("Tollgate").version(env!("CARGO_PKG_VERSION"));
    OpenApiBuilder::new()
        .info(info.description(Some(DESCRIPTION)).build())
        .servers(Some([utoipa::openapi::Server::new(server)]))
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

fn operation(surface: Surface, name: &str, described: Described) -> OperationBuilder {
    let mut operation = OperationBuilder::new()
        .tag(surface.title())
        .operation_id(Some(format!("{}-{name}", surface.path())))
        .summary(Some(described.summary))
        .parameters(Some(described.parameters))
        .security(SecurityRequirement::new(KEY_SCHEME, Vec::<String>::new()))
        .response(
            "200",
            ResponseBuilder::new().description("Done").content("application/json", json(described.answer)),
        );
    for codes in described.refusals.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((status, _)) = codes.first() else { continue };
        let codes: Vec<String> = codes.iter().map(|(_, code)| format!("`{code}`")).collect();
        let text = format!("{}. `code`: {}", meaning(*status), codes.join(", "));
        let body = Ref::from_schema_name(refusal_schema(surface));
        let response = ResponseBuilder::new().description(text).content("application/json", json(body));
        operation = operation.response(status.to_string(), response);
    }
    if let Some(body) = described.body {
        let body =
            RequestBodyBuilder::new().content("application/json", json(body)).required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    operation
}

/// Puts the recorded requests and answers into the operations.
fn add_examples(document: &mut Value) {
    let examples: Value = serde_json::from_str(EXAMPLES).unwrap_or_default();
    let items = document["paths"].as_object_mut().into_iter().flatten();
    for operation in
        items.filter_map(|(_, item)| item.as_object_mut()).flatten().map(|(_, operation)| operation)
    {
        let Some(example) = operation["operationId"].as_str().and_then(|id| examples.get(id)) else {
            continue;
        };
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            let value = parameter["name"].as_str().and_then(|name| example["query"].get(name));
            if let Some(value) = value {
                parameter["example"] = value.clone();
            }
        }
        if let (Some(media), Some(body)) =
            (operation.pointer_mut("/requestBody/content/application~1json"), example.get("body"))
        {
            media["example"] = body.clone();
        }
        if let Some(media) = operation.pointer_mut("/responses/200/content/application~1json") {
            media["example"] = example["answer"].clone();
        }
    }
}

/// `/openapi.json`, and the page made from it.
pub(super) fn router(http: &Http, address: SocketAddr) -> Router {
    let document = document(http, address);
    let text = document.to_string();
    let json = get(move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    });
    Router::new().route("/openapi.json", json).merge(docs::router(&document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_url_is_the_public_one_or_the_listeners() {
        let url = |http: &Http, address: &str| server_url(http, address.parse().unwrap());
        let http = Http::default();
        assert_eq!(url(&http, "127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(url(&http, "0.0.0.0:8080"), "/");
        let tls = Http { tls_cert: Some("cert.pem".into()), ..Http::default() };
        assert_eq!(url(&tls, "192.0.2.1:443"), "https://192.0.2.1:443");
        let public = Http { public_url: Some("https://portal.example".to_owned()), ..Http::default() };
        assert_eq!(url(&public, "0.0.0.0:8080"), "https://portal.example");
    }

    /// Properties without a description, as `where.name`; `seen` keeps references from being followed for ever.
    fn undescribed(document: &Value, place: &str, schema: &Value, found: &mut Vec<String>) {
        if let Some(pointer) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
            assert!(document.pointer(pointer).is_some(), "{place}: {pointer} is not in the document");
            return;
        }
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            let target = referred(document, member);
            if [member, target].iter().all(|it| it["description"].as_str().unwrap_or_default().is_empty()) {
                found.push(place.clone());
            }
            undescribed(document, &place, member, found);
        }
        for kind in ["oneOf", "allOf", "anyOf"] {
            for choice in schema[kind].as_array().into_iter().flatten() {
                undescribed(document, place, choice, found);
            }
        }
        if schema["items"].is_object() {
            undescribed(document, &format!("{place}[]"), &schema["items"], found);
        }
    }

    fn referred<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
        let choices = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let path = schema["$ref"].as_str().or_else(|| choices.iter().find_map(|one| one["$ref"].as_str()));
        path.and_then(|path| document.pointer(&path[1..])).unwrap_or(schema)
    }

    fn each_operation(document: &Value) -> Vec<&Value> {
        let items = document["paths"].as_object().unwrap().values();
        items.flat_map(|item| item.as_object().unwrap().values()).collect()
    }

    #[test]
    fn every_field_and_every_parameter_has_a_description() {
        let document = document(&Http::default(), Http::default().listen);
        let mut found = Vec::new();
        for operation in each_operation(&document) {
            let id = operation["operationId"].as_str().unwrap();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["description"].as_str().unwrap_or_default().is_empty() {
                    found.push(format!("{id}?{}", parameter["name"]));
                }
            }
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            undescribed(&document, &format!("{id} body"), body, &mut found);
            undescribed(&document, &format!("{id} answer"), answer, &mut found);
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            undescribed(&document, name, schema, &mut found);
        }
        assert!(found.is_empty(), "{}: {found:#?}", found.len());
    }

    #[test]
    fn every_operation_has_an_example_request_and_answer() {
        let document = document(&Http::default(), Http::default().listen);
        let examples: Value = serde_json::from_str(EXAMPLES).unwrap();
        let mut known: Vec<&str> = Vec::new();
        for operation in each_operation(&document) {
            let id = operation["operationId"].as_str().unwrap();
            known.push(id);
            let answer = &operation["responses"]["200"]["content"]["application/json"]["example"];
            assert!(!answer.is_null(), "{id} has no example of an answer");
            if operation["requestBody"].is_object() {
                let body = &operation["requestBody"]["content"]["application/json"]["example"];
                assert!(body.is_object(), "{id} has no example of a request");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let is_set = !parameter["example"].is_null();
                assert!(is_set || parameter["required"] != true, "{id}: no example of {}", parameter["name"]);
            }
        }
        let stale: Vec<_> =
            examples.as_object().unwrap().keys().filter(|id| !known.contains(&id.as_str())).collect();
        assert!(stale.is_empty(), "examples of no operation: {stale:?}");
    }

    #[test]
    fn parameters_of_an_operation_are_a_list_or_absent() {
        let document = document(&Http::default(), Http::default().listen);
        for operation in each_operation(&document) {
            let parameters = operation.get("parameters");
            assert!(parameters.is_none_or(Value::is_array), "{}", operation["operationId"]);
        }
    }

    #[test]
    fn no_boolean_is_an_enumeration() {
        let text = document(&Http::default(), Http::default().listen).to_string();
        assert!(!text.contains("\"enum\":[true]") && !text.contains("\"enum\":[false]"));
    }
}
