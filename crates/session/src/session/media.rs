//! How a session drives its streams through what was negotiated.

use super::{Context, Session};
use crate::SessionError;
use crate::media::MediaPlane;
use crate::stream::{Agreed, MediaStream, StreamError, StreamSettings};
use offhook_sansio::Entropy;
use offhook_sdp::{Media, SessionDescription};
use std::net::IpAddr;
use tracing::debug;

/// The session part of our descriptions: a random id, no name, our address (RFC 8866 §5.2).
pub(super) fn template(entropy: &mut Entropy, local_ip: IpAddr) -> SessionDescription {
    // 63 bits: some peers read the id as a signed number.
    SessionDescription::new(entropy.u64() >> 1, local_ip)
}

/// Opens the ports of all streams, or of none.
pub(super) fn initialize_all(
    streams: &mut [Box<dyn MediaStream>],
    plane: &mut dyn MediaPlane,
    local_ip: IpAddr,
    settings: &StreamSettings,
) -> Result<(), StreamError> {
    for index in 0..streams.len() {
        if let Err(error) = streams[index].initialize(plane, local_ip, settings) {
            streams[..index].iter_mut().for_each(|stream| stream.end(plane));
            return Err(error);
        }
    }
    Ok(())
}

impl Session {
    /// The media sections that answer the offer under way: our streams' where we have one for the place, refusals
    /// for the rest (RFC 3264 §6).
    pub(super) fn answer_sections(&mut self) -> Result<Vec<Media>, SessionError> {
        let Some(offer) = self.negotiation.offer().cloned() else {
            return Ok(Vec::new());
        };
        let mut sections = Vec::with_capacity(offer.media.len());
        let mut refusal = None;
        for (index, offered) in offer.media.iter().enumerate() {
            let answer = match self.streams.get_mut(index).and_then(Option::as_mut) {
                Some(stream) if !offered.is_rejected() => stream.answer(&offer, index),
                _ => {
                    sections.push(offered.rejection());
                    continue;
                }
            };
            sections.push(answer.unwrap_or_else(|error| {
                debug!(%error, index, "refusing a media section");
                refusal.get_or_insert(error);
                offered.rejection()
            }));
        }
        match refusal {
            Some(error) if sections.iter().all(Media::is_rejected) => Err(error.into()),
            _ => Ok(sections),
        }
    }

    /// Starts every stream that both sides agreed upon and ends the others. One that starts is enough.
    pub(super) fn start_streams(
        &mut self,
        cx: &mut Context<'_>,
        is_offerer: bool,
    ) -> Result<(), StreamError> {
        let (Some(local), Some(remote)) = (self.negotiation.local(), self.negotiation.remote()) else {
            return Err(StreamError::NotRunning("media"));
        };
        let mut failure = None;
        for (index, place) in self.streams.iter_mut().enumerate() {
            let Some(stream) = place else { continue };
            let agreed = Agreed {
                local,
                remote,
                index,
                is_offerer,
            };
            if let Err(error) = stream.start(cx.plane, agreed) {
                debug!(%error, index, "a stream does not start");
                stream.end(cx.plane);
                *place = None;
                failure = Some(error);
            }
        }
        match failure {
            Some(error) if self.streams.iter().all(Option::is_none) => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets every stream follow a renegotiation; a section that was refused ends its stream (RFC 3264 §8.2).
    pub(super) fn update_streams(&mut self, cx: &mut Context<'_>, is_offerer: bool) {
        let (Some(local), Some(remote)) = (self.negotiation.local(), self.negotiation.remote()) else {
            return;
        };
        for (index, place) in self.streams.iter_mut().enumerate() {
            let Some(stream) = place else { continue };
            let agreed = Agreed {
                local,
                remote,
                index,
                is_offerer,
            };
            if let Err(error) = stream.update(cx.plane, agreed) {
                debug!(%error, index, "a stream ends with the renegotiation");
                stream.end(cx.plane);
                *place = None;
            }
        }
    }

    /// The media sections of a new offer of ours, with refused ones in their old places (RFC 3264 §8).
    pub(super) fn offer_sections(&self) -> Vec<Media> {
        let before = self.negotiation.local().map_or(&[][..], |local| &local.media);
        let places = self.streams.len().max(before.len());
        (0..places)
            .filter_map(|index| match self.streams.get(index).and_then(Option::as_ref) {
                Some(stream) => Some(stream.offer()),
                None => before.get(index).map(Media::rejection),
            })
            .collect()
    }
}
