//! Creation of clients.
//!
//! A single transaction writes the account, its main SIP account, its password and its plan's initial credit.

use tollgate_rating::Money;

use super::create::{self, Created};
use super::error::OpsError;
use super::hashing::Caller;
use super::password;
use crate::ledger::{Fence, OPERATOR_FUNDS, Posting, PostingLine, RESELLER_CREDIT, Reference};
use crate::services::{ServiceError, Services};
use crate::sip;
use crate::store::accounts::{AccountRecord, Kind};
use crate::store::batch::PostingRefusal;
use crate::store::idempotency::RememberedAnswer;
use crate::store::{PlanVersion, StoreError, Tx};

/// A client to create by the operator.
#[derive(Debug)]
pub struct NewClient {
    /// Login; generated at random if absent.
    pub login: Option<String>,
    /// Login of the reseller that owns the client; the operator if absent.
    pub reseller: Option<String>,
    /// Name of the retail plan.
    pub plan: String,
    /// Amount by which the balance may fall below zero.
    pub credit_limit: Option<Money>,
}

/// A client to create by a reseller.
pub struct NewClientOfReseller {
    /// Id of the reseller.
    pub reseller_id: i64,
    /// Login; generated at random if absent.
    pub login: Option<String>,
    /// Password of the account; generated at random if absent.
    pub password: Option<String>,
    /// Id of the plan, which belongs to the reseller.
    pub plan_id: i64,
    /// Caller for which the password hash is queued.
    pub caller: Caller,
}

/// A client created by a reseller, with the passwords, which are shown only once.
pub struct ClientOfReseller {
    /// The account.
    pub account: AccountRecord,
    /// The password of the account.
    pub password: String,
    /// The password of its main SIP account.
    pub sip_password: String,
    /// Initial credit of the plan.
    pub balance: Money,
}

/// Keeps the passwords out of logs.
impl std::fmt::Debug for NewClientOfReseller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewClientOfReseller").field("plan_id", &self.plan_id).finish_non_exhaustive()
    }
}

/// Keeps the passwords out of logs.
impl std::fmt::Debug for ClientOfReseller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientOfReseller").field("login", &self.account.login).finish_non_exhaustive()
    }
}

/// Creates a client and its main SIP account, which has the client's login as its name, and posts its plan's initial
/// credit.
pub async fn create_client(services: &Services, new: NewClient) -> Result<Created, OpsError> {
    if let Some(login) = &new.login {
        create::check_login(login)?;
    }
    let credit_limit = create::check_not_negative("credit-limit", new.credit_limit)?;
    let unknown = || OpsError::UnknownPlan(new.plan.clone());
    let plan_id = services.store.plan_id(&new.plan).await?.ok_or_else(unknown)?;
    let plan = services.store.plan_by_id(plan_id).await?.ok_or_else(unknown)?;
    let initial = InitialCredit::of(services, &plan).await?;
    let mut tx = create::begin(services).await?;
    let parent_id = match &new.reseller {
        Some(login) => Some(create::reseller(&mut tx, login).await?.id),
        None => None,
    };
    let account = blank(services, &mut tx, new.login, parent_id, plan_id, credit_limit).await?;
    let sip_password = create::insert_rows(services, &mut tx, &account, true).await?;
    initial.give(services, &mut tx, &account).await?;
    tx.commit().await?;
    services.reload_account(account.id).await?;
    Ok(Created { id: account.id, login: account.login, sip_password })
}

/// Creates a client of a reseller, with a password, on a plan that belongs to the reseller. `keep` writes the
/// remembered answer in the same transaction; if it fails, nothing is created.
pub async fn create_for_reseller<E: From<OpsError>>(
    services: &Services,
    new: NewClientOfReseller,
    keep: impl FnOnce(&ClientOfReseller) -> Result<Option<RememberedAnswer>, E>,
) -> Result<ClientOfReseller, E> {
    let (mut tx, made) = begun(services, new).await?;
    if let Some(answer) = keep(&made)? {
        tx.remember_answer(&answer).await.map_err(OpsError::from)?;
    }
    tx.commit().await.map_err(OpsError::from)?;
    services.reload_account(made.account.id).await.map_err(OpsError::from)?;
    Ok(made)
}

