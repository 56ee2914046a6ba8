//! A bound session: messages go out, answers and receipts come in, until it is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rusmpp::{CommandStatus, Pdu};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::pdu::{self, Frame};
use super::receipt::{self, Delivered};
use super::settings::Settings;
use super::submission::{Outcome, Submission};
use crate::dial::Stream;
use crate::messaging::connector::{Receipt, Receipts};

/// Receipts that are being written at once; while there are as many nothing more is read.
const MAX_RECEIPTS: usize = 64;
/// The most unwritten octets; beyond them nothing is read, so that a peer that does not read its answers waits.
const MAX_UNWRITTEN: usize = 256 * 1_024;
/// Deadlines are looked at this often.
const TICK: Duration = Duration::from_millis(100);
/// How long answers and receipts that are under way are waited for at the end.
const GRACE: Duration = Duration::from_secs(5);
/// A session that held for so long was a good one.
const STEADY: Duration = Duration::from_secs(5);

/// Why a session ended.
pub(super) enum Ended {
    /// It was lost.
    Lost {
        reason: String,
        /// True if it had held for a while.
        was_steady: bool,
    },
    /// The connector is closed.
    Stopped,
}

/// A message that was written, or is about to be.
struct Pending {
    submission: Submission,
    deadline: Instant,
    /// How many octets had been queued before it.
    begins_at: u64,
}

/// The sequence number of a receipt, and whether it was recorded, so that it is acknowledged.
type Kept = (u32, bool);

/// A bound session.
pub(super) struct Session {
    settings: Arc<Settings>,
    receipts: Arc<dyn Receipts>,
    reader: FramedRead<ReadHalf<Box<dyn Stream>>, LengthDelimitedCodec>,
    writer: WriteHalf<Box<dyn Stream>>,
    unwritten: BytesMut,
    /// Octets that were ever queued; all but those in `unwritten` are written.
    queued: u64,
    is_flushed: bool,
    last_sequence: u32,
    pending: HashMap<u32, Pending>,
    keeping: FuturesUnordered<BoxFuture<'static, Kept>>,
    began: Instant,
    heard: Instant,
    /// When it was asked whether it is there, since it was heard last.
    asked: Option<Instant>,
    warned: bool,
}

impl Session {
    /// Binds, on a new connection.
    pub(super) async fn bind(
        stream: Box<dyn Stream>,
        settings: Arc<Settings>,
        receipts: Arc<dyn Receipts>,
    ) -> Result<Self, Failure> {
        let (read, writer) = tokio::io::split(stream);
        let codec = LengthDelimitedCodec::builder()
            .length_field_offset(0)
            .length_field_length(4)
            .length_adjustment(0)
            .num_skip(0)
            .max_frame_length(pdu::MAX_PDU)
            .new_codec();
        let now = Instant::now();
        let mut session = Self {
            settings,
            receipts,
            reader: FramedRead::new(read, codec),
            writer,
            unwritten: BytesMut::new(),
            queued: 0,
            is_flushed: true,
            last_sequence: 0,
            pending: HashMap::new(),
            keeping: FuturesUnordered::new(),
            began: now,
            heard: now,
            asked: None,
            warned: false,
        };
        let answer = session.settings.timing.answer;
        let bound = timeout(answer, session.send_bind()).await;
        bound.unwrap_or_else(|_| Err(Failure::NoAnswer("the bind is not answered".to_owned())))?;
        session.began = Instant::now();
        Ok(session)
    }

    async fn send_bind(&mut self) -> Result<(), Failure> {
        let lost = |reason: String| Failure::NoAnswer(format!("before the bind was answered: {reason}"));
        let bind = pdu::bind(&self.settings)
            .ok_or_else(|| lost("system_id, password or system_type cannot be written".to_owned()))?;
        let sequence = self.next_sequence();
        self.queue(CommandStatus::EsmeRok, sequence, bind);
        self.write().await.map_err(|error| lost(error.to_string()))?;
        loop {
            let frame = self.read().await.map_err(lost)?;
            if frame.sequence != sequence
                || !matches!(frame.id, pdu::BIND_TRANSCEIVER_RESP | pdu::GENERIC_NACK)
            {
                continue;
            }
            if frame.status == 0 && frame.id == pdu::BIND_TRANSCEIVER_RESP {
                return Ok(());
            }
            let (reason, is_passing) = (pdu::status_name(frame.status), pdu::is_passing(frame.status));
            return Err(Failure::Refused { reason, is_passing });
        }
    }

    /// Serves the connector until the session ends; then resolves all waiting submissions.
    pub(super) async fn serve(
        &mut self,
        queue: &mut mpsc::Receiver<Submission>,
        stop: &CancellationToken,
    ) -> Ended {
        let ended = self.serve_until_lost(queue, stop).await;
        let reason = match &ended {
            Ok(()) => "the service stops",
            Err(reason) => reason.as_str(),
        };
        let written = self.queued.saturating_sub(self.unwritten.len() as u64);
        for (_, pending) in self.pending.drain() {
            let lost = format!("the connection ended before the provider answered: {reason}");
            // Of what was only queued the provider has no octet.
            let is_begun = pending.begins_at < written;
            pending.submission.resolve(if is_begun {
                Outcome::Lost(lost)
            } else {
                Outcome::NotWritten(lost)
            });
        }
        match ended {
            Ok(()) => Ended::Stopped,
            Err(reason) => Ended::Lost { reason, was_steady: self.began.elapsed() >= STEADY },
        }
    }

