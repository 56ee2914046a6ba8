//! Many callers at once: nothing is lost, nothing counted twice.

use crate::app::TestApp;
use crate::app::book::number;
use crate::app::database::on_both;
use crate::app::decks::{BERLIN, LONDON};
use crate::app::house::money;
use crate::app::phone::{Dial, End};
use tollgate::clock::Clock as _;

const TASKS: usize = 20;
const CALLS_A_TASK: usize = 10;

on_both!(two_hundred_calls_from_twenty_tasks_leave_a_clean_book_and_wallets_equal_to_it, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.credit("acme", "100000").await;
    for n in 0..5 {
        app.client(&format!("client{n}"), Some("acme"), "retail").await;
        app.credit(&format!("client{n}"), "10000").await;
    }
    // Our own clock stands still: it lets a call be two seconds longer than it saw.
    let fastagi = app.fastagi;
    let now_us = app.clock.now().as_microsecond();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            tokio::spawn(async move {
                for call in 0..CALLS_A_TASK {
                    let number = if call % 2 == 0 { BERLIN } else { LONDON };
                    let dial = Dial::new(&format!("client{}", (task + call) % 5), number);
                    let granted = dial.ask(fastagi).await.allowed();
                    let end = match call % 5 {
                        0 => End::busy(),
                        1 => End::answered_by(2, 1_500),
                        _ => End::answered(1_000),
                    };
                    assert!(end.tell(fastagi, &granted, now_us).await);
                    // Some are told twice.
                    if call % 3 == 0 {
                        assert!(end.tell(fastagi, &granted, now_us).await);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    app.assert_right().await;
    let cdrs = number(&app.services.store, "SELECT COUNT(*) FROM cdrs").await;
    assert_eq!(cdrs, i64::try_from(TASKS * CALLS_A_TASK).unwrap());

    // By hand, each task's ten calls: two busy; to Berlin three of 1 s and one of 1.5 s; to London four, a minute each.
    let tasks = i64::try_from(TASKS).unwrap();
    let spent = money("100100").checked_sub(app.show("acme").await.balance).unwrap();
    assert_eq!(spent.nanos(), tasks * (3 * 862_000 + 1_724_000 + 4 * 90_000_000));
    let mut paid = 0;
    for n in 0..5 {
        paid += money("10000").checked_sub(app.show(&format!("client{n}")).await.balance).unwrap().nanos();
    }
    assert_eq!(paid, tasks * (3 * 1_035_000 + 2_069_000 + 4 * 108_000_000));

    // The next process reads the same from the book.
    let before = app.show("acme").await.balance;
    let app = TestApp::on(app.stop().await, |_| {}).await;
    assert_eq!(app.show("acme").await.balance, before);
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credits_given_and_taken_during_calls_never_let_a_wallet_fall_below_its_limit() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.leave("alice", "1").await;
    let fastagi = app.fastagi;
    let now_us = app.clock.now().as_microsecond();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                let mut allowed = 0;
                for _ in 0..20 {
                    let dial = Dial::new("alice", BERLIN);
                    if let crate::app::phone::Answer::Allowed(granted) = dial.ask(fastagi).await {
                        allowed += 1;
                        assert!(End::answered(1_000).tell(fastagi, &granted, now_us).await);
                    }
                }
                allowed
            })
        })
        .collect();
    let services = std::sync::Arc::clone(&app.services);
    let cashier = tokio::spawn(async move {
        let mut taken = 0;
        for n in 0..60 {
            let amount = if n % 2 == 0 { "0.2" } else { "-0.2" };
            let done = tollgate::accounts::ops::credit(&services, "alice", money(amount), "test").await;
            taken += usize::from(done.is_ok() && n % 2 == 1);
            assert!(n % 2 == 1 || done.is_ok(), "{done:?}");
        }
        taken
    });
    let mut allowed = 0;
    for caller in callers {
        allowed += caller.await.unwrap();
    }
    cashier.await.unwrap();
    assert!(allowed > 0);
    let alice = app.show("alice").await;
    assert!(!alice.balance.is_negative() && alice.held == money("0"), "{alice:?}");
    app.assert_right().await;
}
