//! The manager link with a server that does not behave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tollgate::ami::examine::{Examined, examine};
use tollgate::ami::{Action, AmiError, Event, LinkEvent, LinkState, Timing};
use tollgate::clock::SystemClock;

use crate::ami_link::{PATIENCE, linked, reason_with, settings, start, wait_until_up};
use crate::app::asterisk::{Asked, Behaviour, FakeAsterisk, SECRET};

fn is_incomplete<T>(answer: &Result<T, AmiError>) -> bool {
    matches!(answer, Err(AmiError::Incomplete { .. }))
}

#[tokio::test]
async fn a_changed_banner_is_taken_and_another_protocol_is_left_alone() {
    let changed = Behaviour { banner: "Asterisk Call Manager/99.0-rc1", ..Behaviour::default() };
    let (_server, _link) = linked(changed).await;

    let other = Behaviour { banner: "SSH-2.0-OpenSSH_9.2", ..Behaviour::default() };
    let server = FakeAsterisk::start(other).await;
    let link = start(settings(&server));
    reason_with(&link, "no manager interface").await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(server.connections(), 1, "it is not tried again soon");
    assert!(server.asked().is_empty(), "nothing is said to a stranger");
}

#[tokio::test]
async fn a_refused_login_is_not_tried_again_soon_and_says_no_secret() {
    let server = FakeAsterisk::start(Behaviour::answering(|asked| {
        (asked.action == "Login").then(|| asked.error("Authentication failed"))
    }))
    .await;
    let link = start(settings(&server));
    let reason = reason_with(&link, "Login is refused").await;
    assert!(reason.contains("Authentication failed") && !reason.contains(SECRET), "{reason}");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.connections(), 1);
    assert!(matches!(link.ping().await, Err(AmiError::Away { .. })));
    assert_eq!(link.heard_ms(), 0, "a server that does not let us in proves nothing");
}

#[tokio::test]
async fn a_server_with_another_name_is_not_talked_to() {
    let server = FakeAsterisk::start(Behaviour { system_name: "pbx2", ..Behaviour::default() }).await;
    let link = start(settings(&server));
    let reason = reason_with(&link, "calls itself").await;
    assert!(reason.contains("pbx1") && reason.contains("pbx2"), "{reason}");
    assert_eq!(link.heard_ms(), 0);
}

#[tokio::test]
async fn a_user_who_may_not_set_filters_does_not_get_the_flood() {
    let server = FakeAsterisk::start(Behaviour::answering(|asked| {
        (asked.action == "Filter").then(|| asked.error("Permission denied"))
    }))
    .await;
    let link = start(settings(&server));
    reason_with(&link, "Filter is refused").await;
    assert!(!server.actions().contains(&"Events".to_owned()));
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = FakeAsterisk::start(Behaviour::default()).await;
    let mut silent = settings(&server);
    silent.port = listener.local_addr().unwrap().port();
    silent.timing = Timing { login: Duration::from_millis(300), ..silent.timing };
    let link = start(silent);
    reason_with(&link, "silent").await;
}

#[tokio::test]
async fn a_line_that_went_dead_without_a_word_is_noticed() {
    let (server, link) = linked(Behaviour::default()).await;
    // While it is well the last proof of life is never old, though nobody asks anything.
    let before = link.heard_ms();
    sleep(Duration::from_secs(1)).await;
    assert!(link.heard_ms() >= before + 400, "{before}, {}", link.heard_ms());
    let fell_silent = Instant::now();
    server.fall_silent(true);
    let asked = link.clone();
    let asked = tokio::spawn(async move { asked.ping().await });
    reason_with(&link, "it answers no ping").await;
    // Three times 400 ms of silence, and what an answer that was under way may add.
    let took = fell_silent.elapsed();
    assert!(took > Duration::from_millis(750) && took < Duration::from_secs(5), "{took:?}");
    let heard = link.heard_ms();
    assert!(matches!(asked.await.unwrap(), Err(AmiError::Unanswered { .. })));
    server.fall_silent(false);
    wait_until_up(&link).await;
    assert_eq!(link.heard_before_ms(), heard, "the last proof of life is from before the silence");
}

