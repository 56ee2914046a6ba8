//! A manager interface that does as it is told: for faults that a real Asterisk will not show.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub(crate) const SYSTEM_NAME: &str = "pbx1";
pub(crate) const USER: &str = "tollgate";
pub(crate) const SECRET: &str = "a secret that nobody is shown";
const CHALLENGE: &str = "107477869";

/// An action as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) action: String,
    pub(crate) id: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// `Response: Success` to it, with these lines.
    pub(crate) fn success(&self, lines: &str) -> String {
        format!("Response: Success\r\nActionID: {}\r\n{}\r\n", self.id, crlf(lines))
    }

    /// `Response: Error` to it.
    pub(crate) fn error(&self, message: &str) -> String {
        format!("Response: Error\r\nActionID: {}\r\nMessage: {message}\r\n\r\n", self.id)
    }

    /// A whole list of items, each given by its lines.
    pub(crate) fn list(&self, event: &str, items: &[String]) -> String {
        let mut text = self.success("EventList: start\n");
        for item in items {
            text.push_str(&format!("Event: {event}\r\nActionID: {}\r\n{}\r\n", self.id, crlf(item)));
        }
        text + &self.end_of_list(event, items.len())
    }

    pub(crate) fn end_of_list(&self, event: &str, items: usize) -> String {
        format!(
            "Event: {event}Complete\r\nActionID: {}\r\nEventList: Complete\r\nListItems: {items}\r\n\r\n",
            self.id
        )
    }
}

fn crlf(lines: &str) -> String {
    lines.trim_end().replace('\n', "\r\n") + "\r\n"
}

/// What is answered instead of the usual; `None`: the usual. An empty text is no answer.
type Answers = dyn Fn(&Asked) -> Option<String> + Send + Sync;

/// How it behaves. What is not changed is as a well-behaved Asterisk does it.
pub(crate) struct Behaviour {
    pub(crate) banner: &'static str,
    pub(crate) system_name: &'static str,
    /// Whether it has finished starting when somebody logs in.
    pub(crate) booted: bool,
    pub(crate) answers: Box<Answers>,
    pub(crate) tls: Option<TlsAcceptor>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            banner: "Asterisk Call Manager/11.0.0",
            system_name: SYSTEM_NAME,
            booted: true,
            answers: Box::new(|_| None),
            tls: None,
        }
    }
}

impl Behaviour {
    /// Answers some actions in its own way.
    pub(crate) fn answering(answers: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { answers: Box::new(answers), ..Self::default() }
    }
}

struct Inside {
    behaviour: Behaviour,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    says: broadcast::Sender<Said>,
    is_mute: watch::Sender<bool>,
}

#[derive(Clone)]
enum Said {
    /// To everybody who is connected.
    Text(String),
    /// The connections break.
    Cut,
}

/// The server; it ends with its handle.
pub(crate) struct FakeAsterisk {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
    accepting: JoinHandle<()>,
}

impl Drop for FakeAsterisk {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl FakeAsterisk {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour).await
    }

    /// On an address where another one was.
    pub(crate) async fn start_on(address: SocketAddr, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Arc::new(Inside {
            behaviour,
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            says: broadcast::channel(1_024).0,
            is_mute: watch::channel(false).0,
        });
        let shared = Arc::clone(&inside);
        let accepting = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let inside = Arc::clone(&shared);
                // Subscribed before anything can be said to it.
                let says = inside.says.subscribe();
                tokio::spawn(async move {
                    match inside.behaviour.tls.clone() {
                        None => serve(tcp, says, &inside).await,
                        Some(acceptor) => {
                            if let Ok(tls) = acceptor.accept(tcp).await {
                                serve(tls, says, &inside).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, inside, accepting }
    }

    /// Says this on every connection, byte by byte as it is.
    pub(crate) fn say(&self, text: impl Into<String>) {
        let _ = self.inside.says.send(Said::Text(text.into()));
    }

    /// Says one block, given by its lines.
    pub(crate) fn say_block(&self, lines: &str) {
        self.say(crlf(lines) + "\r\n");
    }

    /// Breaks every connection.
    pub(crate) fn cut(&self) {
        let _ = self.inside.says.send(Said::Cut);
    }

    /// From now on it takes everything in and says nothing, as behind a line that was cut without a word.
    pub(crate) fn fall_silent(&self, is_mute: bool) {
        self.inside.is_mute.send_replace(is_mute);
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.inside.connections.load(Ordering::SeqCst)
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inside.asked.lock().unwrap().clone()
    }

    /// The names of the actions that were asked so far.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.action).collect()
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite, mut says: broadcast::Receiver<Said>, inside: &Inside) {
    let (read, mut write) = tokio::io::split(Box::pin(stream));
    let mut lines = BufReader::new(read).lines();
    if write.write_all(format!("{}\r\n", inside.behaviour.banner).as_bytes()).await.is_err() {
        return;
    }
    let mut asked = Asked::default();
    loop {
        let text = tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) if line.is_empty() => {
                    let asked = std::mem::take(&mut asked);
                    inside.asked.lock().unwrap().push(asked.clone());
                    (inside.behaviour.answers)(&asked).unwrap_or_else(|| usual(&asked, &inside.behaviour))
                }
                Ok(Some(line)) => {
                    let (name, value) = line.split_once(": ").unwrap();
                    match name {
                        "Action" => value.clone_into(&mut asked.action),
                        "ActionID" => value.clone_into(&mut asked.id),
                        _ => asked.fields.push((name.to_owned(), value.to_owned())),
                    }
                    continue;
                }
                Ok(None) | Err(_) => return,
            },
            said = says.recv() => match said {
                Ok(Said::Text(text)) => text,
                Ok(Said::Cut) | Err(_) => return,
            },
        };
        let is_mute = *inside.is_mute.borrow();
        if !is_mute && write.write_all(text.as_bytes()).await.and(write.flush().await).is_err() {
            return;
        }
        if text.starts_with("Response: Goodbye") {
            return;
        }
    }
}

fn usual(asked: &Asked, behaviour: &Behaviour) -> String {
    match asked.action.as_str() {
        "Challenge" => asked.success(&format!("Challenge: {CHALLENGE}\n")),
        "Login" if asked.get("Key") == key() && asked.get("Username") == USER => {
            let booted =
                "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 61\r\nStatus: Fully Booted\r\n\r\n";
            asked.success("Message: Authentication accepted\n") + if behaviour.booted { booted } else { "" }
        }
        "Login" => asked.error("Authentication failed"),
        "Logoff" => format!("Response: Goodbye\r\nActionID: {}\r\n\r\n", asked.id),
        "Ping" => asked.success("Ping: Pong\n"),
        "Filter" | "Events" | "Hangup" => asked.success("Message: Success\n"),
        "CoreSettings" => asked.success(&format!(
            "AMIversion: 11.0.0\nAsteriskVersion: 22.10.1\nSystemName: {}\n",
            behaviour.system_name
        )),
        "CoreStatus" => asked.success("CoreStartupDate: 2026-11-25\nCoreStartupTime: 22:58:57\n"),
        "CoreShowChannels" => asked.list("CoreShowChannel", &[]),
        other => asked.error(&format!("Invalid/unknown command: {other}.")),
    }
}

fn key() -> String {
    use md5::Digest as _;
    let digest = md5::Md5::digest(format!("{CHALLENGE}{SECRET}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
