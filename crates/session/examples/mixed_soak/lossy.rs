//! Audio that loses packets on its way out.

use crate::altered::{Alteration, Altered};
use offhook_sdp::SessionDescription;
use offhook_session::{Agreed, AudioStream, StreamError};
use offhook_testkit::net::{Impairment, UdpRelay};
use std::net::SocketAddr;

/// 2 % of what is sent is lost.
const LOSS: Impairment = Impairment {
    loss_per_mille: 20,
    ..Impairment::NONE
};

/// An audio stream that sends to a relay which loses packets and passes the rest on.
pub(crate) type Lossy = Altered<AudioStream, Loss>;

pub(crate) fn lossy(seed: u64) -> Lossy {
    Altered {
        stream: AudioStream::offer().without_device(),
        by: Loss { relay: None, seed },
    }
}

/// Puts the relay in place of the other side.
pub(crate) struct Loss {
    /// Between which two it is, and itself.
    relay: Option<([SocketAddr; 2], UdpRelay)>,
    seed: u64,
}

impl Alteration for Loss {
    fn agreed(&mut self, agreed: Agreed<'_>, remote: &mut SessionDescription) -> Result<(), StreamError> {
        let address = |description: &SessionDescription| {
            let media = description.media.get(agreed.index)?;
            media.media_address(description)
        };
        let (Some(ours), Some(theirs)) = (address(agreed.local), address(agreed.remote)) else {
            return Ok(());
        };
        let between = [ours, theirs];
        if self.relay.as_ref().is_none_or(|(places, _)| *places != between) {
            let relay = UdpRelay::start(&[(ours, theirs)], LOSS, self.seed);
            let relay = relay.map_err(|error| StreamError::Tool(error.to_string()))?;
            self.relay = Some((between, relay));
        }
        if let Some((_, relay)) = &self.relay {
            remote.media[agreed.index].port = relay.pairs()[0].left.port();
        }
        Ok(())
    }
}
