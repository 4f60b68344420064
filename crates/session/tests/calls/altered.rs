//! A stream whose descriptions are altered on their way: one of another make, or one that goes another way.

use offhook_sdp::{Media, SessionDescription};
use offhook_session::media::{MediaEvent, StreamId};
use offhook_session::{
    Agreed, MediaStream, MsrpEnd, StreamContext, StreamDescription, StreamError, StreamSettings,
};
use std::net::IpAddr;
use std::time::Instant;

/// What is altered of a stream's descriptions; nothing by default.
pub(crate) trait Alteration: Send + 'static {
    /// Of what we offer.
    fn offer(&self, media: &mut Media) {
        let _ = media;
    }

    /// Of what we answer.
    fn answer(&self, media: &mut Media) {
        let _ = media;
    }

    /// Whether the stream does anything at all once both sides agree.
    fn starts(&self) -> bool {
        true
    }

    /// Of what the other side says, before the stream follows it.
    ///
    /// # Errors
    /// Why the stream cannot go on.
    fn agreed(&mut self, agreed: Agreed<'_>, remote: &mut SessionDescription) -> Result<(), StreamError> {
        let _ = (agreed, remote);
        Ok(())
    }
}

pub(crate) struct Altered<S, A> {
    pub(crate) stream: S,
    pub(crate) by: A,
}

impl<S: MediaStream, A: Alteration> Altered<S, A> {
    fn follow(
        &mut self,
        agreed: Agreed<'_>,
        call: impl FnOnce(&mut S, Agreed<'_>) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        let mut remote = agreed.remote.clone();
        self.by.agreed(agreed, &mut remote)?;
        let remote = &remote;
        call(&mut self.stream, Agreed { remote, ..agreed })
    }
}

impl<S: MediaStream, A: Alteration> MediaStream for Altered<S, A> {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        self.stream.takes(offer, index)
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        self.stream.initialize(cx, local, settings)
    }

    fn offer(&self) -> Media {
        let mut media = self.stream.offer();
        self.by.offer(&mut media);
        media
    }

    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError> {
        let mut media = self.stream.answer(offer, index)?;
        self.by.answer(&mut media);
        Ok(media)
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        if !self.by.starts() {
            return Ok(());
        }
        self.follow(agreed, |stream, agreed| stream.start(cx, agreed))
    }

    fn is_running(&self) -> bool {
        !self.by.starts() || self.stream.is_running()
    }

    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        self.stream.validate_update(remote, index)
    }

    fn update(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        self.follow(agreed, |stream, agreed| stream.update(cx, agreed))
    }

    fn set_hold(&mut self, cx: &mut StreamContext<'_>, on_hold: bool) {
        self.stream.set_hold(cx, on_hold);
    }

    fn supports_hold(&self) -> bool {
        self.stream.supports_hold()
    }

    fn is_on_hold_by_local(&self) -> bool {
        self.stream.is_on_hold_by_local()
    }

    fn is_on_hold_by_remote(&self) -> bool {
        self.stream.is_on_hold_by_remote()
    }

    fn handle_media_event(
        &mut self,
        cx: &mut StreamContext<'_>,
        event: MediaEvent,
    ) -> Result<(), StreamError> {
        self.stream.handle_media_event(cx, event)
    }

    fn handle_timeout(&mut self, cx: &mut StreamContext<'_>) {
        self.stream.handle_timeout(cx);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.stream.poll_timeout()
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        self.stream.end(cx);
    }

    fn id(&self) -> Option<StreamId> {
        self.stream.id()
    }

    fn msrp(&mut self) -> Option<&mut MsrpEnd> {
        self.stream.msrp()
    }

    fn describe(&self) -> StreamDescription {
        self.stream.describe()
    }
}
