//! Places at our MSRP relay, for streams that others cannot reach otherwise (RFC 4976).

use super::CommandError;
use crate::media::RelayPlace;
use crate::stream::{MediaStream, MsrpReach, MsrpTransport, msrp_transport};
use offhook_msrp::tokio::{AcceptorRelay, MsrpRelaySettings};
use offhook_sdp::{Media, SessionDescription};
use offhook_sip_core::tokio::{TlsError, TlsOptions};
use rustls::ClientConfig;
use std::sync::Arc;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// Our MSRP relay (`nat_traversal.msrp_relay` of the documents), and what goes through it.
#[derive(Clone, Debug)]
pub struct MsrpRelay {
    /// Where it is, and who we are there. Its certificate is checked as [`UserAgentConfig::tls`](super::UserAgentConfig::tls) says,
    /// unless these settings have a configuration of their own.
    pub settings: MsrpRelaySettings,
    /// What goes through it.
    pub usage: RelayUsage,
}

/// Which of the streams over MSRP go through our relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayUsage {
    /// Those that the other side proposes and wants to connect for. In what we propose it is we who connect: so whoever has
    /// no relay either must be reachable. As `msrp.connection_model` is `relay` in the documents.
    Inbound,
    /// Those that we propose as well (`use_msrp_relay_for_outbound`): the other side need not be reachable. Where it proposes, and
    /// can be reached, we connect ourselves.
    #[default]
    InboundAndOutbound,
    /// All: for a network that lets nothing else out.
    Always,
}

/// Whom we believe over TLS that is neither SIP nor known by a fingerprint: relays. Read when first needed.
#[derive(Clone)]
pub(super) struct RelayTrust(Arc<Trusted>);

struct Trusted {
    options: TlsOptions,
    config: OnceCell<Arc<ClientConfig>>,
}

impl RelayTrust {
    pub(super) fn new(options: TlsOptions) -> Self {
        let config = OnceCell::new();
        Self(Arc::new(Trusted { options, config }))
    }

    /// # Errors
    /// When the certificates cannot be read.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let load = || async {
            let options = self.0.options.clone();
            let loaded = spawn_blocking(move || options.load()).await;
            loaded
                .expect("reading files does not panic")
                .map(|tls| tls.client_config())
        };
        self.0.config.get_or_try_init(load).await.cloned()
    }
}

/// Gets places at our relay for streams before they are offered or accepted.
#[derive(Clone)]
pub(super) struct Relayer {
    relay: Option<Arc<MsrpRelay>>,
    trust: RelayTrust,
}

impl Relayer {
    pub(super) fn new(relay: Option<MsrpRelay>, trust: RelayTrust) -> Self {
        let relay = relay.map(Arc::new);
        Self { relay, trust }
    }

    /// Says to each stream over MSRP how it is reached, with a place at the relay where it goes through that. Without a
    /// description of the other side's the streams are what we propose.
    ///
    /// # Errors
    /// When the relay cannot be reached, or gives no place.
    pub(super) async fn set_reach(
        &self,
        streams: &mut [Box<dyn MediaStream>],
        proposed: Option<&SessionDescription>,
    ) -> Result<(), CommandError> {
        let Some(relay) = &self.relay else {
            return Ok(());
        };
        for stream in streams {
            if stream.msrp().is_none() {
                continue;
            }
            let way = match proposed {
                None => relay.way_out(),
                Some(offer) => relay.way_in(&**stream, offer),
            };
            let reach = match way {
                Way::Direct => MsrpReach::Direct,
                Way::Out => MsrpReach::Nowhere,
                Way::Relay => MsrpReach::Relay(self.place(relay).await?),
            };
            if let Some(end) = stream.msrp() {
                end.set_reach(reach);
            }
        }
        Ok(())
    }

    async fn place(&self, relay: &MsrpRelay) -> Result<RelayPlace, CommandError> {
        let mut settings = relay.settings.clone();
        if settings.is_secure() {
            let config = self.trust.config().await.map_err(CommandError::RelayTls)?;
            settings = settings.with_default_tls(&config);
        }
        let end = AcceptorRelay::prepare(&settings, None).await;
        let end = end.map_err(|error| CommandError::Relay(Box::new(error)))?;
        Ok(RelayPlace::new(end.local_path().clone(), end))
    }
}

/// How a stream is reached, before there is a place for it.
enum Way {
    Direct,
    /// We connect.
    Out,
    Relay,
}

impl MsrpRelay {
    /// For a stream that we propose.
    fn way_out(&self) -> Way {
        match self.usage {
            RelayUsage::Inbound => Way::Out,
            RelayUsage::InboundAndOutbound | RelayUsage::Always => Way::Relay,
        }
    }

    /// For a stream that takes a section of this offer. One that is to run over something else than our relay cannot go through it:
    /// the answer has to name what was offered (RFC 4975 §8.1).
    fn way_in(&self, stream: &dyn MediaStream, offer: &SessionDescription) -> Way {
        let ours = if self.settings.is_secure() {
            MsrpTransport::Tls
        } else {
            MsrpTransport::Tcp
        };
        let needs_relay = |(index, media): (usize, &Media)| {
            let is_reachable = matches!(media.attributes.value("setup"), Some("actpass" | "passive"));
            stream.takes(offer, index)
                && msrp_transport(media) == Some(ours)
                && (self.usage == RelayUsage::Always || !is_reachable)
        };
        if offer.media.iter().enumerate().any(needs_relay) {
            Way::Relay
        } else {
            Way::Direct
        }
    }
}
