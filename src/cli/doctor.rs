//! `tollgate doctor`: checks an installation, running or not, and reports problems in the operator's terms.

mod files;
mod messages;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tollgate_agi::client::Call;

use crate::ami::Settings;
use crate::ami::examine::{Examined, Rights, examine};
use crate::catalog::Catalog;
use crate::clock::{Clock as _, SystemClock};
use crate::commands::answer::{Answer, Outcome};
use crate::config::{Config, EsimKind};
use crate::control::{LinkView, ServersView, SocketsView};
use crate::esim::Esim;
use crate::esim::price::Unsold;
use crate::ledger::spool::{Look, look};
use crate::peers::claims;
use crate::secrets::random_below;
use crate::services::Services;
use crate::sip::rows::CHALLENGED_PBX;

/// Maximum time the dialplan may wait; authorization must be far quicker.
const DEADLINE: Duration = Duration::from_secs(2);

/// Severity of a finding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Good,
    Warning,
    Wrong,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }
}

#[derive(Default)]
struct Findings(Vec<(Level, String)>);

impl Findings {
    fn good(&mut self, text: impl Into<String>) {
        self.0.push((Level::Good, text.into()));
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.0.push((Level::Warning, text.into()));
    }

    fn wrong(&mut self, text: impl Into<String>) {
        self.0.push((Level::Wrong, text.into()));
    }
}

/// Runs every check possible from here. Status 1 if any check fails.
pub async fn run(config: &Arc<Config>, file: Option<&Path>) -> Outcome {
    let mut findings = Findings::default();
    configuration(config, &mut findings);
    files::files(config, file, &mut findings);
    match Services::open(Arc::clone(config)).await {
        Ok(services) => {
            let services = Arc::new(services);
            findings.good(format!("the database {} is usable", config.database.url));
            owner(&services, &mut findings).await;
            catalogue(&services, &mut findings).await;
            spool(config, &mut findings);
            if let Err(error) = services.check_spool_dir().await {
                findings.wrong(error.to_string());
            }
            peers(&services, &mut findings).await;
            messages::messages(&services, &mut findings).await;
            esim(&Esim::new(Arc::clone(&services)), &mut findings).await;
            services.close().await;
        }
        Err(error) => findings.wrong(error.to_string()),
    }
    fastagi(config, &mut findings).await;
    asterisk(config, &mut findings).await;

    let wrong = findings.0.iter().filter(|(level, _)| *level == Level::Wrong).count();
    let warnings = findings.0.iter().filter(|(level, _)| *level == Level::Warning).count();
    let rows: Vec<_> =
        findings.0.iter().map(|(level, text)| json!({ "level": level.word(), "text": text })).collect();
    let mut lines: Vec<String> =
        findings.0.iter().map(|(level, text)| format!("{:<8} {text}", level.word())).collect();
    lines.push(format!("{wrong} wrong, {warnings} to look at"));
    Ok(Answer {
        json: json!({ "ok": wrong == 0, "findings": rows }),
        text: lines.join("\n"),
        status: u8::from(wrong > 0),
    })
}

fn configuration(config: &Config, findings: &mut Findings) {
    for net in &config.fastagi.allow {
        if net.prefix_len() < 8 {
            findings.wrong(format!(
                "fastagi.allow has {net}: half the world may place calls at your clients' expense"
            ));
        }
    }
    if !config.fastagi.listen.ip().is_loopback() {
        findings.warn(format!(
            "FastAGI listens on {}: it has no password, so the network between it and Asterisk must be yours",
            config.fastagi.listen
        ));
    }
    if !config.internal.listen.ip().is_loopback() {
        findings.warn(format!(
            "the internal listener is on {}: the tokens of metrics and realtime cross the network in clear, so it must be \
             yours",
            config.internal.listen
        ));
    }
    if config.internal.metrics_token.as_ref().is_some_and(|token| token.reveal().len() < 24) {
        findings
            .wrong("internal.metrics_token is shorter than 24 characters; leave it out to have one derived");
    }
    if config.asterisk.is_empty() {
        findings.warn("no [[asterisk]] server is configured");
    }
}

