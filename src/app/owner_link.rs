//! The way to the running server: what a command asks of it, and what is known of it where it does not answer.

use jiff::Timestamp;

use super::desk::{Desk, DeskError};
use crate::internal::address::CommandAddress;
use crate::internal::client::{self, ClientError};
use crate::internal::folder::{BoundSocket, Trusted};
use crate::internal::{CommandAnswer, CommandRequest, ServersView};
use crate::store::StoreError;
use crate::store::owner::Owner;

/// The running server, with its owner row.
struct Running {
    server: client::Owner,
    owner: Owner,
}

impl Desk {
    /// Sends a command to the running owner; `None` where none runs.
    pub async fn ask_the_owner(&self, request: &CommandRequest) -> Result<Option<CommandAnswer>, DeskError> {
        let Some(running) = self.running().await? else { return Ok(None) };
        let answer = running.server.command(request).await;
        self.unless_ended(&running.owner, answer)
    }

    /// Lets the running owner, if there is one, take in what was changed. A failure only means that it takes its
    /// usual second.
    pub async fn tell_the_owner(&self) {
        if let Ok(Some(running)) = self.running().await
            && let Err(error) = running.server.catch_up().await
            && !matches!(error, ClientError::Gone(_))
        {
            tracing::warn!(%error, "the running server was not told; it will notice by itself");
        }
    }

    /// Whether the running owner answers; `false` where its process has ended.
    pub async fn owner_answers(&self) -> Result<bool, DeskError> {
        let Some(running) = self.running().await? else { return Ok(false) };
        let answer = running.server.catch_up().await;
        self.unless_ended(&running.owner, answer).map(|answer| answer.is_some())
    }

    /// How the running owner and the Asterisk servers see each other; `None` where no owner runs.
    pub async fn servers_of_the_owner(&self) -> Result<Option<ServersView>, DeskError> {
        let Some(running) = self.running().await? else { return Ok(None) };
        let answer = running.server.servers().await;
        self.unless_ended(&running.owner, answer)
    }

    /// Refuses where the recorded owner is a server that may still serve. One whose process has ended is none; where that
    /// cannot be seen from here its lease decides.
    pub(super) async fn require_no_server(
        &self,
        owner: Owner,
        socket: Option<&BoundSocket>,
    ) -> Result<(), DeskError> {
        let Ok(address) = owner.address.parse::<CommandAddress>() else {
            // A command has no address; a server of an older version has one of another form.
            let is_server = !owner.address.is_empty();
            return if is_server && self.holds(&owner) { Err(owned(&owner)) } else { Ok(()) };
        };
        if socket.is_some_and(|socket| socket.replaces(&address)) {
            return Ok(());
        }
        match self.at(address)?.catch_up().await {
            Ok(()) => Err(owned(&owner)),
            Err(ClientError::Gone(_)) => Ok(()),
            // Out of sight or hung, and its lease is over: the epoch keeps it from spending should it wake.
            Err(ClientError::NotHere(_) | ClientError::Silent { .. }) if !self.holds(&owner) => Ok(()),
            Err(ClientError::NotHere(_)) => Err(elsewhere(&owner)),
            Err(error) => Err(error.into()),
        }
    }

    /// The process that owns, or did without giving it up. Its lease may be over: one that was kept from renewing it
    /// still serves, and is asked.
    pub(super) async fn recorded_owner(&self) -> Result<Option<Owner>, StoreError> {
        self.store.owner(Timestamp::UNIX_EPOCH).await
    }

    async fn running(&self) -> Result<Option<Running>, DeskError> {
        let Some(owner) = self.recorded_owner().await? else { return Ok(None) };
        let Ok(address) = owner.address.parse::<CommandAddress>() else { return Ok(None) };
        Ok(Some(Running { server: self.at(address)?, owner }))
    }

    fn at(&self, address: CommandAddress) -> Result<client::Owner, DeskError> {
        let trusted = Trusted::owner_of(&self.config.key_file())?;
        Ok(client::Owner { address, trusted })
    }

    fn holds(&self, owner: &Owner) -> bool {
        owner.lease_until > self.clock.now()
    }

    /// The answer; `None` where the server has ended, or is out of sight and its lease is over.
    fn unless_ended<T>(&self, owner: &Owner, answer: Result<T, ClientError>) -> Result<Option<T>, DeskError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(ClientError::NotHere(_)) if self.holds(owner) => Err(elsewhere(owner)),
            Err(ClientError::Gone(_) | ClientError::NotHere(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Says who owns the wallets.
pub(super) fn owned(owner: &Owner) -> DeskError {
    let address = match owner.address.parse::<CommandAddress>() {
        Ok(address) => format!("its command socket is {}", address.path.display()),
        Err(_) if owner.address.is_empty() => "it runs a command".to_owned(),
        Err(_) => format!("a server of an older version at {}: stop it first", owner.address),
    };
    DeskError::Owned { node: owner.node.clone(), address }
}

fn elsewhere(owner: &Owner) -> DeskError {
    let path = owner.address.parse::<CommandAddress>().map(|address| address.path.display().to_string());
    DeskError::OwnedElsewhere { node: owner.node.clone(), path: path.unwrap_or_default() }
}
