//! What the upstream tells by itself: `{"notifyType":…,"content":{"orderNo":…,"esimTranNo":…,"iccid":…}}`.
//!
//! Documented types are `ORDER_STATUS`, `ESIM_STATUS`, `SMDP_EVENT`, `DATA_USAGE`, `VALIDITY_USAGE` and `CHECK_HEALTH`;
//! new ones have been added more than once. None is believed: each only names an order to ask about.

use serde_json::Value;

use super::worker;
use crate::services::Services;
use crate::store::StoreError;

/// The longest name of the upstream's.
const MAX_NAME: usize = 64;

/// The names that a notice has for an order, whatever its shape.
pub(crate) fn names(body: &[u8]) -> Vec<String> {
    let Ok(notice) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let fields = ["orderNo", "esimTranNo", "iccid"];
    let told = fields.into_iter().flat_map(|field| [&notice["content"][field], &notice[field]]);
    told.filter_map(Value::as_str)
        .filter(|name| {
            (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
        })
        .map(str::to_owned)
        .collect()
}

/// Lets the worker ask about the order that a notice names. One that names none of ours is nothing; a thousand of one
/// order are one question.
pub async fn take(services: &Services, body: &[u8]) -> Result<(), StoreError> {
    for name in names(body) {
        if let Some(id) = services.store.esim_order_named(&name).await? {
            services.esim.due.told(id, worker::AFTER_NOTICE);
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_notice_names_its_order() {
        for (text, expected) in [
            (
                r#"{"notifyType":"ORDER_STATUS","content":{"orderNo":"B23072016497499","orderStatus":"GOT_RESOURCE"}}"#,
                &["B23072016497499"][..],
            ),
            (
                r#"{"notifyType":"ESIM_STATUS","content":{"orderNo":"B1","esimTranNo":"2","iccid":"89","esimStatus":"IN_USE"}}"#,
                &["B1", "2", "89"],
            ),
            (
                r#"{"notifyType":"VALIDITY_USAGE","content":{"iccid":"894310817000000003","remain":1}}"#,
                &["894310817000000003"],
            ),
            (r#"{"notifyType":"CHECK_HEALTH","content":{"orderStatus":"Test"}}"#, &[]),
            (r#"{"content":null}"#, &[]),
            (r#"{"content":{"orderNo":["B1"]}}"#, &[]),
            (r#"{"content":{"orderNo":"B1' OR 1=1"}}"#, &[]),
            ("[1,2", &[]),
            ("", &[]),
        ] {
            assert_eq!(names(text.as_bytes()), expected, "{text}");
        }
    }
}