async fn owner(services: &Services, findings: &mut Findings) {
    let present =
        services.store.owner().await.map(|owner| owner.filter(|owner| owner.lease_left.is_positive()));
    match present {
        Ok(Some(owner)) if owner.address.is_empty() => {
            findings.warn(format!("a command on {} is writing just now", owner.node));
        }
        Ok(Some(owner)) => match services.owner_answers().await {
            Ok(true) => {
                findings.good(format!("the server on {} owns the wallets and answers", owner.node));
                links(services, findings).await;
            }
            Ok(false) => {
                findings.wrong(format!("the server on {} was killed: its process has ended", owner.node));
            }
            Err(error) => findings.wrong(error.to_string()),
        },
        Ok(None) => findings.wrong("no server is running: start `tollgate serve`"),
        Err(error) => findings.wrong(format!("the owner cannot be read: {error}")),
    }
}

/// Checks the running server's own links: a successful login from here does not prove them.
async fn links(services: &Services, findings: &mut Findings) {
    let ServersView { links, reads, refused, sockets } = match services.servers_of_the_owner().await {
        Ok(Some(servers)) => servers,
        // The server has ended since.
        Ok(None) => return,
        Err(error) => return findings.wrong(format!("the running server's links are not known: {error}")),
    };
    if let Some(view) = &sockets {
        listeners(&services.config, view, findings);
    }
    for LinkView { server, away } in &links {
        match away {
            None => findings.good(format!("the running server's link to Asterisk {server} is up")),
            Some(reason) => {
                findings.wrong(format!("the running server's link to Asterisk {server} is away: {reason}"));
            }
        }
    }
    for server in &services.config.asterisk {
        if !links.iter().any(|link| link.server == server.name) {
            findings.wrong(format!(
                "the running server was started without Asterisk {}: start it again to have its calls metered",
                server.name
            ));
        }
    }
    if let Some(address) = refused {
        findings.wrong(format!(
            "the last reading of peers, from {address}, was refused: compare its site/realtime-token.conf with `tollgate \
             secrets realtime`, and the address with realtime.allow"
        ));
    } else if reads == 0 && links.iter().any(|link| link.away.is_none()) {
        findings.warn(
            "no Asterisk has read a peer since the server started: where a phone tries to register, look at \
             site/realtime.conf and site/realtime-token.conf",
        );
    }
}

/// Checks the running server's connection caps and the effect of its file descriptor limit on them.
fn listeners(config: &Config, view: &SocketsView, findings: &mut Findings) {
    let texts: Vec<String> =
        view.listeners.iter().map(|of| format!("{} {} of {}", of.listener, of.open, of.cap)).collect();
    let files = view.limit;
    findings.good(format!("its limit is {files} open files; connections open: {}", texts.join(", ")));
    for of in &view.listeners {
        let configured = match of.listener.as_str() {
            "fastagi" => config.fastagi.max_connections,
            "internal" => config.internal.max_connections,
            _ => config.http.max_connections,
        };
        if of.cap < configured {
            findings.warn(format!(
                "{}.max_connections is {configured}, but the running server keeps {}: its limit of {files} open \
                 files is too low (LimitNOFILE, `ulimit -n`), or it was started with another configuration",
                of.listener, of.cap
            ));
        }
        if of.refused > 0 {
            findings.warn(format!(
                "{} connections to {} were refused since the server started: there were too many",
                of.refused, of.listener
            ));
        }
        if let Some(address) = &of.refused_address {
            findings.warn(format!(
                "a connection from {address} to the {} listener was closed: neither internal.allow nor \
                 realtime.allow holds the address",
                of.listener
            ));
        }
    }
}

