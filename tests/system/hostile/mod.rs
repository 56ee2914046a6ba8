//! Attacks on the running product, one file a topic. Each test states what an attacker does and what still holds.
//!
//! Attacks on one part stand beside that part: hostile bodies of the HTTP APIs in `api_hostile.rs`, hostile arguments of
//! the dialplan in `calls_hostile.rs`, forged tickets in `calls_tickets.rs`, hostile bytes on FastAGI in
//! `agi/tests/hostile.rs`.

mod channels;
mod clocks;
mod command_socket;
mod credit_keys;
mod daily_limit;
mod disk;
mod esim_upstream;
mod floods;
mod impostor;
mod ip_peers;
mod lease;
mod names;
mod numbers;
mod passwords;
mod rows;
mod rows_killed;
mod runtimes;
mod searches;
mod secrets_on_disk;
mod settle_sequences;
mod settles;
mod sockets;
mod tickets;
