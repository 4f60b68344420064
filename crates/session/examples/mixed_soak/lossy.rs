//! Audio that loses packets on its way out.

use offhook_sdp::{Media, SessionDescription};
use offhook_session::media::{MediaEvent, StreamId};
use offhook_session::{
    Agreed, AudioStream, MediaStream, StreamContext, StreamDescription, StreamError, StreamSettings,
};
use offhook_testkit::net::{Impairment, UdpRelay};
use std::net::{IpAddr, SocketAddr};

/// 2 % of what is sent is lost.
const LOSS: Impairment = Impairment {
    loss_per_mille: 20,
    ..Impairment::NONE
};

/// An audio stream of an application's own: it sends to a relay that loses packets, which passes the rest on.
pub(crate) struct Lossy {
    audio: AudioStream,
    /// Between which two it is, and itself.
    relay: Option<([SocketAddr; 2], UdpRelay)>,
    seed: u64,
}

impl Lossy {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            audio: AudioStream::offer().without_device(),
            relay: None,
            seed,
        }
    }

    /// What both sides agreed upon, with the relay in place of the other side.
    fn lose(
        &mut self,
        agreed: Agreed<'_>,
        then: impl FnOnce(&mut AudioStream, Agreed<'_>) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        let mut remote = agreed.remote.clone();
        let address = |description: &SessionDescription| {
            let media = description.media.get(agreed.index)?;
            media.media_address(description)
        };
        if let (Some(ours), Some(theirs)) = (address(agreed.local), address(agreed.remote)) {
            let between = [ours, theirs];
            if self.relay.as_ref().is_none_or(|(places, _)| *places != between) {
                let relay = UdpRelay::start(&[(ours, theirs)], LOSS, self.seed);
                let relay = relay.map_err(|error| StreamError::Tool(error.to_string()))?;
                self.relay = Some((between, relay));
            }
            if let Some((_, relay)) = &self.relay {
                remote.media[agreed.index].port = relay.pairs()[0].left.port();
            }
        }
        let remote = &remote;
        then(&mut self.audio, Agreed { remote, ..agreed })
    }
}

impl MediaStream for Lossy {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        self.audio.takes(offer, index)
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        self.audio.initialize(cx, local, settings)
    }

    fn offer(&self) -> Media {
        self.audio.offer()
    }

    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError> {
        self.audio.answer(offer, index)
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        self.lose(agreed, |audio, agreed| audio.start(cx, agreed))
    }

    fn is_running(&self) -> bool {
        self.audio.is_running()
    }

    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        self.audio.validate_update(remote, index)
    }

    fn update(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        self.lose(agreed, |audio, agreed| audio.update(cx, agreed))
    }

    fn set_hold(&mut self, cx: &mut StreamContext<'_>, on_hold: bool) {
        self.audio.set_hold(cx, on_hold);
    }

    fn supports_hold(&self) -> bool {
        self.audio.supports_hold()
    }

    fn is_on_hold_by_local(&self) -> bool {
        self.audio.is_on_hold_by_local()
    }

    fn is_on_hold_by_remote(&self) -> bool {
        self.audio.is_on_hold_by_remote()
    }

    fn handle_media_event(
        &mut self,
        cx: &mut StreamContext<'_>,
        event: MediaEvent,
    ) -> Result<(), StreamError> {
        self.audio.handle_media_event(cx, event)
    }

    fn handle_timeout(&mut self, cx: &mut StreamContext<'_>) {
        self.audio.handle_timeout(cx);
    }

    fn poll_timeout(&self) -> Option<std::time::Instant> {
        self.audio.poll_timeout()
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        self.audio.end(cx);
    }

    fn id(&self) -> Option<StreamId> {
        self.audio.id()
    }

    fn describe(&self) -> StreamDescription {
        self.audio.describe()
    }
}