#[tokio::test]
async fn a_list_that_is_cut_short_is_an_error_however_it_is_cut() {
    let round = AtomicUsize::new(0);
    let (server, link) = linked(Behaviour::answering(move |asked| {
        if asked.action != "DBGetTree" {
            return None;
        }
        let item = |key: &str| format!("Key: /f/{key}\nVal: 1\n");
        let whole = asked.list("DBGetTreeResponse", &[item("a"), item("b")]);
        Some(match round.fetch_add(1, Ordering::SeqCst) {
            // An item is missing.
            0 => asked.list("DBGetTreeResponse", &[item("a")]).replace("ListItems: 1", "ListItems: 2"),
            // Its end is missing.
            1 => whole.split("Event: DBGetTreeResponseComplete").next().unwrap().to_owned(),
            // It is cancelled.
            2 => whole.replace("EventList: Complete", "EventList: cancelled"),
            // Somebody else's block stands in it.
            3 => whole.replacen(
                "Event: DBGetTreeResponse\r\n",
                "Event: Hangup\r\nUniqueid: 1\r\n\r\nEvent: DBGetTreeResponse\r\n",
                1,
            ),
            // An item says two things.
            4 => whole.replacen("Val: 1", "Val: 1\r\nVal: 2", 1),
            // A block in it is too large.
            5 => whole.replacen("Val: 1", &format!("Val: {}", "x".repeat(70_000)), 1),
            _ => whole,
        })
    }))
    .await;
    for round in 0..6 {
        let answer = link.db_get_tree("f").await;
        let unanswered = matches!(answer, Err(AmiError::Unanswered { .. }));
        assert!(if round == 1 { unanswered } else { is_incomplete(&answer) }, "{round}: {answer:?}");
    }
    let whole = link.db_get_tree("f").await.unwrap();
    assert_eq!(whole.len(), 2);
    assert_eq!(server.connections(), 1, "the link has held");
}

#[tokio::test]
async fn an_error_that_does_not_say_whose_it_is_is_given_to_nobody() {
    let (_server, link) = linked(Behaviour::answering(|asked| {
        (asked.action == "Getvar")
            .then(|| "Response: Error\r\nMessage: Failed to parse message: line too long\r\n\r\n".to_owned())
    }))
    .await;
    let answer = link.getvar("PJSIP/a-1", "X").await;
    assert!(matches!(&answer, Err(AmiError::Unanswered { .. })), "{answer:?}");
    assert_eq!(link.metrics().strays.load(Ordering::Relaxed), 1);
    assert_eq!(link.metrics().unanswered.load(Ordering::Relaxed), 1);
    link.ping().await.unwrap();
}

#[tokio::test]
async fn blocks_that_a_caller_planted_answer_nothing_and_break_nothing() {
    let (server, link) = linked(Behaviour::answering(|asked| {
        (asked.action == "Getvar").then(|| {
            asked.success(
                "Variable: V\nValue: 1\n\nResponse: Success\nActionID: 0123456789abcdef-12\nValue: planted\n\nrest: x\n",
            )
        })
    }))
    .await;
    let mut events = link.subscribe(64, |_| true);
    assert!(matches!(events.recv().await, Some(LinkEvent::Up(_))));
    assert_eq!(link.getvar("PJSIP/a-1", "V").await.unwrap(), Some("1".to_owned()));
    assert_eq!(link.metrics().strays.load(Ordering::Relaxed), 1);
    assert_eq!(link.metrics().malformed.load(Ordering::Relaxed), 1);
    server.say_block(
        "Event: Hangup\nChannel: PJSIP/x-1\nUniqueid: evil.1\nUniqueid: pbx1-1.1\nLinkedid: pbx1-1.1",
    );
    let told = timeout(PATIENCE, events.recv()).await.unwrap();
    let Some(LinkEvent::Event(event)) = told else { panic!("{told:?}") };
    assert!(matches!(&*event, Event::Other(block) if block.is_ambiguous()));
    // The answer to a command of old, planted: nothing behind it is swallowed.
    server.say("Event: X\r\nName: 1\r\n\r\nResponse: Follows\r\n\r\n");
    link.ping().await.unwrap();
}

