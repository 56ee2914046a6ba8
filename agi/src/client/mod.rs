//! Plays Asterisk: connects, says what call it has, and does what it is told.
//!
//! It behaves like Asterisk 22 in what a `FastAGI` server can see: the environment's lines and their order (what a
//! caller wrote goes out raw, newlines and all), how a command is split into words, what `MSet` does to its list,
//! what a channel that is hung up refuses, the bare `HANGUP` line. It reads one command at a time and answers it before
//! it looks at the next; a server that sends two at once is told so ([`ClientError::Pipelined`]), because Asterisk
//! would leave the second one lying.

mod channel;
mod words;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::Decoder;

pub use self::channel::split_assignments;
use self::channel::{Channel, State};
pub use self::words::words;
use crate::codec::{CodecError, LineCodec};
use crate::environment::Key;
use crate::transcript::{Speaker, Transcript};

/// The longest command Asterisk takes as one, in bytes (its buffer has 8,192, with the newline and the end).
pub const ASTERISK_LINE_BYTES: usize = 8_190;

/// A call as Asterisk would present it.
///
/// # Example
///
/// ```
/// use tollgate_agi::{client::Call, Key};
/// let call = Call::new("agi://127.0.0.1:4573/authorize")
///     .unique_id("pbx1-1700000000.1")
///     .with(Key::Extension, "4930123456")
///     .args(["alice", "4930123456", "", "pbx1", "192.0.2.7", "1"]);
/// assert!(call.environment_bytes().ends_with(b"agi_arg_6: 1\n\n"));
/// ```
#[derive(Debug, Clone)]
pub struct Call {
    fixed: [String; Key::ALL.len()],
    args: Vec<String>,
    channel: Channel,
    hang_up_after: Option<usize>,
    exit_on_hangup: bool,
    deadline: Duration,
    record: bool,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server closed it, its work done or not: Asterisk cannot tell and goes on with the dialplan.
    ServerClosed,
    /// Asterisk closed it, because the caller hung up and `AGIEXITONHANGUP` is set.
    HungUp,
    /// The deadline passed; Asterisk itself would wait on.
    Deadline,
}

/// What is left when a connection has ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    variables: HashMap<String, String>,
    /// What was said; empty if the call was told not to keep it.
    pub transcript: Transcript,
    /// Commands that were answered.
    pub commands: usize,
    /// Whether the caller hung up, or the server did so.
    pub hung_up: bool,
    /// How the connection ended.
    pub end: End,
}

impl Outcome {
    /// A variable of the channel; `None` if it is not set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The channel's variables, those it began with included, in no order.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Why a call could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or it failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server did not take the connection in time.
    #[error("no connection in time")]
    ConnectTimeout,
    /// A command Asterisk would split, running its tail as a second one.
    #[error("the server sent a command of more than {ASTERISK_LINE_BYTES} bytes")]
    CommandTooLong,
    /// A command that came before the reply to the one before it: Asterisk would leave it lying.
    #[error("the server sent a command before it had the reply to the one before")]
    Pipelined,
}

