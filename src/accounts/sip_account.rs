//! Records of SIP accounts.

use jiff::Timestamp;

use crate::services::Services;
use crate::sip::digest;
use crate::store::accounts::AccountRecord;
use crate::store::peers::{PeerKind, PeerRecord};
use crate::store::{StoreError, Tx};

/// Inserts the main SIP account, named like the login, of a client that is being created. The transaction stays open.
pub async fn insert_main(
    services: &Services,
    tx: &mut Tx,
    account: &AccountRecord,
    id: i64,
) -> Result<String, StoreError> {
    let password = digest::generate();
    let (name, at) = (account.login.clone(), account.created_at);
    let peer = PeerRecord {
        main: true,
        ..with_password(services, id, name, account.id, PeerKind::Sip, &password, at)
    };
    tx.insert_peer(&peer).await?;
    Ok(password)
}

/// Builds the record of a new peer with its password sealed under the current key.
pub fn with_password(
    services: &Services,
    id: i64,
    name: String,
    account_id: i64,
    kind: PeerKind,
    password: &str,
    at: Timestamp,
) -> PeerRecord {
    PeerRecord {
        id,
        secret: Some(digest::seal(&services.secrets.load(), &name, password)),
        name,
        account_id,
        kind,
        main: false,
        active: true,
        approved: true,
        sip_account: None,
        source: None,
        number: None,
        created_at: at,
        changed_at: at,
    }
}
