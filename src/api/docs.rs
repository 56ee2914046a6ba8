//! `/docs`: the OpenAPI document as a page to read, made here, without a script and without anything from elsewhere.

use std::fmt::Write as _;

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::Value;

/// The page's style, served beside it.
const STYLE: &str = include_str!("docs.css");
/// How deep objects in objects are shown; the deepest answer has three levels.
const MAX_DEPTH: usize = 6;
/// Nothing but the style is loaded, and nobody frames the page.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// `/docs` and its style.
pub(super) fn router(document: &Value) -> Router {
    let page = page(document);
    Router::new()
        .route(
            "/docs",
            get(move || {
                let page = page.clone();
                async move { html(page) }
            }),
        )
        .route(
            "/docs/style.css",
            get(|| async { ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }),
        )
}

fn html(page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (HeaderName::from_static("content-security-policy"), POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, page).into_response()
}

/// Text that stands in HTML as it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// One operation with its path.
struct Operation<'a> {
    path: &'a str,
    verb: &'a str,
    is: &'a Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (verb, is) in item.as_object().into_iter().flatten().filter(|(_, is)| is.is_object()) {
            found.push(Operation { path, verb, is });
        }
    }
    found
}

fn page(document: &Value) -> String {
    let operations = operations(document);
    let mut tags: Vec<&str> = Vec::new();
    for operation in &operations {
        let tag = operation.is["tags"][0].as_str().unwrap_or("Other");
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tollgate API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body>",
    );
    let _ = write!(
        out,
        "<h1>Tollgate API</h1><p>Version {}. The same for programs: <a href=\"/openapi.json\">openapi.json</a>.</p>\
         <p>The key goes into the <code>X-API-Key</code> header and nowhere else. Each operation has two addresses that do the \
         same. A refusal has a real HTTP status and a body with <code>error</code> (for people), <code>code</code> (for \
         programs), <code>field</code> where one is at fault, and <code>request_id</code>.</p><nav>",
        escaped(text_of(&document["info"], "version"))
    );
    for tag in &tags {
        let _ = write!(out, "<h2>{}</h2><ul>", escaped(tag));
        for operation in of_tag(&operations, tag) {
            let id = escaped(text_of(operation.is, "operationId"));
            let _ = write!(out, "<li><a href=\"#{id}\">{}</a></li>", escaped(name_of(operation)));
        }
        out.push_str("</ul>");
    }
    out.push_str("</nav>");
    for tag in &tags {
        let _ = write!(out, "<h2>{}</h2>", escaped(tag));
        for operation in of_tag(&operations, tag) {
            write_operation(&mut out, document, operation);
        }
    }
    out.push_str("</body></html>");
    out
}

fn of_tag<'a>(operations: &'a [Operation<'a>], tag: &str) -> impl Iterator<Item = &'a Operation<'a>> {
    operations.iter().filter(move |operation| operation.is["tags"][0].as_str().unwrap_or("Other") == tag)
}

/// An endpoint's name: the last part of its path.
fn name_of<'a>(operation: &Operation<'a>) -> &'a str {
    operation.path.rsplit('/').next().unwrap_or(operation.path)
}