/// Writes everything of a reseller's new client and returns the open transaction.
async fn begun(services: &Services, new: NewClientOfReseller) -> Result<(Tx, ClientOfReseller), OpsError> {
    if let Some(login) = &new.login {
        create::check_login(login)?;
    }
    let password = match new.password {
        Some(chosen) => {
            let wrong = |error: password::PasswordError| OpsError::BadValue {
                field: "password",
                reason: error.to_string(),
            };
            password::check(&chosen).map_err(wrong)?;
            chosen
        }
        None => sip::digest::generate(),
    };
    let plan = services.store.plan_by_id(new.plan_id).await?;
    let plan = plan
        .filter(|plan| plan.owner_id == Some(new.reseller_id))
        .ok_or_else(|| OpsError::UnknownPlan(new.plan_id.to_string()))?;
    let initial = InitialCredit::of(services, &plan).await?;
    let hash = password::hash(password.clone(), &new.caller).await?;
    let mut tx = create::begin(services).await?;
    let parent_id = Some(new.reseller_id);
    let most = services.config.limits.clients_per_reseller;
    if tx.count_clients(new.reseller_id).await? >= i64::from(most) {
        return Err(OpsError::TooManyClients { most });
    }
    let account = blank(services, &mut tx, new.login, parent_id, plan.plan_id, Money::ZERO).await?;
    let sip_password = create::insert_rows(services, &mut tx, &account, true).await?.unwrap_or_default();
    tx.set_password(account.id, &hash).await?;
    initial.give(services, &mut tx, &account).await?;
    let balance = initial.amount;
    Ok((tx, ClientOfReseller { account, password, sip_password, balance }))
}

/// Builds the record of a client's account that is not written yet.
async fn blank(
    services: &Services,
    tx: &mut Tx,
    login: Option<String>,
    parent_id: Option<i64>,
    plan_id: i64,
    credit_limit: Money,
) -> Result<AccountRecord, OpsError> {
    let login = match login {
        Some(login) => login,
        None => create::free_login(tx).await?,
    };
    create::fresh(services, tx, login, Kind::Client, parent_id, plan_id, credit_limit).await
}

/// Initial credit that a plan grants to its new clients.
struct InitialCredit {
    amount: Money,
    plan: String,
    fence: Fence,
}

impl InitialCredit {
    /// Requires the ownership first: a process that may not post the credit does not create the client either.
    async fn of(services: &Services, plan: &PlanVersion) -> Result<Self, ServiceError> {
        let amount = Money::from_nanos(plan.initial_credit);
        let fence = if amount > Money::ZERO {
            services.ledger().await?;
            Fence::Owner { epoch: services.ownership.epoch() }
        } else {
            Fence::Fact
        };
        Ok(Self { amount, plan: plan.name.clone(), fence })
    }

    /// Posts the credit: a reseller grants it like other retail credit, the operator from its funds.
    async fn give(&self, services: &Services, tx: &mut Tx, account: &AccountRecord) -> Result<(), OpsError> {
        let inconsistent = |reason: String| StoreError::Inconsistent { table: "entries", reason };
        if self.amount <= Money::ZERO {
            return Ok(());
        }
        let taken = Money::ZERO.checked_sub(self.amount);
        let taken = taken.ok_or_else(|| inconsistent("an initial credit has no opposite".to_owned()))?;
        let giver = if account.parent_id.is_some() { RESELLER_CREDIT } else { OPERATOR_FUNDS };
        let posting = Posting {
            kind: "credit".to_owned(),
            lines: vec![PostingLine::new(giver, taken), PostingLine::new(account.id, self.amount)],
            currency: services.currency().to_owned(),
            reference: Some(Reference {
                scope: account.parent_id.unwrap_or(0),
                text: format!("initial/{}", account.id),
            }),
            note: Some(format!("initial credit of plan {}", self.plan)),
            fence: self.fence,
        };
        match tx.post(&posting, services.clock.now()).await? {
            Ok(_) => Ok(()),
            Err(PostingRefusal::StaleEpoch { epoch }) => Err(StoreError::StaleEpoch { epoch }.into()),
            Err(refusal) => Err(inconsistent(refusal.to_string()).into()),
        }
    }
}
