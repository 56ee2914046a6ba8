//! Asterisk's reads of peers, over `res_config_curl`: answered from memory in microseconds.
//!
//! On the wire, a row by its id, as a form:
//!
//! ```text
//! POST /realtime/ps_endpoints/single
//! id=1001
//! → id=1001&identify_by=username&auth=1001&…
//! ```
//!
//! `/multi` answers rows, one per line; Asterisk requests all addresses at once with it (`id LIKE=%`). `/update`,
//! `/store` and `/destroy` are answered `0` (nothing was changed: an empty answer makes Asterisk read beyond its
//! buffer), `/require` `0` (nothing is missing). Unknown or forbidden requests are answered 200 with an empty body:
//! Asterisk reads the body of an error as a row.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, header};
use axum::routing::post;
use base64::Engine as _;
use ipnet::IpNet;

use crate::config::{Config, Secret};
use crate::directory::Directory;
use crate::directory::phones::Peer;
use crate::metrics::Registry;
use crate::secrets::{Secrets, tokens_match};
use crate::sip::rows::{self, Family, Row};
use crate::store::peers::PeerKind;

/// User name that Asterisk sends beside the token.
pub const USER: &str = "tollgate";
/// Maximum size of a form from Asterisk, in bytes: a name, or an object's columns.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// Counters of reads.
#[derive(Debug, Default)]
pub struct Counters {
    found: AtomicU64,
    unknown: AtomicU64,
    refused: AtomicU64,
}

/// Answers to Asterisk's reads.
#[derive(Debug)]
pub struct Realtime {
    directory: Arc<Directory>,
    secrets: Arc<ArcSwap<Secrets>>,
    token: Option<Secret>,
    allow: Vec<IpNet>,
    realm: String,
    endpoint: BTreeMap<String, String>,
    counters: Counters,
    /// Source address of the last read, if it was refused.
    refused_last: Mutex<Option<IpAddr>>,
}

impl Realtime {
    /// Creates the answers over the peers in memory.
    pub fn new(config: &Config, directory: Arc<Directory>, secrets: Arc<ArcSwap<Secrets>>) -> Self {
        Self {
            directory,
            secrets,
            token: config.realtime.token.clone(),
            allow: config.realtime.allow.clone(),
            realm: config.sip.realm.clone(),
            endpoint: config.peers.endpoint.clone(),
            counters: Counters::default(),
            refused_last: Mutex::default(),
        }
    }

    /// Builds the routes of the internal listener. They need the caller's address as connection info.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/realtime/{family}/{action}", post(answer))
            .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
            .with_state(self)
    }

    /// Registers the metrics of the reads of peers.
    pub fn register_metrics(self: &Arc<Self>, registry: &mut Registry) {
        let realtime = Arc::clone(self);
        registry.counters(
            "tollgate_realtime_reads_total",
            "Asterisk's reads of peers",
            ["outcome"],
            move || {
                let Counters { found, unknown, refused } = &realtime.counters;
                [("found", found), ("unknown", unknown), ("refused", refused)]
                    .map(|(outcome, count)| ([outcome.to_owned()], count.load(Ordering::Relaxed)))
                    .into()
            },
        );
    }

    /// Returns the number of reads, and the source address of the last one if it was refused.
    pub fn reads(&self) -> (u64, Option<String>) {
        let Counters { found, unknown, refused } = &self.counters;
        let reads = [found, unknown, refused].iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let refused = *self.refused_last.lock().unwrap_or_else(PoisonError::into_inner);
        (reads, refused.map(|address| address.to_string()))
    }

    fn note_last(&self, refused: Option<IpAddr>) {
        *self.refused_last.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    /// Reports whether this caller may read.
    fn may_read(&self, from: IpAddr, headers: &HeaderMap) -> bool {
        let from = from.to_canonical();
        self.allow.iter().any(|net| net.contains(&from))
            && shown_token(headers).is_some_and(|shown| self.token_is_right(&shown))
    }

    fn token_is_right(&self, shown: &str) -> bool {
        match &self.token {
            Some(token) => tokens_match(shown, token.reveal()),
            None => self.secrets.load().realtime_tokens().iter().any(|token| tokens_match(shown, token)),
        }
    }

    /// Returns a row by its id.
    pub fn single(&self, family: Family, id: &str) -> Option<Row> {
        let row = self.directory.peer(id).filter(Peer::in_force).and_then(|peer| match family {
            Family::Endpoints => rows::endpoint(id, peer.kind, &self.endpoint),
            Family::Auths => rows::auth(id, peer.digest.filter(|_| peer.kind.has_password()), &self.realm),
            Family::Aors => rows::aor(id, peer.kind),
            Family::Identifies => {
                peer.source.filter(|_| peer.kind == PeerKind::Ipa).map(|source| rows::identify(id, source))
            }
        });
        match row {
            Some(_) => {
                self.directory.changes().was_read(id);
                self.counters.found.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                self.counters.unknown.fetch_add(1, Ordering::Relaxed);
            }
        }
        row
    }

    /// Returns all addresses. No other family can be listed: neither names nor digests.
    pub fn addresses(&self) -> Vec<Row> {
        self.directory.changes().addresses_were_read();
        let addresses = self.directory.phones().addresses();
        self.counters.found.fetch_add(addresses.len() as u64, Ordering::Relaxed);
        addresses.iter().map(|(name, source)| rows::identify(name, *source)).collect()
    }

    fn answer(&self, family: &str, action: &str, form: &[u8]) -> String {
        let Some(family) = Family::parse(family) else { return nothing(action) };
        let mut fields = form_urlencoded::parse(form);
        match (action, fields.next()) {
            ("single", Some((column, id))) if column == "id" => {
                self.single(family, &id).map(|row| row.encode()).unwrap_or_default()
            }
            ("multi", Some((column, pattern)))
                if family == Family::Identifies && column == "id LIKE" && pattern == "%" =>
            {
                let rows = self.addresses();
                let lines: Vec<String> = rows.iter().map(Row::encode).collect();
                lines.join("\n")
            }
            _ => nothing(action),
        }
    }
}

/// Returns the empty answer, in the form that the action needs.
fn nothing(action: &str) -> String {
    match action {
        "update" | "store" | "destroy" | "require" => "0".to_owned(),
        _ => String::new(),
    }
}

pub(crate) fn shown_token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, token) = text.split_once(':')?;
    (user == USER).then(|| token.to_owned())
}

async fn answer(
    State(realtime): State<Arc<Realtime>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path((family, action)): Path<(String, String)>,
    headers: HeaderMap,
    form: Bytes,
) -> String {
    if realtime.may_read(from.ip(), &headers) {
        realtime.note_last(None);
        return realtime.answer(&family, &action, &form);
    }
    realtime.note_last(Some(from.ip()));
    let before = realtime.counters.refused.fetch_add(1, Ordering::Relaxed);
    // Log the first refusal, then ever fewer: a client without a valid token retries often.
    if before.is_power_of_two() || before == 0 {
        tracing::warn!(
            source.address = %from.ip(),
            refused.total = before + 1,
            "a reading of peers was refused: wrong token, or realtime.allow does not hold the address"
        );
    }
    nothing(&action)
}
