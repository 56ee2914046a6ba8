//! systemd notifications: ready, alive, stopping. Without systemd nothing happens.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Reports ready, then "alive" at half the interval systemd asks for, until `stop`. A process whose runtime hangs
/// reports nothing any more and is ended by systemd: Asterisk would wait for it without limit.
pub async fn watchdog(stop: CancellationToken) {
    send("READY=1");
    let interval = std::env::var("WATCHDOG_USEC").ok().and_then(|us| us.parse().ok());
    let interval = interval.map_or(Duration::from_hours(1), |us: u64| Duration::from_micros(us / 2));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval.max(Duration::from_millis(100))) => {}
        }
        send("WATCHDOG=1");
    }
}

/// Reports that the process is stopping.
pub fn stopping() {
    send("STOPPING=1");
}

fn send(state: &str) {
    let Ok(socket) = std::env::var("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|datagram| match socket.strip_prefix('@') {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt as _;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            datagram.send_to_addr(state.as_bytes(), &address)
        }
        None => datagram.send_to(state.as_bytes(), &socket),
    });
    if let Err(error) = told {
        tracing::warn!(%error, "systemd could not be told {state}");
    }
}