/// Reports records that wait for the database, and records that the database refused.
fn spool(config: &Config, findings: &mut Findings) {
    let dir = config.spool_dir();
    let found = match look(&dir) {
        Ok(found) => found,
        Err(error) => return findings.wrong(format!("the spool cannot be read: {error}")),
    };
    if !found.waiting.is_empty() {
        findings.warn(format!(
            "{} ended calls wait in {} for the database: the running server, or the next to start, writes them",
            found.waiting.len(),
            dir.display()
        ));
    }
    if !found.refused.is_empty() {
        findings.wrong(format!(
            "{} ended calls in {} were refused by the database and are not charged: the log says why",
            found.refused.len(),
            dir.display()
        ));
    }
    if found.damaged {
        findings
            .wrong(format!("the disk under {} has lost ended calls: look at the copy there", dir.display()));
    }
    if found == Look::default() {
        findings.good("no ended call waits for the database");
    }
}

async fn catalogue(services: &Services, findings: &mut Findings) {
    let catalog = match Catalog::load(services.store.clone(), services.currency(), services.clock.now()).await
    {
        Ok(catalog) => catalog,
        Err(error) => return findings.wrong(format!("the catalogue cannot be read: {error}")),
    };
    let snapshot = catalog.snapshot();
    for complaint in snapshot.complaints() {
        findings.wrong(complaint);
    }
    let plans = snapshot.plans().count();
    let trunks = snapshot.trunks().iter().filter(|trunk| trunk.active && trunk.buy.is_ok()).count();
    if plans == 0 {
        findings.wrong("there is no plan: no account can be made and no call rated");
    }
    if trunks == 0 {
        findings.wrong("there is no usable trunk: every call is refused with no_route");
    }
    if plans > 0 && trunks > 0 {
        findings.good(format!("{plans} plans and {trunks} trunks are usable"));
    }
}

/// Checks peers as Asterisk reads them, and the cost of their number and of host names.
async fn peers(services: &Services, findings: &mut Findings) {
    let config = &services.config;
    if config.realtime.token.as_ref().is_some_and(|token| token.reveal().len() < 24) {
        findings.wrong("realtime.token is shorter than 24 characters; leave it out to have one derived");
    }
    for net in config.realtime.allow.iter().filter(|net| net.prefix_len() < 8) {
        findings.wrong(format!("realtime.allow has {net}: half the world may guess at realtime.token"));
    }
    for server in &config.asterisk {
        let Ok(host) = server.host.parse::<IpAddr>() else { continue };
        if !config.realtime.allow.iter().any(|net| net.contains(&host)) {
            findings.wrong(format!(
                "Asterisk {} at {host} cannot read its peers: realtime.allow does not hold its address",
                server.name
            ));
        }
        if !host.is_loopback() && config.internal.listen.ip().is_loopback() {
            findings.wrong(format!(
                "Asterisk {} at {host} cannot read its peers: the internal listener is on {} only",
                server.name, config.internal.listen
            ));
        }
    }
    addresses(services, findings).await;
}

/// Checks IP peers: their number, pending claims, and claims of the operator's own addresses.
async fn addresses(services: &Services, findings: &mut Findings) {
    let limit = i64::from(services.config.peers.ips_in_all);
    let near = limit - limit / 10;
    match services.store.active_address_peers().await {
        Ok(0) => {}
        Ok(count) if count >= near => findings.warn(format!(
            "{count} IP peers are active of {limit} that there can be (peers.ips_in_all): every request that no name \
             matches costs each Asterisk a comparison with all of them, at a cost that grows with the square of their \
             number"
        )),
        Ok(count) => findings.good(format!("{count} IP peers are active. {CHALLENGED_PBX}")),
        Err(error) => findings.wrong(format!("the peers cannot be read: {error}")),
    }
    match claims::pending_addresses(services).await {
        Ok(pending) if pending.is_empty() => {}
        Ok(pending) => findings.warn(format!(
            "{} claims of addresses are pending: `tollgate ipauth pending` lists them",
            pending.len()
        )),
        Err(error) => findings.wrong(format!("the peers cannot be read: {error}")),
    }
    match claims::own_addresses_claimed(services).await {
        Ok(claimed) => {
            for (peer, whose) in claimed {
                let ip = peer.source.map(|ip| ip.to_string()).unwrap_or_default();
                findings.wrong(format!(
                    "IP peer {} has {ip}, the address of {whose}: its calls are charged to that peer's account; delete it \
                     with `tollgate ipauth delete {} {}`",
                    peer.name,
                    peer.sip_account.as_deref().unwrap_or_default(),
                    peer.id
                ));
            }
        }
        Err(error) => findings.wrong(format!("the addresses of IP peers cannot be compared: {error}")),
    }
}

