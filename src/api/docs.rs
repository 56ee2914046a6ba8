//! `/docs`: the OpenAPI document as a page for people, without scripts and without external resources.

use std::fmt::Write as _;

use axum::Router;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::Value;

/// The style of the page.
const STYLE: &str = include_str!("docs.css");
/// Levels of nested objects on the page; the deepest answer has three.
const MAX_DEPTH: usize = 6;
/// The page loads its style alone, and no other page may frame it.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Introduction of the subaccounts API, whose refusals differ from those of the others.
const SUBACCOUNTS: &str = "<p>This API keeps the contract of the gateway it comes from: <strong>a refusal has status 200 too\
    </strong>, with <code>success</code> false and the reason in <code>error</code>; the number <code>900</code> alone means that \
    the key is missing or invalid. Only 405, 408, 413, 429, 500 and 503 have statuses of their own.</p>";

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

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// An operation with its path.
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
         <p>The key belongs in the <code>X-API-Key</code> header, never in the URL. Each operation has two addresses with \
         the same effect. A refusal has an HTTP status of its own and a body with <code>error</code> (text for people), \
         <code>code</code> (for programs), <code>field</code> where a field or parameter is at fault, and \
         <code>request_id</code>. Unknown fields and parameters are refused. Where an <code>Idempotency-Key</code> header is \
         listed, repeating a request with the same key has no second effect.</p><nav>",
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
        if *tag == "Subaccounts API" {
            out.push_str(SUBACCOUNTS);
        }
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
    let media = &operation.is["requestBody"]["content"]["application/json"];
    let answer = &operation.is["responses"]["200"]["content"]["application/json"];
    write_request(out, operation, &media["example"]);
    let parameters = operation.is["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (place, title) in [("query", "In the URL"), ("header", "Header")] {
        let mut rows = String::new();
        for parameter in parameters.iter().filter(|parameter| parameter["in"] == place) {
            let must = parameter["required"] == true;
            let schema = resolved(document, &parameter["schema"]);
            row(&mut rows, text_of(parameter, "name"), must, schema, text_of(parameter, "description"));
        }
        if !rows.is_empty() {
            write_table(out, title, &rows);
        }
    }
    if !media["schema"].is_null() {
        write_fields(out, document, "Body", &media["schema"]);
    }
    write_fields(out, document, "Answer", &answer["schema"]);
    if !answer["example"].is_null() {
        let text = serde_json::to_string_pretty(&answer["example"]).unwrap_or_default();
        let _ = write!(out, "<pre>{}</pre>", escaped(&text));
    }
    write_refusals(out, operation);
}

/// The request as a command line, with its example.
fn write_request(out: &mut String, operation: &Operation<'_>, body: &Value) {
    let parameters = operation.is["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let query = parameters.iter().filter(|parameter| parameter["in"] == "query").filter_map(|parameter| {
        let value = match &parameter["example"] {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        Some(format!("{}={value}", text_of(parameter, "name")))
    });
    let query: Vec<String> = query.collect();
    let (path, selector) = match (operation.path.split_once("/v1/"), operation.path.rsplit_once('/')) {
        (Some((api, name)), _) => (format!("{api}/index.php"), format!("endpoint={name}")),
        (None, Some((api, action))) => (api.to_owned(), format!("action={action}")),
        (None, None) => (operation.path.to_owned(), String::new()),
    };
    let all: Vec<&str> = [selector.as_str()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .chain(query.iter().map(String::as_str))
        .collect();
    let mut curl =
        format!("curl -sS -X {} -H \"X-API-Key: YOUR_API_KEY\" \\\n", operation.verb.to_uppercase());
    if !body.is_null() {
        let _ = writeln!(curl, "  -H \"Content-Type: application/json\" -d '{body}' \\");
    }
    let mark = if query.is_empty() { "" } else { "?" };
    let _ = write!(
        curl,
        "  \"https://HOST{path}?{}\"\n# or https://HOST{}{mark}{}",
        all.join("&"),
        operation.path,
        query.join("&")
    );
    let _ = write!(out, "<pre>{}</pre>", escaped(&curl));
}

/// The refusals with their machine codes.
fn write_refusals(out: &mut String, operation: &Operation<'_>) {
    let mut rows = String::new();
    for (status, response) in operation.is["responses"].as_object().into_iter().flatten() {
        if status != "200" {
            let text = escaped(text_of(response, "description"));
            let _ = write!(rows, "<tr><td>{status}</td><td colspan=\"2\">{}</td></tr>", with_code(&text));
        }
    }
    let _ = write!(out, "<details><summary>Refusals</summary><table>{rows}</table></details>");
}

/// Escaped text with its back-ticked parts as code.
fn with_code(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        match at % 2 {
            0 => out.push_str(part),
            _ => {
                let _ = write!(out, "<code>{part}</code>");
            }
        }
    }
    out
}

fn write_table(out: &mut String, title: &str, rows: &str) {
    let _ = write!(out, "<table><tr><th>{title}</th><th>Type</th><th></th></tr>{rows}</table>");
}

fn write_fields(out: &mut String, document: &Value, title: &str, schema: &Value) {
    let mut rows = String::new();
    fields(&mut rows, document, "", schema, 0);
    if rows.is_empty() {
        let _ = write!(out, "<p>{title}: an empty object.</p>");
    } else {
        write_table(out, title, &rows);
    }
}

/// A row for each field: nested fields as `outer.inner`, fields of list items as `list[].inner`.
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
        with_code(&escaped(description))
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

/// The schema itself, or the one it refers to, alone or beside null.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let choices = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut others = choices.iter().filter(|choice| choice["type"] != "null");
    let only = match (others.next(), others.next()) {
        (Some(only), None) => only["$ref"].as_str(),
        _ => None,
    };
    let reference = schema["$ref"].as_str().or(only);
    match reference.and_then(|path| path.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi;
    use crate::config::Http;

    #[test]
    fn every_operation_is_on_the_page_with_its_fields() {
        let document = openapi::document(&Http::default(), Http::default().listen);
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
    fn a_header_is_not_listed_as_a_parameter_of_the_url() {
        let document = openapi::document(&Http::default(), Http::default().listen);
        let operations = operations(&document);
        let send = operations.iter().find(|one| one.is["operationId"] == "sms-api-send").unwrap();
        let mut page = String::new();
        write_operation(&mut page, &document, send);
        let header = page.split("<th>Header</th>").nth(1).unwrap();
        assert!(header.contains("<code>Idempotency-Key</code>"), "{page}");
        assert!(!page.contains("<th>In the URL</th>"), "{page}");
    }

    #[test]
    fn the_page_names_the_refusals_and_those_of_subaccounts() {
        let page = page(&openapi::document(&Http::default(), Http::default().listen));
        assert!(
            page.contains("<code>no_credit</code>") && page.contains("a refusal has status 200 too"),
            "{page}"
        );
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
