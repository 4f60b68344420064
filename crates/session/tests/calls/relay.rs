//! Relays on this machine, and who goes through them.

use offhook_msrp::relay::server::{RelayConfig, RelayUser};
use offhook_msrp::tokio::{MsrpRelaySettings, RelayServer};
use offhook_session::MsrpTransport;
use offhook_session::tokio::{MsrpRelay, RelayUsage, UserAgentConfig};

/// A relay for alice and bob, without TLS.
pub(crate) async fn relay() -> RelayServer {
    serve(config("msrp", true)).await
}

/// The same, through which no more than so many bytes a second pass for each of them.
pub(crate) async fn slow_relay(bytes_per_second: u64) -> RelayServer {
    let mut config = config("msrp", true);
    for user in config.users.values_mut() {
        user.bytes_per_second = Some(bytes_per_second);
    }
    serve(config).await
}

pub(crate) async fn serve(config: RelayConfig) -> RelayServer {
    let served = RelayServer::bind("127.0.0.1:0".parse().unwrap(), config).await;
    served.expect("a free port")
}

pub(crate) fn config(scheme: &str, allow_plain_auth: bool) -> RelayConfig {
    let mut config = RelayConfig::new(format!("{scheme}://127.0.0.1:0;tcp").parse().unwrap());
    config.allow_plain_auth = allow_plain_auth;
    config.aliases.push("localhost".to_owned());
    for user in ["alice", "bob"] {
        config
            .users
            .insert(user.to_owned(), RelayUser::new(format!("{user}pw")));
    }
    config
}

pub(crate) fn settings(user: &str, password: &str, relay: &RelayServer) -> MsrpRelaySettings {
    MsrpRelaySettings::new("localhost", user, password).with_host("127.0.0.1", relay.local_addr().port())
}

/// Uses a relay without TLS.
pub(crate) fn at(
    user: &'static str,
    relay: &RelayServer,
    usage: RelayUsage,
) -> impl FnOnce(&mut UserAgentConfig) {
    let settings = settings(user, &format!("{user}pw"), relay).without_tls();
    move |config| {
        config.msrp_relay = Some(MsrpRelay { settings, usage });
        nowhere(config);
    }
}

/// Uses none, and no TLS either.
pub(crate) fn nowhere(config: &mut UserAgentConfig) {
    config.sessions.streams.msrp_transport = MsrpTransport::Tcp;
}