impl Call {
    /// A call whose dialplan asks `url` (`agi://host[:port]/script`), on a channel without variables.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let path =
            url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        let call = Self {
            fixed: [const { String::new() }; Key::ALL.len()],
            args: Vec::new(),
            channel: Channel::default(),
            hang_up_after: None,
            exit_on_hangup: false,
            deadline: Duration::from_secs(5),
            record: true,
        };
        [
            (Key::Network, "yes"),
            (Key::NetworkScript, path),
            (Key::Request, url),
            (Key::Channel, "PJSIP/alice-00000001"),
            (Key::Language, "en"),
            (Key::Type, "PJSIP"),
            (Key::UniqueId, "1700000000.1"),
            (Key::Version, "22.10.1"),
            (Key::CallerId, "unknown"),
            (Key::CallerIdName, "unknown"),
            (Key::CallingPres, "0"),
            (Key::CallingAni2, "0"),
            (Key::CallingTon, "0"),
            (Key::CallingTns, "0"),
            (Key::Dnid, "unknown"),
            (Key::Rdnis, "unknown"),
            (Key::Context, "tollgate"),
            (Key::Extension, "s"),
            (Key::Priority, "1"),
            (Key::Enhanced, "0.0"),
            (Key::AccountCode, ""),
            (Key::ThreadId, "140000000000000"),
        ]
        .into_iter()
        .fold(call, |call, (key, value)| call.with(key, value))
    }

    /// Sets a line of the environment. The value goes out as it is, as Asterisk does it: newlines forge lines.
    #[must_use]
    pub fn with(mut self, key: Key, value: &str) -> Self {
        value.clone_into(&mut self.fixed[key as usize]);
        self
    }

    /// Sets the unique id.
    #[must_use]
    pub fn unique_id(self, unique_id: &str) -> Self {
        self.with(Key::UniqueId, unique_id)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, value: &str) -> Self {
        self.args.push(value.to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(values.into_iter().map(str::to_owned));
        self
    }

    /// Gives the channel a variable from the start.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.channel.set(name, value);
        self
    }

    /// The channel was hung up before the request, as in a hangup handler: nothing announces it, and what a dead
    /// channel refuses is answered with 511.
    #[must_use]
    pub fn dead(mut self) -> Self {
        self.channel.state = State::Dead;
        self
    }

    /// The caller hangs up when so many commands have been answered.
    #[must_use]
    pub fn hang_up_after(mut self, commands: usize) -> Self {
        self.hang_up_after = Some(commands);
        self
    }

    /// `AGIEXITONHANGUP=yes`: after a hang-up Asterisk closes the connection.
    #[must_use]
    pub fn exit_on_hangup(mut self) -> Self {
        self.exit_on_hangup = true;
        self
    }

    /// How long to play at most, connecting included; 5 s by default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Keeps no transcript; for load.
    #[must_use]
    pub fn without_transcript(mut self) -> Self {
        self.record = false;
        self
    }

    /// The environment as it goes over the wire, blank line included.
    #[must_use]
    pub fn environment_bytes(&self) -> Vec<u8> {
        let mut text = String::with_capacity(1024);
        for (key, value) in Key::ALL.into_iter().zip(&self.fixed) {
            if key == Key::NetworkScript && value.is_empty() {
                continue;
            }
            let _ = writeln!(text, "{key}: {value}");
        }
        for (index, value) in self.args.iter().enumerate() {
            let _ = writeln!(text, "agi_arg_{}: {value}", index + 1);
        }
        text.push('\n');
        text.into_bytes()
    }

    /// Connects to `server` and plays the call.
    pub async fn run(&self, server: impl ToSocketAddrs) -> Result<Outcome, ClientError> {
        let until = Instant::now() + self.deadline;
        let stream = timeout_at(until, TcpStream::connect(server))
            .await
            .map_err(|_| ClientError::ConnectTimeout)??;
        stream.set_nodelay(true)?;
        self.play(stream, until).await
    }

    /// Plays the call on a connection that is there already.
    pub async fn run_on<S: AsyncRead + AsyncWrite + Unpin>(&self, io: S) -> Result<Outcome, ClientError> {
        self.play(io, Instant::now() + self.deadline).await
    }

    async fn play<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: S,
        until: Instant,
    ) -> Result<Outcome, ClientError> {
        let mut player = Player {
            io,
            codec: LineCodec::new(ASTERISK_LINE_BYTES),
            inbox: BytesMut::with_capacity(4 * 1024),
            channel: self.channel.clone(),
            transcript: self.record.then(Transcript::default),
            commands: 0,
        };
        let end = match timeout_at(until, player.run(self)).await {
            Ok(end) => end?,
            Err(_) => End::Deadline,
        };
        Ok(Outcome {
            hung_up: player.channel.state != State::Alive,
            variables: player.channel.into_variables(),
            transcript: player.transcript.unwrap_or_default(),
            commands: player.commands,
            end,
        })
    }
}

/// One connection being played.
struct Player<S> {
    io: S,
    codec: LineCodec,
    inbox: BytesMut,
    channel: Channel,
    transcript: Option<Transcript>,
    commands: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Player<S> {
    async fn run(&mut self, call: &Call) -> Result<End, ClientError> {
        if !self.say(&call.environment_bytes()).await? {
            return Ok(End::ServerClosed);
        }
        let mut answer = String::with_capacity(128);
        loop {
            if self.channel.state == State::Alive && call.hang_up_after == Some(self.commands) {
                self.channel.state = State::HangingUp;
            }
            if self.channel.state == State::HangingUp {
                self.channel.state = State::Dead;
                // With AGIEXITONHANGUP it says so once for the hang-up and once for the end.
                let said: &[u8] = if call.exit_on_hangup { b"HANGUP\nHANGUP\n" } else { b"HANGUP\n" };
                let heard = self.say(said).await?;
                if call.exit_on_hangup || !heard {
                    return Ok(if call.exit_on_hangup { End::HungUp } else { End::ServerClosed });
                }
            }
            let Some(line) = self.next_command().await? else { return Ok(End::ServerClosed) };
            let line = String::from_utf8_lossy(&line);
            if let Some(transcript) = &mut self.transcript {
                transcript.push(Speaker::Server, &*line);
            }
            answer.clear();
            self.channel.run(&line, &mut answer);
            if !self.say(answer.as_bytes()).await? {
                return Ok(End::ServerClosed);
            }
            self.commands += 1;
        }
    }

    /// The next command; `None` when the server has closed.
    async fn next_command(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.codec.decode(&mut self.inbox) {
                Ok(Some(_)) if !self.inbox.is_empty() => return Err(ClientError::Pipelined),
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) => {}
                Err(CodecError::LineTooLong { .. }) => return Err(ClientError::CommandTooLong),
                Err(error) => return Err(io::Error::other(error).into()),
            }
            match self.io.read_buf(&mut self.inbox).await {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if is_close(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says `bytes`; `false` if nobody listens any more.
    async fn say(&mut self, bytes: &[u8]) -> Result<bool, ClientError> {
        if let Some(transcript) = &mut self.transcript {
            for line in String::from_utf8_lossy(bytes).split_terminator('\n') {
                transcript.push(Speaker::Asterisk, line);
            }
        }
        match self.io.write_all(bytes).await {
            Ok(()) => Ok(true),
            Err(error) if is_close(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_close(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
    )
}
