//! The part of the OpenAPI document about the subaccounts API, written by hand: its parameters come in every form.

use serde_json::{Value, json};

use crate::api::idempotency;
use crate::api::refusals::meaning;

/// Statuses other than 200.
const STATUSES: [u16; 6] = [405, 408, 413, 429, 500, 503];
/// The answer to every refusal of a rule, and to a bad key.
const STATUS_200: &str = "Done or refused: a refusal has status 200 too, `success` false and the reason in `error`; \
    the number 900 alone means that the key is invalid";
const AMOUNT: &str = "Decimal text is accepted too.";
/// Ends the descriptions of members that are numbers for some keys. With two types each, generated clients would refuse
/// both.
const NUMBERS: &str = "A number for keys made with `--numbers`.";

/// Pointers into the document, each with the members to add there.
pub(crate) fn described() -> [(&'static str, Value); 2] {
    let id = json!({"type": "string", "description": "Id of the subaccount; a number is accepted too."});
    let amount = |what: &str| json!({"type": "number", "description": format!("{what} {AMOUNT}")});
    let text = |what: &str| json!({"type": "string", "description": what});
    let rows = json!({"type": "array", "items": reference("SubaccountRow")});
    let read = operation(
        "read",
        "List the subaccounts, or the one with this id",
        &json!({"id": id}),
        &[],
        &[rows, reference("SubaccountResult")],
    );
    let created = [reference("SubaccountCreated")];
    let result = [reference("SubaccountResult")];
    let contact = json!({
        "name": text("Name of the contact."),
        "email": text("Mail address of the contact."),
        "company": text("Company of the contact."),
    });
    let create = operation("create", "Create a subaccount", &contact, &["name", "email"], &created);
    let setting = json!({
        "id": id,
        "threshold": amount("Balance below which the amount is transferred."),
        "amount": amount("Amount to transfer; 0 disables the top-up."),
    });
    let summary = "Set the automatic top-up of a subaccount";
    let update = operation("update", summary, &setting, &["id", "threshold", "amount"], &result);
    let transfer = json!({"id": id, "amount": amount("Amount to transfer, above zero.")});
    let summary = "Transfer credit from the client to a subaccount";
    let mut transfer = operation("transfer_credits", summary, &transfer, &["id", "amount"], &result);
    transfer["parameters"] = json!([{
        "name": idempotency::HEADER,
        "in": "header",
        "required": false,
        "description": idempotency::DESCRIPTION,
        "schema": {"type": "string", "minLength": 1, "maxLength": idempotency::MAX_KEY_CHARS},
    }]);
    let delete = operation("delete", "Delete a subaccount", &json!({"id": id}), &["id"], &result);
    let paths = [
        ("read", read),
        ("create", create),
        ("update", update),
        ("transfer_credits", transfer),
        ("delete", delete),
    ];
    let paths = paths
        .into_iter()
        .map(|(action, operation)| (format!("/api/subaccounts/{action}"), json!({ "post": operation })));
    [("/paths", Value::Object(paths.collect())), ("/components/schemas", schemas())]
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn operation(action: &str, summary: &str, fields: &Value, required: &[&str], answers: &[Value]) -> Value {
    let mut body = json!({"type": "object", "properties": fields});
    if !required.is_empty() {
        body["required"] = json!(required);
    }
    let bad_key = json!({"type": "integer", "description": "900: the key is missing or invalid."});
    let answers: Vec<&Value> = answers.iter().chain([&bad_key]).collect();
    let mut responses = json!({"200": {
        "description": STATUS_200,
        "content": {"application/json": {"schema": {"oneOf": answers}}},
    }});
    for status in STATUSES {
        responses[status.to_string()] = json!({
            "description": meaning(status),
            "content": {"application/json": {"schema": reference("SubaccountRefusal")}},
        });
    }
    json!({
        "tags": ["Subaccounts API"],
        "operationId": format!("subaccounts-{action}"),
        "summary": summary,
        "security": [{"X-API-Key": []}],
        "requestBody": {
            "required": !required.is_empty(),
            "content": {"application/json": {"schema": body}},
        },
        "responses": responses,
    })
}

/// An object whose members are all required.
fn object(properties: &Value) -> Value {
    let names: Vec<String> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({"type": "object", "required": names, "properties": properties})
}

fn schemas() -> Value {
    let success = json!({"type": "boolean", "description": "True where the action was carried out."});
    let error = json!({"type": ["string", "null"], "description": "Reason of a refusal, null otherwise."});
    let text = |what: &str| json!({"type": "string", "description": format!("{what} {NUMBERS}")});
    let number = |what: &str| json!({"type": "number", "description": what});
    let nullable = |what: &str| json!({"type": ["string", "null"], "description": what});
    let subaccount = |balance: Value, usage: Value, mut top_up: Value| {
        top_up["description"] = "The automatic top-up.".into();
        let mut contact = object(&json!({
            "name": nullable("Name of the contact."),
            "email": nullable("Mail address of the contact."),
        }));
        contact["description"] = "The contact.".into();
        let mut subaccount = object(&json!({
            "id": text("Id, which is the login too."),
            "username": nullable("Always null: subaccounts have no name of their own."),
            "company": nullable("Company of the contact."),
            "balance": balance,
            "total_usage": usage,
            "auto_topup": top_up,
            "contact": contact,
        }));
        subaccount["description"] = "A subaccount.".into();
        subaccount
    };
    let setting = |what: &str| nullable(&format!("{what}, null where never set. {NUMBERS}"));
    let read_top_up = object(&json!({
        "threshold": setting("Balance below which the amount is transferred"),
        "amount": setting("Amount that is transferred"),
    }));
    let new_top_up = object(&json!({
        "threshold": number("0: the top-up is disabled."),
        "amount": number("0: the top-up is disabled."),
    }));
    json!({
        "SubaccountRow": subaccount(
            text("Balance, with at least four decimals."),
            text("Sum of all charges, with at least four decimals."),
            read_top_up,
        ),
        "NewSubaccount": subaccount(number("Balance."), number("Sum of all charges."), new_top_up),
        "SubaccountResult": object(&json!({"success": success, "error": error})),
        "SubaccountCreated": {
            "type": "object",
            "required": ["success", "error"],
            "properties": {"success": success, "error": error, "subaccount": reference("NewSubaccount")},
        },
        "SubaccountRefusal": object(&json!({
            "success": {"type": "boolean", "description": "Always false."},
            "error": {"type": "string", "description": "Reason of the refusal."},
        })),
    })
}
