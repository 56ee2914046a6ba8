//! The configuration file and the environment: what is accepted has been checked, what is refused says why.
#![no_main]

use tollgate::ami::Settings;
use tollgate::config::Config;

tollgate_fuzz::target!(|text: &str| {
    let (text, variables) = text.split_once("\n#env\n").unwrap_or((text, ""));
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (format!("TOLLGATE_{name}"), value.to_owned()));
    match Config::from_text(text, variables) {
        Ok(config) => {
            assert!(config.money.currency.len() == 3);
            assert!((1..=86_400).contains(&config.credit.max_call_seconds));
            assert!(config.credit.slice_seconds >= 1 && (1..=9).contains(&config.routing.max_routes));
            for server in &config.asterisk {
                let settings = Settings::from(server);
                assert!(settings.tls.is_some() || (server.tls_ca.is_none() && server.tls_name.is_none()));
                let secret = server.secret.as_ref().map_or("", |secret| secret.reveal());
                if secret.len() > 8 && !server.name.contains(secret) {
                    assert!(!format!("{:?}", settings.secret).contains(secret));
                }
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