/// Reports reasons why eSIM plans cannot be sold, and orders that wait.
async fn esim(esim: &Esim, findings: &mut Findings) {
    let services = &esim.services;
    let config = &services.config.esim;
    let now = services.clock.now();
    let since =
        now.checked_sub(jiff::SignedDuration::from_mins(i64::from(config.stuck_minutes))).unwrap_or(now);
    match services.store.esim_orders_stuck(since).await {
        Ok(0) => {}
        Ok(count) => findings.wrong(format!(
            "{count} eSIM orders have waited for more than {} minutes: tollgate esim orders --stuck",
            config.stuck_minutes
        )),
        Err(error) => findings.wrong(format!("the eSIM orders cannot be read: {error}")),
    }
    match &config.kind {
        EsimKind::Off => return,
        EsimKind::Simulator => findings.warn("eSIMs are simulated (esim.kind): nothing real is sold"),
        EsimKind::Esimaccess(settings) => {
            if settings.url.starts_with("http://") {
                findings
                    .warn("esim.url is spoken to without TLS: who listens on the way has the access code");
            }
            match esim.upstream().await {
                Ok(upstream) => match upstream.fetch_balance().await {
                    Ok(balance) if balance.amount_e4 > 0 => {
                        findings.good("the eSIM upstream answers, and we have credit there");
                    }
                    Ok(_) => findings.wrong("the eSIM upstream answers, and our balance there is out"),
                    Err(error) => findings.wrong(format!("eSIM: {error}")),
                },
                Err(error) => findings.wrong(format!("eSIM: {error}")),
            }
        }
    }
    let (Ok(snapshot), Ok(rates)) = (esim.snapshot().await, crate::esim::rates(esim).await) else {
        findings.wrong("the eSIM catalogue cannot be read");
        return;
    };
    let markups = crate::esim::markups(&services.config);
    let (mut sold, mut without_rate) = (0_usize, 0_usize);
    for package in snapshot.packages().filter(|package| package.is_listed()) {
        match snapshot.prices(package, &rates, markups) {
            Ok(_) => sold += 1,
            Err(Unsold::NoRate) => without_rate += 1,
            Err(_) => {}
        }
    }
    if without_rate > 0 {
        findings.wrong(format!(
            "{without_rate} eSIM packages are not sold: there is no exchange rate into {} (tollgate fx set)",
            services.currency()
        ));
    }
    if sold > 0 {
        findings.good(format!("{sold} eSIM packages are sold"));
    } else if without_rate == 0 {
        findings
            .warn("the eSIM catalogue is empty: it is read when the server starts, or by tollgate esim sync");
    }
}