    async fn serve_until_lost(
        &mut self,
        queue: &mut mpsc::Receiver<Submission>,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let may_read = self.may_read();
            tokio::select! {
                () = stop.cancelled() => return self.say_goodbye().await,
                submission = queue.recv() => match submission {
                    Some(submission) => self.submit(submission),
                    None => return self.say_goodbye().await,
                },
                _ = ticks.tick() => self.look_at_the_time()?,
                done = Self::step(&mut self.reader, &mut self.writer, &mut self.unwritten, &mut self.keeping, may_read, !self.is_flushed) => self.take(done)?,
            }
        }
    }

    /// Lets answers and receipts that are under way come to their end, then unbinds.
    async fn say_goodbye(&mut self) -> Result<(), String> {
        let ending = async {
            while !self.pending.is_empty() || !self.keeping.is_empty() {
                let may_read = self.may_read();
                let done = Self::step(
                    &mut self.reader,
                    &mut self.writer,
                    &mut self.unwritten,
                    &mut self.keeping,
                    may_read,
                    !self.is_flushed,
                )
                .await;
                self.take(done)?;
            }
            Ok::<(), String>(())
        };
        // Submissions without an answer by then get an unknown outcome.
        let _ = timeout(GRACE, ending).await;
        let sequence = self.next_sequence();
        self.queue(CommandStatus::EsmeRok, sequence, Pdu::Unbind);
        let leaving = async {
            self.write().await.map_err(|error| error.to_string())?;
            while self.read().await?.id != pdu::UNBIND_RESP {}
            Ok::<(), String>(())
        };
        let _ = timeout(Duration::from_secs(2), leaving).await;
        Ok(())
    }

    fn may_read(&self) -> bool {
        self.keeping.len() < MAX_RECEIPTS && self.unwritten.len() < MAX_UNWRITTEN
    }

    /// Waits for the next thing to happen on the connection. May be dropped while it waits: nothing is lost.
    async fn step(
        reader: &mut FramedRead<ReadHalf<Box<dyn Stream>>, LengthDelimitedCodec>,
        writer: &mut WriteHalf<Box<dyn Stream>>,
        unwritten: &mut BytesMut,
        keeping: &mut FuturesUnordered<BoxFuture<'static, Kept>>,
        may_read: bool,
        has_work: bool,
    ) -> Done {
        tokio::select! {
            frame = reader.next(), if may_read => Done::Read(frame),
            written = write_out(writer, unwritten), if has_work => Done::Written(written),
            Some(kept) = keeping.next(), if !keeping.is_empty() => Done::Kept(kept),
            // The tick goes on where nothing else can.
            else => std::future::pending().await,
        }
    }

    fn take(&mut self, done: Done) -> Result<(), String> {
        match done {
            Done::Read(frame) => {
                let frame = whole(frame)?;
                self.heard = Instant::now();
                self.asked = None;
                self.take_frame(frame)
            }
            Done::Written(written) => {
                written.map_err(|error| format!("the connection broke: {error}"))?;
                self.is_flushed = true;
                Ok(())
            }
            Done::Kept((sequence, is_kept)) => {
                // Told again by the SMSC where it was not kept.
                let status = if is_kept { CommandStatus::EsmeRok } else { CommandStatus::EsmeRxTAppn };
                self.queue(status, sequence, pdu::deliver_sm_resp());
                Ok(())
            }
        }
    }

    fn take_frame(&mut self, frame: Frame) -> Result<(), String> {
        let sequence = frame.sequence;
        match frame.id {
            pdu::SUBMIT_SM_RESP | pdu::GENERIC_NACK => {
                // An answer that is late, or to no submission of ours, is ignored.
                if let Some(pending) = self.pending.remove(&sequence) {
                    // A refusal of the PDU as such has a status always; without one it is no answer.
                    let outcome = if frame.id == pdu::GENERIC_NACK && frame.status == 0 {
                        Outcome::Lost("the provider's answer cannot be understood".to_owned())
                    } else {
                        Outcome::Answered { status: frame.status, message_id: frame.message_id() }
                    };
                    pending.submission.resolve(outcome);
                }
            }
            pdu::DELIVER_SM => self.take_delivered(frame),
            pdu::ENQUIRE_LINK => self.queue(CommandStatus::EsmeRok, sequence, Pdu::EnquireLinkResp),
            pdu::UNBIND => {
                self.queue(CommandStatus::EsmeRok, sequence, Pdu::UnbindResp);
                // Best effort: the connection ends whether or not it is written.
                let _ = futures::FutureExt::now_or_never(self.write());
                return Err("the provider unbound".to_owned());
            }
            _ if frame.is_response() => {}
            _ => {
                self.warn("it sent a command that is not known here");
                self.queue(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack);
            }
        }
        Ok(())
    }

    fn take_delivered(&mut self, frame: Frame) {
        let sequence = frame.sequence;
        let Some(Pdu::DeliverSm(delivered)) = frame.pdu() else {
            // Acknowledged, so that it is not repeated: it would be as unreadable the next time.
            self.warn("it delivered something that cannot be read");
            self.queue(CommandStatus::EsmeRxRAppn, sequence, pdu::deliver_sm_resp());
            return;
        };
        match receipt::read(&delivered, &self.settings.zone) {
            Delivered::Receipt(receipt) => {
                self.keeping.push(keep(
                    Arc::clone(&self.receipts),
                    self.settings.name.clone(),
                    sequence,
                    receipt,
                ));
            }
            Delivered::Unreadable => {
                self.warn("it delivered a receipt that does not say of what");
                self.queue(CommandStatus::EsmeRok, sequence, pdu::deliver_sm_resp());
            }
            Delivered::Message => {
                tracing::info!(provider = %self.settings.name, "incoming message dropped: not supported");
                self.queue(CommandStatus::EsmeRok, sequence, pdu::deliver_sm_resp());
            }
        }
    }

    /// Logs a violation of the protocol, once in a session.
    fn warn(&mut self, what: &str) {
        if !self.warned {
            self.warned = true;
            tracing::warn!(provider = %self.settings.name, violation = %what, "SMPP protocol violation");
        }
    }

    fn submit(&mut self, submission: Submission) {
        if submission.outcome.is_closed() {
            return;
        }
        let sequence = self.next_sequence();
        let begins_at = self.queued;
        self.queue(CommandStatus::EsmeRok, sequence, submission.pdu.clone());
        let deadline = Instant::now() + self.settings.timing.answer;
        self.pending.insert(sequence, Pending { submission, deadline, begins_at });
    }

    /// Ends what is late, and asks an SMSC that is silent whether it is there.
    fn look_at_the_time(&mut self) -> Result<(), String> {
        let now = Instant::now();
        for (_, late) in self.pending.extract_if(|_, pending| pending.deadline <= now) {
            late.submission.resolve(Outcome::Lost("the provider did not answer in time".to_owned()));
        }
        match self.asked {
            Some(asked) if now >= asked + self.settings.timing.answer => {
                Err("it is silent: it does not answer whether it is there".to_owned())
            }
            None if now >= self.heard + self.settings.timing.quiet => {
                let sequence = self.next_sequence();
                self.queue(CommandStatus::EsmeRok, sequence, Pdu::EnquireLink);
                self.asked = Some(now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    const fn next_sequence(&mut self) -> u32 {
        // 1 to 0x7FFFFFFF.
        self.last_sequence = self.last_sequence % 0x7fff_ffff + 1;
        self.last_sequence
    }

    fn queue(&mut self, status: CommandStatus, sequence: u32, pdu: impl Into<Pdu>) {
        let before = self.unwritten.len();
        pdu::write(&mut self.unwritten, status, sequence, pdu);
        self.queued += (self.unwritten.len() - before) as u64;
        self.is_flushed = false;
    }

    async fn write(&mut self) -> std::io::Result<()> {
        write_out(&mut self.writer, &mut self.unwritten).await?;
        self.is_flushed = true;
        Ok(())
    }

    async fn read(&mut self) -> Result<Frame, String> {
        whole(self.reader.next().await)
    }
}

/// An event of the connection.
enum Done {
    Read(Option<std::io::Result<BytesMut>>),
    Written(std::io::Result<()>),
    Kept(Kept),
}

/// Writes what waits. May be dropped while it waits: what was not written is written the next time.
async fn write_out(writer: &mut WriteHalf<Box<dyn Stream>>, unwritten: &mut BytesMut) -> std::io::Result<()> {
    while unwritten.has_remaining() {
        if writer.write_buf(unwritten).await? == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
    }
    writer.flush().await
}

fn whole(read: Option<std::io::Result<BytesMut>>) -> Result<Frame, String> {
    let pdu = match read {
        Some(Ok(pdu)) => pdu,
        Some(Err(error)) => return Err(format!("the connection broke: {error}")),
        None => return Err("the provider closed the connection".to_owned()),
    };
    Frame::new(pdu).ok_or_else(|| "it sent something shorter than a header".to_owned())
}

fn keep(
    receipts: Arc<dyn Receipts>,
    provider: String,
    sequence: u32,
    receipt: Receipt,
) -> BoxFuture<'static, Kept> {
    Box::pin(async move {
        let kept = receipts.record(&provider, receipt).await;
        if let Err(error) = &kept {
            tracing::warn!(provider = %provider, "{error}; the provider is asked to tell it again");
        }
        (sequence, kept.is_ok())
    })
}
