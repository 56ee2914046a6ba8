//! Tollgate: a telephony control plane for Asterisk with a real-time rating engine.

fn main() -> std::process::ExitCode {
    tollgate::cli::main()
}