fn write_operation(out: &mut String, document: &Value, operation: &Operation<'_>) {
    let (name, verb) = (name_of(operation), operation.verb.to_uppercase());
    let _ = write!(
        out,
        "<h3 id=\"{}\"><span class=\"verb\">{verb}</span> {}</h3><p>{}</p>",
        escaped(text_of(operation.is, "operationId")),
        escaped(name),
        escaped(text_of(operation.is, "summary")),
    );
    let address = match (operation.path.split_once("/v1/"), operation.path.rsplit_once('/')) {
        (Some((api, name)), _) => format!("{api}/index.php?endpoint={name}"),
        (None, Some((api, action))) => format!("{api}?action={action}"),
        (None, None) => operation.path.to_owned(),
    };
    let body = &operation.is["requestBody"]["content"]["application/json"]["schema"];
    let mut curl = format!("curl -sS -X {verb} -H \"X-API-Key: YOUR_API_KEY\"");
    if !body.is_null() {
        curl.push_str(" -H \"Content-Type: application/json\" -d '{…}'");
    }
    let _ = write!(
        out,
        "<pre>{} \"https://HOST{}\"\n# or {}</pre>",
        escaped(&curl),
        escaped(&address),
        escaped(operation.path)
    );
    let parameters = operation.is["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        out.push_str("<table><tr><th>In the URL</th><th>Type</th><th></th></tr>");
        for parameter in parameters {
            let must = parameter["required"] == true;
            let schema = resolved(document, &parameter["schema"]);
            row(out, text_of(parameter, "name"), must, schema, text_of(parameter, "description"));
        }
        out.push_str("</table>");
    }
    if !body.is_null() {
        write_fields(out, document, "Body", body);
    }
    let answer = &operation.is["responses"]["200"]["content"]["application/json"]["schema"];
    write_fields(out, document, "Answer", answer);
}

fn write_fields(out: &mut String, document: &Value, title: &str, schema: &Value) {
    let mut rows = String::new();
    fields(&mut rows, document, "", schema, 0);
    if rows.is_empty() {
        let _ = write!(out, "<p>{title}: an empty object.</p>");
    } else {
        let _ = write!(out, "<table><tr><th>{title}</th><th>Type</th><th></th></tr>{rows}</table>");
    }
}

/// A row for each field, those of objects in objects as `outer.inner`, of lists as `list[].inner`.
fn fields(rows: &mut String, document: &Value, before: &str, schema: &Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    let schema = resolved(document, schema);
    if schema["items"].is_object() {
        fields(rows, document, &format!("{before}[]"), &schema["items"], depth + 1);
        return;
    }
    let choices = ["oneOf", "allOf"].into_iter().filter_map(|kind| schema[kind].as_array()).flatten();
    for choice in choices {
        fields(rows, document, before, choice, depth + 1);
    }
    let must =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        let target = resolved(document, member);
        let described = [member, target].map(|it| text_of(it, "description"));
        row(
            rows,
            &path,
            must(name),
            target,
            described.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
        );
        fields(rows, document, &path, member, depth + 1);
    }
}

fn row(out: &mut String, name: &str, must: bool, schema: &Value, description: &str) {
    let must = if must { " <span class=\"must\">*</span>" } else { "" };
    let _ = write!(
        out,
        "<tr><td><code>{}</code>{must}</td><td>{}</td><td>{}</td></tr>",
        escaped(name),
        escaped(&type_of(schema)),
        escaped(description)
    );
}

fn type_of(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ if schema["oneOf"].is_array() => "object or null".to_owned(),
        _ => "any".to_owned(),
    }
}

/// A schema, the one it refers to where it is a reference, alone or beside null.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let choices = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    let reference = schema["$ref"].as_str().or_else(|| choices.iter().find_map(|one| one["$ref"].as_str()));
    match reference.and_then(|path| path.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_operation_is_on_the_page_with_its_fields() {
        let document = super::super::openapi::document(&Config::default());
        let page = page(&document);
        let operations = operations(&document);
        assert!(!operations.is_empty());
        for operation in operations {
            let id = text_of(operation.is, "operationId");
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
        assert!(page.contains("<code>data.balance</code>"), "fields of objects in objects are shown");
        assert!(page.contains("<code>[].auto_topup.threshold</code>"), "and those of lists' rows");
        assert!(page.contains("/api/subaccounts?action=read"), "both addresses are shown");
        assert!(!page.contains("<script"), "the policy would refuse it");
    }

    #[test]
    fn text_cannot_become_markup() {
        let document = serde_json::json!({
            "info": {"version": "1"},
            "paths": {"/a/v1/b": {"get": {"operationId": "a-b", "tags": ["<i>"], "summary": "<script>x</script>"}}},
        });
        let page = page(&document);
        assert!(!page.contains("<script>") && !page.contains("<i>"), "{page}");
    }
}
