//! A database that can be taken away and given back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tollgate::store::{Store, Tx};

/// An outage that begins and ends when told: `SQLite` is locked by another process, `PostgreSQL` cannot be reached.
pub(crate) struct Outage {
    /// What the service is to use as its database.
    pub(crate) url: String,
    wire: Option<Wire>,
    locked: Option<Tx>,
}

impl Outage {
    pub(crate) async fn of(url: &str) -> Self {
        if url.starts_with("sqlite:") {
            return Self { url: url.to_owned(), wire: None, locked: None };
        }
        let wire = wire_to(url).await;
        Self { url: wire.url.clone(), wire: Some(wire), locked: None }
    }

    pub(crate) async fn begin(&mut self) {
        match &self.wire {
            Some(wire) => wire.cut.store(true, Ordering::SeqCst),
            None => self.locked = Some(Store::open(&self.url).await.unwrap().begin().await.unwrap()),
        }
    }

    pub(crate) async fn end(&mut self) {
        match &self.wire {
            Some(wire) => wire.cut.store(false, Ordering::SeqCst),
            None => self.locked.take().unwrap().rollback().await.unwrap(),
        }
    }
}

/// A wire between the service and its database that can be cut.
pub(crate) struct Wire {
    pub(crate) url: String,
    /// No connection is let through.
    pub(crate) cut: Arc<AtomicBool>,
    /// So many commits are passed on, but their answers are not.
    pub(crate) lose_answers: Arc<AtomicUsize>,
}

pub(crate) async fn wire_to(url: &str) -> Wire {
    let scheme_end = url.find("://").unwrap() + 3;
    let authority_end = scheme_end + url[scheme_end..].find('/').unwrap();
    let host_start = url[scheme_end..authority_end].rfind('@').map_or(scheme_end, |at| scheme_end + at + 1);
    let server = url[host_start..authority_end].to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (cut, lose_answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_cut, lose) = (Arc::clone(&cut), Arc::clone(&lose_answers));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(relay(client, server, Arc::clone(&is_cut), Arc::clone(&lose)));
        }
    });
    let url = format!("{}127.0.0.1:{port}{}", &url[..host_start], &url[authority_end..]);
    Wire { url, cut, lose_answers }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, cut: Arc<AtomicBool>, lose: Arc<AtomicUsize>) {
    let (mut asked, mut told) = (vec![0; 65_536], vec![0; 65_536]);
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                if server.write_all(&asked[..length]).await.is_err() {
                    return;
                }
                let commits = asked[..length].windows(6).any(|window| window == b"COMMIT");
                let unheard = commits
                    && lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
                if unheard {
                    // The server has committed when it answers; nobody hears it.
                    let _ = server.read(&mut told).await;
                    return;
                }
            }
            read = server.read(&mut told) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&told[..length]).await.is_err() {
                    return;
                }
            }
            _ = tick.tick() => {}
        }
        if cut.load(Ordering::SeqCst) {
            return;
        }
    }
}
