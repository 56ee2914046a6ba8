//! The whole service without an Asterisk: the real node, the real binary, and a client that plays Asterisk's part.
//!
//! What is told on `PostgreSQL` needs `TOLLGATE_TEST_POSTGRES`, the URL of a server where databases may be created;
//! without it those tests fail, so that nobody takes half of them for the whole.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod ami_link;
mod ami_trouble;
mod api;
mod app;
mod calls_charging;
mod calls_credit;
mod calls_hostile;
mod calls_limits;
mod calls_linked;
mod calls_prices;
mod calls_refusals;
mod calls_tickets;
mod cli_backup;
mod cli_commands;
mod cli_config;
mod cli_doctor;
mod cli_messages;
mod cli_peers;
mod cli_portal;
mod cli_rate;
mod esim_audit;
mod esim_faults;
mod esim_kill;
mod hostile;
mod metering;
mod metrics;
mod peers_invalidation;
mod peers_realtime;
mod recovery_calls;
mod recovery_concurrency;
mod recovery_database;
mod recovery_edges;
mod recovery_owner;
mod recovery_restart;
mod recovery_service;
mod recovery_spool;
mod simulation;
mod sms_concurrency;
mod sms_kill;
mod sms_outage;
mod sms_smpp;
