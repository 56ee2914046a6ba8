//! The connection to the running server: forwards commands to it, and decides whether an unreachable server has ended.

use super::error::ServiceError;
use super::shared::Services;
use crate::control::address::CommandAddress;
use crate::control::client::{self, ClientError};
use crate::control::folder::Trusted;
use crate::control::{CommandAnswer, CommandRequest, ServersView};
use crate::store::owner::Owner;

/// The running server, with its owner row.
struct Running {
    server: client::Owner,
    owner: Owner,
}

impl Services {
    /// Sends a command to the running owner; `None` if none runs.
    pub async fn ask_the_owner(
        &self,
        request: &CommandRequest,
    ) -> Result<Option<CommandAnswer>, ServiceError> {
        let Some(running) = self.running().await? else { return Ok(None) };
        let answer = running.server.command(request).await;
        unless_ended(&running.owner, answer)
    }

    /// Makes the running owner, if there is one, apply changes at once. If this fails, the owner applies them within
    /// its usual second.
    pub async fn tell_the_owner(&self) {
        if let Ok(Some(running)) = self.running().await
            && let Err(error) = running.server.catch_up().await
            && !matches!(error, ClientError::Gone(_))
        {
            tracing::warn!(%error, "the running server was not told; it will notice by itself");
        }
    }

    /// Reports whether the running owner answers; false if its process has ended.
    pub async fn owner_answers(&self) -> Result<bool, ServiceError> {
        let Some(running) = self.running().await? else { return Ok(false) };
        let answer = running.server.catch_up().await;
        unless_ended(&running.owner, answer).map(|answer| answer.is_some())
    }

    /// Reads the state of the links between the running owner and the Asterisk servers; `None` if no owner runs.
    pub async fn servers_of_the_owner(&self) -> Result<Option<ServersView>, ServiceError> {
        let Some(running) = self.running().await? else { return Ok(None) };
        let answer = running.server.servers().await;
        unless_ended(&running.owner, answer)
    }

    async fn running(&self) -> Result<Option<Running>, ServiceError> {
        // The lease may be over: an owner that could not renew it still serves, and is asked.
        let Some(owner) = self.store.owner().await? else { return Ok(None) };
        let Ok(address) = owner.address.parse::<CommandAddress>() else { return Ok(None) };
        Ok(Some(Running { server: self.at(address)?, owner }))
    }

    fn at(&self, address: CommandAddress) -> Result<client::Owner, ServiceError> {
        let trusted = Trusted::owner_of(&self.config.key_file())?;
        Ok(client::Owner { address, trusted })
    }
}

/// Returns the answer; `None` if the server has ended, or is unreachable and its lease is over.
fn unless_ended<T>(owner: &Owner, answer: Result<T, ClientError>) -> Result<Option<T>, ServiceError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ClientError::NotHere(_)) if owner.lease_left.is_positive() => Err(elsewhere(owner)),
        Err(ClientError::Gone(_) | ClientError::NotHere(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Builds the error that names the owner of the wallets.
pub(super) fn owned(owner: &Owner) -> ServiceError {
    let address = match owner.address.parse::<CommandAddress>() {
        Ok(address) => format!("its command socket is {}", address.path.display()),
        Err(_) if owner.address.is_empty() => "it runs a command".to_owned(),
        Err(_) => format!("a server of an older version at {}: stop it first", owner.address),
    };
    ServiceError::Owned { node: owner.node.clone(), address }
}

fn elsewhere(owner: &Owner) -> ServiceError {
    let path = owner.address.parse::<CommandAddress>().map(|address| address.path.display().to_string());
    ServiceError::OwnedElsewhere { node: owner.node.clone(), path: path.unwrap_or_default() }
}
