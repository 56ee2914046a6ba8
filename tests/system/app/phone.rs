//! Calls as the dialplan makes them: authorise, then settle, with the arguments in their documented order.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use tollgate::clock::Clock as _;
use tollgate_agi::client::{Call, Outcome};

use super::TestApp;

/// A call to be authorised.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) endpoint: String,
    pub(crate) dialled: String,
    pub(crate) caller: String,
    pub(crate) server: String,
    pub(crate) source: String,
    pub(crate) leg: String,
    pub(crate) extras: String,
    pub(crate) unique_id: String,
}

impl Dial {
    /// `endpoint` dials `number`, on a channel of its own.
    pub(crate) fn new(endpoint: &str, number: &str) -> Self {
        static CHANNELS: AtomicU32 = AtomicU32::new(1);
        let channel = CHANNELS.fetch_add(1, Ordering::SeqCst);
        Self {
            endpoint: endpoint.to_owned(),
            dialled: number.to_owned(),
            caller: String::new(),
            server: "pbx1".to_owned(),
            source: "192.0.2.7:5060".to_owned(),
            leg: "1".to_owned(),
            extras: "sip_call_id=abc@192.0.2.7".to_owned(),
            unique_id: format!("pbx1-1700000000.{channel}"),
        }
    }

    /// The channel as Asterisk presents it.
    pub(crate) fn channel(&self) -> Call {
        let arguments = [
            &self.endpoint,
            &self.dialled,
            &self.caller,
            &self.server,
            &self.source,
            &self.leg,
            &self.extras,
        ];
        Call::new("agi://127.0.0.1:4573/authorize")
            .unique_id(&self.unique_id)
            .args(arguments.map(String::as_str))
    }

    /// Asks the server at `fastagi`.
    pub(crate) async fn ask(&self, fastagi: SocketAddr) -> Answer {
        Answer::of(self, &self.channel().run(fastagi).await.unwrap())
    }
}

/// What the dialplan has after authorise.
#[derive(Debug)]
pub(crate) enum Answer {
    Allowed(Box<Granted>),
    Refused {
        reason: String,
        cause: String,
    },
    /// No word at all: the dialplan refuses by itself.
    Nothing,
}

/// An allowed call.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) dial: Dial,
    pub(crate) limit_ms: u64,
    pub(crate) ring_s: u64,
    pub(crate) talk_ms: u64,
    pub(crate) routes: Vec<String>,
    pub(crate) callerid: String,
    pub(crate) ticket: String,
}

impl Answer {
    pub(crate) fn of(dial: &Dial, outcome: &Outcome) -> Self {
        let text = |name: &str| outcome.variable(name).unwrap_or_default().to_owned();
        match outcome.variable("TG_STATUS") {
            Some("DENY") => {
                assert_eq!(outcome.variable("TG_TOKEN"), None, "a refused call has no token");
                Self::Refused { reason: text("TG_REASON"), cause: text("TG_CAUSE") }
            }
            Some("ALLOW") => {
                assert_eq!(text("TG_TOKEN"), dial.unique_id, "the token is the channel's unique id");
                let last = outcome.transcript.commands().last().unwrap_or_default();
                assert!(last.starts_with("SET VARIABLE TG_TOKEN"), "the token comes last and alone: {last}");
                let routes = text("TG_ROUTES").parse::<usize>().unwrap();
                Self::Allowed(Box::new(Granted {
                    dial: dial.clone(),
                    limit_ms: text("TG_LIMIT_MS").parse().unwrap(),
                    ring_s: text("TG_RING_S").parse().unwrap(),
                    talk_ms: text("TG_TALK_S").replace('.', "").parse().unwrap(),
                    routes: (1..=routes).map(|n| text(&format!("TG_ROUTE_{n}"))).collect(),
                    callerid: text("TG_CALLERID"),
                    ticket: text("TG_TICKET"),
                }))
            }
            _ => {
                assert_eq!(outcome.variable("TG_TOKEN"), None, "no word, no token");
                Self::Nothing
            }
        }
    }

