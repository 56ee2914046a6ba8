//! The server's side of one connection: read the environment, send commands, read their replies.
//!
//! # One command at a time
//!
//! A session never sends a command before it has the reply to the one before. Asterisk reads the socket through a
//! buffered stream and then waits on the socket itself: of three commands in one write it ran the first and let the
//! other two lie until more bytes came (observed on 22.10.1), with nothing in its log. So pipelining would save a
//! round trip and hang the call. What saves round trips is [`MSet`]: [`Session::set_variables`] packs all it can.
//!
//! # Hang-ups
//!
//! A bare `HANGUP` line may come at any time. It is remembered ([`Session::is_hung_up`]) and the session goes on:
//! variables can still be set and read. With `AGIEXITONHANGUP=yes` Asterisk closes the connection after it, and the
//! next command ends in [`SessionError::Closed`]. Whatever must be true before the last variable is set has to be
//! sent, and its reply awaited, before it; [`Session::set_variables`] stops at the first command that is not done.
//!
//! # Planted replies
//!
//! Text of a caller can end the environment early and leave lines behind that look like replies. No line but `HANGUP`
//! may lie in the socket when a command is about to be sent; anything else ends the session
//! ([`SessionError::Unsolicited`]).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::Decoder;

use crate::codec::{CodecError, LineCodec, MAX_LINE_BYTES};
use crate::command::{Command, EncodeError, MSet, PairError, Refusal, SetVariable};
use crate::environment::{Environment, EnvironmentError, EnvironmentParser};
use crate::reply::{Reply, ReplyError, ReplyParser, Said};

/// How long a session waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// From the start of the session to the end of the environment.
    pub environment: Duration,
    /// From one line of the environment to the next.
    pub line: Duration,
    /// From a command to its reply, sending included.
    pub reply: Duration,
    /// The whole session. It bounds every wait; it never cuts a handler off in the middle of its own work.
    pub session: Duration,
}

impl Default for SessionLimits {
    /// 1 s for the environment and 500 ms for a line of it (Asterisk writes it at once), 2 s for a reply (a loaded
    /// Asterisk), 10 s for everything (a settlement waits for the disk).
    fn default() -> Self {
        Self {
            environment: Duration::from_secs(1),
            line: Duration::from_millis(500),
            reply: Duration::from_secs(2),
            session: Duration::from_secs(10),
        }
    }
}

/// What a session was waiting for when its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The rest of the environment.
    Environment,
    /// The next line of the environment.
    Line,
    /// A reply.
    Reply,
    /// Anything: the session's own deadline passed.
    Session,
}

/// Why a session cannot go on, or a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The environment is refused.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A reply is none.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// A line is too long.
    #[error("a line of more than {limit} bytes")]
    LineTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Something lay in the socket that was no answer to anything.
    #[error("a reply to nothing: it was planted")]
    Unsolicited,
    /// The command cannot be written; nothing was sent and the session goes on.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Asterisk did not do what it was asked; the session goes on.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A deadline passed.
    #[error("nothing came in time (waited for: {0:?})")]
    TimedOut(Wait),
    /// Asterisk closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// An earlier command never got its reply; which reply belongs to what is no longer known.
    #[error("the session is out of step")]
    OutOfStep,
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<CodecError> for SessionError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::LineTooLong { limit } => Self::LineTooLong { limit },
            CodecError::Truncated => Self::Closed,
            CodecError::Encode(error) => Self::Encode(error),
            CodecError::Io(error) => Self::Io(error),
        }
    }
}

/// One request of Asterisk: its environment, and a channel to command.
#[derive(Debug)]
pub struct Session<S = TcpStream> {
    io: S,
    peer: SocketAddr,
    environment: Environment,
    codec: LineCodec,
    replies: ReplyParser,
    inbox: BytesMut,
    outbox: BytesMut,
    limits: SessionLimits,
    /// The session's own deadline.
    deadline: Instant,
    hung_up: bool,
    /// A command was sent whose reply has not been read. Stays set when its wait fails or is given up.
    out_of_step: bool,
}