/// Requests a call that no account may make: a serving engine refuses it at once, with the right reason.
async fn fastagi(config: &Config, findings: &mut Findings) {
    let mut address = config.fastagi.listen;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::from([127, 0, 0, 1]));
    }
    let clock = SystemClock::new();
    let unique_id = format!("doctor-{}.{}", clock.now().as_second(), random_below(1_000_000_000));
    let asked_at = clock.monotonic_ms();
    let played = Call::new(&format!("agi://{address}/authorize"))
        .unique_id(&unique_id)
        .args(["tollgate-doctor", "1", "", "tollgate-doctor", "", "1", ""])
        .deadline(DEADLINE)
        .run(address)
        .await;
    let took_ms = clock.monotonic_ms() - asked_at;
    match played {
        Err(error) => findings.wrong(format!("FastAGI on {address} cannot be asked: {error}")),
        Ok(played) => match (played.variable("TG_STATUS"), played.variable("TG_REASON")) {
            (Some("DENY"), Some("unknown_peer")) => {
                findings.good(format!("FastAGI on {address} refused a stranger within {took_ms} ms"));
            }
            (Some("DENY"), Some("unavailable")) => findings.wrong(format!(
                "FastAGI on {address} refuses every call: the server lost its database or is stopping"
            )),
            (status, _) => findings.wrong(format!(
                "FastAGI on {address} answered a stranger with {}: is another program listening there, or does \
                 fastagi.allow leave this machine out?",
                status.unwrap_or("nothing")
            )),
        },
    }
    check_reachable(address, config, findings);
}

/// Logs in to each Asterisk as the server would, and checks the permissions of its manager user.
async fn asterisk(config: &Config, findings: &mut Findings) {
    let clock = Arc::new(SystemClock::new());
    let settings: Vec<_> = config.asterisk.iter().map(Settings::from).collect();
    let examined = settings.iter().map(|settings| examine(settings, Arc::clone(&clock) as Arc<_>));
    let examined = futures::future::join_all(examined).await;
    for (server, examined) in config.asterisk.iter().zip(examined) {
        match examined {
            Examined::NotIn(reason) => findings.wrong(format!("Asterisk {}: {reason}", server.name)),
            Examined::In(rights) => rights_of(&server.name, &rights, findings),
        }
        let is_elsewhere = !server.host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
        if is_elsewhere && server.host != "localhost" && !server.tls {
            findings.warn(format!(
                "Asterisk {} is spoken to without TLS: the network between it and this machine must be yours",
                server.name
            ));
        }
    }
}

fn rights_of(name: &str, rights: &Rights, findings: &mut Findings) {
    for (action, class) in &rights.missing {
        findings.wrong(if class.is_empty() {
            format!("Asterisk {name} has no action {action}")
        } else {
            format!("Asterisk {name}: the manager user may not {action}: its `write` needs class `{class}`")
        });
    }
    for (action, class) in &rights.too_much {
        findings.wrong(format!(
            "Asterisk {name}: the manager user may {action}: take class `{class}` from its `write`, or whoever gets at \
             its secret has the box and free calls"
        ));
    }
    if !rights.hears_system {
        findings.wrong(format!(
            "Asterisk {name} does not say that it is booted: it is still starting, or the manager user's `read` lacks \
             class `system`"
        ));
    }
    if !rights.has_cache {
        findings.warn(format!(
            "Asterisk {name} cannot forget cached peers: load res_sorcery_memory_cache.so, or give the manager user's \
             `write` class `system`"
        ));
    }
    if rights.missing.is_empty() && rights.too_much.is_empty() && rights.hears_system {
        findings.good(format!(
            "Asterisk {name} ({}) lets us in, and its manager user may do what is needed",
            rights.version
        ));
    }
}

/// Checks that the addresses of the configured Asterisk servers may connect.
fn check_reachable(address: SocketAddr, config: &Config, findings: &mut Findings) {
    for server in &config.asterisk {
        let Ok(host) = server.host.parse::<IpAddr>() else { continue };
        if !config.fastagi.allow.iter().any(|net| net.contains(&host)) {
            findings.wrong(format!(
                "Asterisk {} at {host} may not ask: fastagi.allow does not hold its address",
                server.name
            ));
        }
        if !host.is_loopback() && address.ip().is_loopback() {
            findings.wrong(format!(
                "Asterisk {} at {host} cannot reach FastAGI, which listens on {address} only",
                server.name
            ));
        }
    }
}