    pub(crate) fn allowed(self) -> Granted {
        match self {
            Self::Allowed(granted) => *granted,
            other => panic!("the call was not allowed: {other:?}"),
        }
    }

    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Refused { reason, .. } => reason,
            other => panic!("the call was not refused: {other:?}"),
        }
    }

    pub(crate) fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// How a call ended, as the hangup handler tells it.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) ticket: Option<String>,
    pub(crate) answered_ms: u64,
    pub(crate) status: &'static str,
    pub(crate) cause: &'static str,
    pub(crate) route: usize,
    pub(crate) attempts: String,
    pub(crate) extras: String,
}

/// These routes said that they cannot, as the dialplan notes it.
fn unavailable(routes: std::ops::Range<usize>) -> String {
    routes.map(|route| format!("{route}:CHANUNAVAIL:34:12;")).collect::<Vec<_>>().concat()
}

impl End {
    fn new(answered_ms: u64, status: &'static str, cause: &'static str, route: usize) -> Self {
        Self {
            ticket: None,
            answered_ms,
            status,
            cause,
            route,
            attempts: if route == 0 { String::new() } else { format!("{route}:{status}:{cause}:900;") },
            extras: "sip_call_id=abc@192.0.2.7;hung_up_by=caller;sip_code=200;pdd_ms=350".to_owned(),
        }
    }

    /// Answered over the first route.
    pub(crate) fn answered(ms: u64) -> Self {
        Self::new(ms, "ANSWER", "16", 1)
    }

    /// Answered over this route, after those before it said that they cannot.
    pub(crate) fn answered_by(route: usize, ms: u64) -> Self {
        let failed = unavailable(1..route);
        let mut end = Self::new(ms, "ANSWER", "16", route);
        end.attempts = format!("{failed}{}", end.attempts);
        end
    }

    pub(crate) fn busy() -> Self {
        Self::new(0, "BUSY", "17", 1)
    }

    pub(crate) fn no_answer() -> Self {
        Self::new(0, "NOANSWER", "19", 1)
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(0, "CANCEL", "16", 1)
    }

    /// Every route said that it cannot.
    pub(crate) fn failed(routes: usize) -> Self {
        let mut end = Self::new(0, "CHANUNAVAIL", "34", routes);
        end.attempts = unavailable(1..routes + 1);
        end
    }

    /// With a ticket of the test's own in place of the granted one; empty: none.
    pub(crate) fn with_ticket(mut self, ticket: &str) -> Self {
        self.ticket = Some(ticket.to_owned());
        self
    }

    /// The channel in its hangup handler, `now_us` being the time of the hangup.
    pub(crate) fn channel(&self, dial: &Dial, ticket: &str, now_us: i64) -> Call {
        let answered_at = if self.answered_ms == 0 {
            String::new()
        } else {
            (now_us - i64::try_from(self.answered_ms).unwrap() * 1_000).to_string()
        };
        let arguments = [
            self.ticket.as_deref().unwrap_or(ticket),
            &self.answered_ms.to_string(),
            self.status,
            self.cause,
            &self.route.to_string(),
            &dial.server,
            &dial.leg,
            &answered_at,
            &now_us.to_string(),
            &self.attempts,
            &self.extras,
        ];
        Call::new("agi://127.0.0.1:4573/settle").unique_id(&dial.unique_id).args(arguments).dead()
    }

    /// Tells the server at `fastagi`; whether it said that the charge is durable.
    pub(crate) async fn tell(&self, fastagi: SocketAddr, granted: &Granted, now_us: i64) -> bool {
        let outcome = self.channel(&granted.dial, &granted.ticket, now_us).run(fastagi).await.unwrap();
        outcome.variable("TG_SETTLED") == Some("1")
    }
}

impl TestApp {
    /// Authorises a call of `endpoint` to `number`.
    pub(crate) async fn dial(&self, endpoint: &str, number: &str) -> Answer {
        Dial::new(endpoint, number).ask(self.fastagi).await
    }

    /// The call ends now; whether the charge is durable.
    pub(crate) async fn end(&self, granted: &Granted, end: &End) -> bool {
        end.tell(self.fastagi, granted, self.clock.now().as_microsecond()).await
    }

    /// The call is talked on for `ms` and ends; returns when the charge is durable and calls are admitted again.
    pub(crate) async fn talk(&self, granted: &Granted, ms: u32) {
        self.clock.advance_ms(ms);
        assert!(self.end(granted, &End::answered(u64::from(ms))).await, "the call was not settled");
        self.until_admitting().await;
    }
}