#[tokio::test]
async fn second_answers_and_late_ones_go_to_nobody() {
    let round = AtomicUsize::new(0);
    let (server, link) = linked(Behaviour::answering(move |asked| {
        if asked.action != "Getvar" {
            return None;
        }
        let value = |value: &str| asked.success(&format!("Variable: V\nValue: {value}\n"));
        Some(match round.fetch_add(1, Ordering::SeqCst) {
            0 => value("first") + &value("second"),
            1 => String::new(),
            _ => value("third"),
        })
    }))
    .await;
    assert_eq!(link.getvar("c", "V").await.unwrap(), Some("first".to_owned()));
    assert!(matches!(link.getvar("c", "V").await, Err(AmiError::Unanswered { .. })));
    let late = server.asked().last().unwrap().success("Variable: V\nValue: late\n");
    server.say(late);
    assert_eq!(link.getvar("c", "V").await.unwrap(), Some("third".to_owned()));
    assert_eq!(link.metrics().strays.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_block_leaves_nothing_behind() {
    let (server, link) = linked(Behaviour::answering(|asked| {
        (asked.action == "Getvar").then(|| format!("Response: Success\r\nActionID: {}\r\nVal", asked.id))
    }))
    .await;
    let mut events = link.subscribe(64, |_| true);
    let asked = link.clone();
    let asked = tokio::spawn(async move { asked.getvar("c", "V").await });
    while !server.actions().contains(&"Getvar".to_owned()) {
        sleep(Duration::from_millis(5)).await;
    }
    server.say("ue: half\r\nEvent: Hangup\r\nUniqueid: 1");
    server.cut();
    let answer = asked.await.unwrap();
    assert!(matches!(&answer, Err(AmiError::Unanswered { .. })), "{answer:?}");
    wait_until_up(&link).await;
    link.ping().await.unwrap();
    let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    assert!(
        matches!(told.as_slice(), [LinkEvent::Up(_), LinkEvent::Down, LinkEvent::Up(_)]),
        "half a block is no event: {told:?}"
    );
}

#[tokio::test]
async fn a_flood_costs_a_slow_subscriber_events_and_it_is_told_how_many() {
    const FLOOD: u64 = 50_000;
    let (server, link) = linked(Behaviour::default()).await;
    let mut slow = link.subscribe(100, |_| true);
    let mut counted = link.subscribe(usize::try_from(FLOOD).unwrap() + 10, |_| true);
    let hangup = "Event: Hangup\r\nChannel: PJSIP/a-1\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n\r\n";
    for _ in 0..FLOOD / 1_000 {
        server.say(hangup.repeat(1_000));
    }
    // Reading goes on: an action is answered behind the flood, the events are all counted.
    timeout(PATIENCE, async {
        while link.metrics().events.load(Ordering::Relaxed) < FLOOD {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    link.ping().await.unwrap();
    let missed = FLOOD - 99;
    assert_eq!(link.metrics().missed.load(Ordering::Relaxed), missed);
    assert_eq!(counted.len(), usize::try_from(FLOOD).unwrap() + 1);
    assert!(matches!(counted.try_recv(), Ok(LinkEvent::Up(_))));

    // The link goes and comes while there is no room: that is told, too, in the end.
    server.cut();
    reason_with(&link, "closed").await;
    wait_until_up(&link).await;
    let mut told = Vec::new();
    while !matches!(told.last(), Some(LinkEvent::Up(session)) if session.number == 2) {
        told.push(timeout(PATIENCE, slow.recv()).await.unwrap().unwrap());
    }
    assert_eq!(told.len(), 102);
    let [.., LinkEvent::Missed(count), LinkEvent::Up(_)] = told.as_slice() else {
        panic!("{:?}", told.last())
    };
    // The loss of the link is among what was dropped.
    assert_eq!(*count, missed + 1);
}

#[tokio::test]
async fn a_block_that_is_too_large_is_dropped_and_the_link_holds_but_rubbish_without_end_ends_it() {
    let (server, link) = linked(Behaviour::default()).await;
    server.say(format!("Event: X\r\nV: {}\r\n\r\n", "x".repeat(100_000)));
    link.ping().await.unwrap();
    assert_eq!(link.metrics().malformed.load(Ordering::Relaxed), 1);
    assert_eq!(server.connections(), 1);
    server.say("x".repeat(3_000_000));
    reason_with(&link, "went on").await;
    wait_until_up(&link).await;
}

#[tokio::test]
async fn more_than_can_wait_is_turned_away_at_once_and_not_taken_for_a_lost_link() {
    let (server, link) = linked(Behaviour::default()).await;
    server.fall_silent(true);
    let asking: Vec<_> = (0..1_000)
        .map(|_| {
            let link = link.clone();
            tokio::spawn(async move { link.ask(Action::new("Ping")).await })
        })
        .collect();
    let (mut busy, mut unanswered) = (0, 0);
    for asked in asking {
        match asked.await.unwrap() {
            Err(AmiError::Busy { .. }) => busy += 1,
            Err(AmiError::Unanswered { .. }) => unanswered += 1,
            // What waited when the silence was noticed.
            Err(AmiError::Away { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(busy >= 400 && unanswered >= 200, "{busy} {unanswered}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_found_again_and_who_asks_meanwhile_is_told_at_once() {
    let (server, link) = linked(Behaviour::default()).await;
    let address = server.address;
    drop(server);
    reason_with(&link, "cannot be reached").await;
    let asked = Instant::now();
    assert!(matches!(link.core_show_channels().await, Err(AmiError::Away { .. })));
    assert!(asked.elapsed() < Duration::from_millis(200));
    let _server = FakeAsterisk::start_on(address, Behaviour::default()).await;
    wait_until_up(&link).await;
    assert!(matches!(link.state(), LinkState::Up(session) if session.number == 2));
}

#[tokio::test]
async fn a_link_that_is_cut_again_and_again_loses_no_answer_without_saying_so() {
    let (server, link) = linked(Behaviour::default()).await;
    let asking = link.clone();
    let asking = tokio::spawn(async move {
        let (mut answered, mut lost) = (0_u32, 0_u32);
        let until = Instant::now() + Duration::from_secs(4);
        while Instant::now() < until {
            match asking.ping().await {
                Ok(()) => answered += 1,
                Err(AmiError::Away { .. } | AmiError::Unanswered { .. }) => lost += 1,
                Err(other) => panic!("{other}"),
            }
            sleep(Duration::from_millis(1)).await;
        }
        (answered, lost)
    });
    for _ in 0..20 {
        sleep(Duration::from_millis(150)).await;
        server.cut();
    }
    let (answered, lost) = asking.await.unwrap();
    assert!(answered > 100 && lost > 0, "{answered} {lost}");
    wait_until_up(&link).await;
    assert!(link.metrics().logins.load(Ordering::Relaxed) > 10);
}

/// As Asterisk 22.10.1 lists the actions that a user may carry out.
fn allowed(actions: &[&str]) -> String {
    let line = |action: &&str| format!("{action}: It does something.  (Priv: system,all)\n");
    actions.iter().map(line).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn an_examination_says_what_the_user_lacks_and_what_is_too_much() {
    const ENOUGH: [&str; 12] = [
        "Ping",
        "Filter",
        "Events",
        "CoreStatus",
        "CoreSettings",
        "CoreShowChannels",
        "Getvar",
        "Hangup",
        "AbsoluteTimeout",
        "DBGet",
        "DBGetTree",
        "DBDel",
    ];
    let with = |behaviour: fn(&Asked) -> Option<String>| async move {
        let server = FakeAsterisk::start(Behaviour::answering(behaviour)).await;
        examine(&settings(&server), Arc::new(SystemClock::new())).await
    };
    let listed = |asked: &Asked| {
        (asked.action == "ListCommands").then(|| {
            let cache =
                ["SorceryMemoryCacheExpire", "SorceryMemoryCacheExpireObject", "SorceryMemoryCachePopulate"];
            asked.success(&allowed(&[ENOUGH.as_slice(), &cache].concat()))
        })
    };
    let Examined::In(rights) = with(listed).await else { panic!("in") };
    assert_eq!((rights.version.as_str(), rights.hears_system, rights.has_cache), ("22.10.1", true, true));
    assert_eq!((rights.missing.as_slice(), rights.too_much.as_slice()), ([].as_slice(), [].as_slice()));

    let listed = |asked: &Asked| {
        (asked.action == "ListCommands")
            .then(|| asked.success(&allowed(&[&["Originate", "Command"], &ENOUGH[..11]].concat())))
    };
    let Examined::In(rights) = with(listed).await else { panic!("in") };
    assert_eq!(rights.missing, [("DBDel", "system")]);
    assert_eq!(rights.too_much, [("Originate", "originate"), ("Command", "command")]);
    assert!(!rights.has_cache);

    let refused = |asked: &Asked| (asked.action == "Login").then(|| asked.error("Authentication failed"));
    let Examined::NotIn(reason) = with(refused).await else { panic!("not in") };
    assert!(reason.contains("Authentication failed"), "{reason}");
}
