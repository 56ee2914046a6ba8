//! `tollgate trunk create | list`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tollgate_rating::plan::BlockRounding;

use super::answer::{Answer, Outcome};
use super::catalog::refresh_catalog;
use crate::catalog::admin::AdminError;
use crate::catalog::admin::trunks::{self, TrunkSpec};
use crate::clock::Clock;
use crate::services::Services;
use crate::store::{Store, TrunkRow};

/// `tollgate trunk …`
#[derive(Debug, Subcommand)]
pub enum TrunkCommand {
    /// Create a trunk: a carrier's PJSIP endpoint with its buying tariff
    Create(CreateArgs),
    /// List the trunks
    List,
}

/// `tollgate trunk create …`
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name of the trunk
    pub name: String,
    /// PJSIP endpoint
    #[arg(long, value_name = "PJSIP_ENDPOINT")]
    pub endpoint: String,
    /// Tariff of the carrier's prices
    #[arg(long, value_name = "BUY")]
    pub tariff: String,
    /// Host of the dialled URI; the endpoint's own contact by default
    #[arg(long, value_name = "SIP_HOST")]
    pub host: Option<String>,
    /// Priority among trunks of equal cost; lower goes first
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub priority: u32,
    /// Weight of the trunk among trunks of equal cost and priority
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub weight: u32,
    /// Time zone of the tariff's time windows and dates
    #[arg(long, value_name = "Z", default_value = "UTC")]
    pub zone: String,
    /// Duration rounded to the increment: `after_initial` or `whole`
    #[arg(long, default_value = "after_initial")]
    pub block_rounding: BlockRounding,
    /// Maximum concurrent calls
    #[arg(long, value_name = "N")]
    pub max_calls: Option<u32>,
    /// Digits to remove from the front of numbers that begin with them
    #[arg(long, value_name = "D", default_value = "")]
    pub strip: String,
    /// Digits to prepend afterwards
    #[arg(long, value_name = "D", default_value = "")]
    pub prepend: String,
}

/// Runs a trunk command.
pub async fn run(services: &Services, command: TrunkCommand) -> Outcome {
    let outcome = run_on(&services.store, &*services.clock, command).await;
    refresh_catalog(services).await;
    outcome
}

async fn run_on(store: &Store, clock: &dyn Clock, command: TrunkCommand) -> Outcome {
    match command {
        TrunkCommand::Create(args) => {
            let CreateArgs { name, endpoint, tariff, host, priority, weight, zone, .. } = args;
            let CreateArgs { block_rounding, max_calls, strip, prepend, .. } = args;
            let spec = TrunkSpec {
                host,
                priority,
                weight,
                zone,
                block_rounding,
                max_calls,
                strip,
                prepend,
                ..TrunkSpec::new(&name, &endpoint, &tariff)
            };
            let trunk = trunks::create(store, &spec, clock.now()).await?;
            let text = format!("trunk {} made (id {})", trunk.name, trunk.trunk_id);
            Ok(Answer::new(trunk_json(&trunk, &tariff), text))
        }
        TrunkCommand::List => list(store).await,
    }
}

fn trunk_json(trunk: &TrunkRow, tariff: &str) -> Value {
    json!({
        "id": trunk.trunk_id, "name": trunk.name, "endpoint": trunk.endpoint, "host": trunk.host, "tariff": tariff,
        "priority": trunk.priority, "weight": trunk.weight, "zone": trunk.zone,
        "block_rounding": trunk.block_rounding, "max_calls": trunk.max_calls, "strip": trunk.strip,
        "prepend": trunk.prepend, "active": trunk.active,
    })
}

async fn list(store: &Store) -> Outcome {
    let trunks = trunks::list(store).await?;
    let tariffs = store.current_tariffs().await.map_err(AdminError::from)?;
    let mut text =
        format!("{:<20} {:<20} {:<24} {:>8} {:>6} calls", "name", "endpoint", "tariff", "priority", "weight");
    let mut listed = Vec::with_capacity(trunks.len());
    for trunk in trunks {
        let tariff = tariffs.iter().find(|tariff| tariff.tariff_id == trunk.tariff_id);
        let tariff = tariff.map(|tariff| tariff.name.as_str()).unwrap_or_default();
        let calls = trunk.max_calls.map_or_else(|| "any".to_owned(), |max| max.to_string());
        let _ = write!(
            text,
            "\n{:<20} {:<20} {tariff:<24} {:>8} {:>6} {calls}",
            trunk.name, trunk.endpoint, trunk.priority, trunk.weight
        );
        listed.push(trunk_json(&trunk, tariff));
    }
    Ok(Answer::new(json!({ "trunks": listed }), text))
}
