//! The upstream that eSIMs are bought from. [`Upstream`] is what the service needs of it; each implementation has a folder
//! of its own and one variant of `config::EsimKind`.

pub mod esim_access;
mod model;

use std::sync::Arc;

pub use self::model::{
    Balance, Country, ListedPackage, Network, Order, Priority, Profile, ProfileState, Purchase, Upstream,
    UpstreamError, Usage,
};
use crate::clock::Clock;
use crate::config::{Config, EsimKind};

/// An open upstream.
#[derive(Debug)]
pub struct Opened {
    /// The upstream.
    pub upstream: Arc<dyn Upstream>,
    /// Stops the simulator inside of this process, if it is that.
    _simulator: Option<tokio_util::sync::DropGuard>,
}

/// Opens the configured upstream.
pub(super) async fn open(config: &Config, clock: &Arc<dyn Clock>) -> Result<Opened, UpstreamError> {
    let clock = Arc::clone(clock);
    match &config.esim.kind {
        EsimKind::Off => Err(UpstreamError::NotReached("esim.kind is off".to_owned())),
        EsimKind::Esimaccess(settings) => {
            let upstream = Arc::new(esim_access::open(settings, clock)?);
            Ok(Opened { upstream, _simulator: None })
        }
        EsimKind::Simulator => {
            let (upstream, guard) = esim_access::open_simulated(config.simulator_record(), clock).await?;
            Ok(Opened { upstream: Arc::new(upstream), _simulator: Some(guard) })
        }
    }
}