/// What is read at a time. A usual environment has about 700 bytes.
const READ_BYTES: usize = 4 * 1024;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Reads the environment from a fresh connection.
    pub async fn open(mut io: S, peer: SocketAddr, limits: SessionLimits) -> Result<Self, SessionError> {
        let start = Instant::now();
        let deadline = start + limits.session;
        let whole = (start + limits.environment).min(deadline);
        let mut line = start + limits.line;
        let mut codec = LineCodec::new(MAX_LINE_BYTES);
        let mut parser = EnvironmentParser::new();
        let mut inbox = BytesMut::with_capacity(READ_BYTES);
        loop {
            // Lines are read where they lie: copying each out would cost more than parsing it.
            let (mut consumed, mut complete) = (0, None);
            while let Some(length) = codec.find(&inbox[consumed..])? {
                complete = parser.push(&inbox[consumed..consumed + length])?;
                consumed += length + 1;
                if complete.is_some() {
                    break;
                }
            }
            inbox.advance(consumed);
            if let Some(environment) = complete {
                return Ok(Self {
                    io,
                    peer,
                    environment,
                    codec,
                    replies: ReplyParser::default(),
                    inbox,
                    outbox: BytesMut::with_capacity(1024),
                    limits,
                    deadline,
                    hung_up: false,
                    out_of_step: false,
                });
            }
            if consumed > 0 {
                line = Instant::now() + limits.line;
            }
            let (until, wait) = if line < whole { (line, Wait::Line) } else { (whole, Wait::Environment) };
            fill(&mut io, &mut inbox, until, wait).await?;
        }
    }

    /// What Asterisk said of the call.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The connection itself, to look at.
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// Where the connection comes from.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether Asterisk said that the caller hung up. A channel that was hung up before the request is not announced.
    pub fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    /// Sends one command and reads its reply.
    ///
    /// After [`SessionError::Refused`] and [`SessionError::Encode`] the session goes on, after any other error it is
    /// of no further use. A `send` that is dropped before it is done leaves the session out of step.
    pub async fn send<C: Command + ?Sized>(&mut self, command: &C) -> Result<C::Answer, SessionError> {
        let reply = self.exchange(command).await?;
        Ok(command.parse(reply)?)
    }

    /// Sends commands one after the other, each after the reply to the one before, and stops at the first that is
    /// not done.
    pub async fn send_all(&mut self, commands: &[&dyn SettingCommand]) -> Result<(), SessionError> {
        for command in commands {
            self.send(*command).await?;
        }
        Ok(())
    }

    /// Sets variables with as few commands as there can be: what [`MSet`] takes goes by it, the rest by
    /// [`SetVariable`]; the order between the two is not kept. Stops at the first command that is not done.
    pub async fn set_variables<N, V>(&mut self, pairs: &[(N, V)]) -> Result<(), SessionError>
    where
        N: AsRef<str> + Sync,
        V: AsRef<str> + Sync,
    {
        let mut set = MSet::new();
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            match set.push(name, value) {
                Ok(()) => continue,
                Err(PairError::Full) if !set.is_empty() => {
                    self.send(&set).await?;
                    set.clear();
                    if set.push(name, value).is_ok() {
                        continue;
                    }
                }
                Err(_) => {}
            }
            self.send(&SetVariable { name, value }).await?;
        }
        if set.is_empty() { Ok(()) } else { self.send(&set).await }
    }

    /// Ends the session; an error if Asterisk said something that was no answer to anything.
    pub async fn finish(mut self) -> Result<(), SessionError> {
        match self.refuse_unsolicited().await {
            Err(SessionError::Closed) => Ok(()),
            other => other,
        }
    }

    async fn exchange<C: Command + ?Sized>(&mut self, command: &C) -> Result<Reply, SessionError> {
        if self.out_of_step {
            return Err(SessionError::OutOfStep);
        }
        self.outbox.clear();
        command.encode(&mut self.outbox)?;
        self.out_of_step = true;
        self.refuse_unsolicited().await?;
        let (until, wait) = self.reply_deadline();
        match timeout_at(until, self.io.write_all(&self.outbox)).await {
            Err(_) => return Err(SessionError::TimedOut(wait)),
            Ok(Err(error)) => return Err(closed_or(error)),
            Ok(Ok(())) => {}
        }
        loop {
            while let Some(line) = self.codec.decode(&mut self.inbox)? {
                match self.replies.push(line)? {
                    Some(Said::Reply(reply)) => {
                        self.out_of_step = false;
                        return Ok(reply);
                    }
                    Some(Said::Hangup) => self.hung_up = true,
                    Some(Said::Trying) | None => {}
                }
            }
            fill(&mut self.io, &mut self.inbox, until, wait).await?;
        }
    }

    fn reply_deadline(&self) -> (Instant, Wait) {
        let reply = Instant::now() + self.limits.reply;
        if reply < self.deadline { (reply, Wait::Reply) } else { (self.deadline, Wait::Session) }
    }

    /// Takes what has come without being asked for: `HANGUP` lines, and nothing else.
    async fn refuse_unsolicited(&mut self) -> Result<(), SessionError> {
        let closed = self.read_what_is_there().await?;
        while let Some(line) = self.codec.decode(&mut self.inbox)? {
            if line != HANGUP[..HANGUP.len() - 1] {
                return Err(SessionError::Unsolicited);
            }
            self.hung_up = true;
        }
        // The beginning of a HANGUP may be cut off here; its end is read with the next reply.
        if !HANGUP.starts_with(&self.inbox) {
            return Err(SessionError::Unsolicited);
        }
        if closed { Err(SessionError::Closed) } else { Ok(()) }
    }

    /// Reads without waiting; whether the other side has closed.
    async fn read_what_is_there(&mut self) -> Result<bool, SessionError> {
        let mut space = [0; 256];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            let read = poll_fn(|context| {
                Poll::Ready(match Pin::new(&mut self.io).poll_read(context, &mut buffer) {
                    Poll::Ready(result) => Some(result),
                    Poll::Pending => None,
                })
            });
            match read.await {
                None => return Ok(false),
                Some(Err(error)) => return Err(closed_or(error)),
                Some(Ok(())) if buffer.filled().is_empty() => return Ok(true),
                Some(Ok(())) => self.inbox.extend_from_slice(buffer.filled()),
            }
            // More than a few HANGUP lines are none.
            if self.inbox.len() > space.len() {
                return Err(SessionError::Unsolicited);
            }
        }
    }
}

const HANGUP: &[u8] = b"HANGUP\n";

/// A command whose reply only says that it was done.
pub trait SettingCommand: Command<Answer = ()> + Sync {}

impl<C: Command<Answer = ()> + Sync> SettingCommand for C {}

/// Reads at least one byte more.
async fn fill<S: AsyncRead + Unpin>(
    io: &mut S,
    inbox: &mut BytesMut,
    until: Instant,
    wait: Wait,
) -> Result<(), SessionError> {
    inbox.reserve(READ_BYTES / 4);
    match timeout_at(until, io.read_buf(inbox)).await {
        Err(_) => Err(SessionError::TimedOut(wait)),
        Ok(Ok(0)) => Err(SessionError::Closed),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(closed_or(error)),
    }
}

/// A reset is a close that was in a hurry.
fn closed_or(error: io::Error) -> SessionError {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            SessionError::Closed
        }
        _ => SessionError::Io(error),
    }
}
