//! Notices (webhooks): `{"notifyType":…,"content":{"orderNo":…,"esimTranNo":…,"iccid":…}}`.
//!
//! Documented types are `ORDER_STATUS`, `ESIM_STATUS`, `SMDP_EVENT`, `DATA_USAGE`, `VALIDITY_USAGE` and `CHECK_HEALTH`;
//! new ones have been added more than once. A notice is not believed: it only names an order to ask about.

use serde_json::Value;

/// The longest name.
const MAX_NAME: usize = 64;

/// The names of orders and eSIMs in a notice, whatever its shape.
pub(crate) fn names(body: &[u8]) -> Vec<String> {
    let Ok(notice) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let fields = ["orderNo", "esimTranNo", "iccid"];
    let names = fields.into_iter().flat_map(|field| [&notice["content"][field], &notice[field]]);
    names
        .filter_map(Value::as_str)
        .filter(|name| {
            (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
        })
        .map(str::to_owned)
        .collect()
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
