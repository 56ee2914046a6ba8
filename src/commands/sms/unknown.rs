//! `tollgate sms unknown`: messages whose delivery to the provider is in doubt.

use clap::Args;
use serde_json::{Value, json};

use crate::commands::answer::{Answer, Outcome};
use crate::services::{ServiceError, Services};
use crate::store::message_lists::MessageRecord;

/// `tollgate sms unknown …`
#[derive(Debug, Args)]
pub struct UnknownArgs {
    /// Maximum number of messages, newest first
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
}

/// Lists the messages, so that the operator can ask the provider. They are charged and are not sent again.
pub(super) async fn run(services: &Services, args: &UnknownArgs) -> Outcome {
    let messages = services.store.unknown_messages(args.limit).await.map_err(ServiceError::from)?;
    let lines: Vec<String> = messages.iter().map(line_of).collect();
    let text = if lines.is_empty() { "there are none".to_owned() } else { lines.join("\n") };
    let shown: Vec<Value> = messages.iter().map(shown).collect();
    Ok(Answer::new(json!({ "messages": shown }), text))
}

fn shown(message: &MessageRecord) -> Value {
    json!({
        "sms_id": message.id,
        "reference": message.reference,
        "provider": message.provider,
        "phone": format!("+{}", message.phone),
        "created_at": message.created_at.to_string(),
        "updated_at": message.updated_at.to_string(),
        "cost": message.charge.to_string(),
        "campaign_id": message.campaign_id,
        "failure": message.failure,
    })
}

fn line_of(message: &MessageRecord) -> String {
    format!(
        "message {} to +{} by {}, {:.0}, our reference {}: {}",
        message.id,
        message.phone,
        message.provider,
        message.updated_at,
        message.reference,
        message.failure.as_deref().unwrap_or("nothing is known")
    )
}
