//! Offer and answer (RFC 3264): how two descriptions become one session.

mod bundle;
mod formats;
mod mismatch;
mod payload_types;
mod streams;
mod version;

pub use bundle::{Bundle, BundlePolicy};
pub use formats::{FormatMatch, Preference, answer_formats, match_answer};
pub use mismatch::Mismatch;
pub use streams::{AgreedStream, OfferedStream, StreamChange, add_section};
pub use version::RemoteChange;

use crate::{Media, SessionDescription};
use mismatch::{check_answer, check_offer};
use payload_types::PayloadTypes;
use std::fmt;
use version::Versions;

/// Where a [`Negotiation`] stands (RFC 3264 §4).
///
/// ```text
///                 create_offer                    handle_answer
///          +--------------------> OfferSent -----------------------+
///          |                          |  rollback                  v
///   Idle --+                          +----------> Idle/Stable   Stable --> (again as from Idle)
///          |                          |  rollback                  ^
///          +------------------> OfferReceived ---------------------+
///                 handle_offer                    create_answer
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NegotiationState {
    /// Nothing was agreed yet.
    Idle,
    /// Our offer waits for the peer's answer.
    OfferSent,
    /// The peer's offer waits for our answer.
    OfferReceived,
    /// Both sides agree; a new offer may come from either.
    Stable,
}

impl fmt::Display for NegotiationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::OfferSent => "OfferSent",
            Self::OfferReceived => "OfferReceived",
            Self::Stable => "Stable",
        })
    }
}

/// Why an offer or an answer was not taken. The state is what it was before.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// The caller asked for what the state does not allow; for `handle_offer` in `OfferSent` it is glare, which SIP
    /// answers with 491 (RFC 3261 §14.2).
    #[error("{event} in state {state}")]
    WrongState {
        /// The state it was in.
        state: NegotiationState,
        /// The method called.
        event: &'static str,
    },
    /// The caller's own media do not make an offer here.
    #[error("our offer: {0}")]
    OwnOffer(Mismatch),
    /// The caller's own media do not answer the peer's offer.
    #[error("our answer: {0}")]
    OwnAnswer(Mismatch),
    /// The peer's offer breaks RFC 3264 §8; SIP answers it with 488.
    #[error("the peer's offer: {0}")]
    PeerOffer(Mismatch),
    /// The peer's answer breaks RFC 3264 §6. The session cannot go on with it.
    #[error("the peer's answer: {0}")]
    PeerAnswer(Mismatch),
}

/// One side of the offer/answer exchanges of a session (RFC 3264).
///
/// Holds the pair of descriptions that is in force, and an offer under way. The session part of what it writes
/// (name, connection, attributes) is that of a template; the caller gives the media. The version of the origin
/// grows by exactly one whenever what we write differs from what we wrote last, and stays when it does not. In each RTP
/// section a dynamic payload type keeps its meaning for as long as the section lives (RFC 3264 §8.3.2): offers are
/// renumbered where the caller's numbers would break that.
///
/// A delayed offer is the same exchange begun by the called side: `create_offer` for the 2xx, `handle_answer` for the
/// ACK (RFC 3261 §13.2.1).
///
/// ```
/// use offhook_sdp::{Media, RtpFormat, SessionDescription, offer_answer::Negotiation};
///
/// let template = SessionDescription::new(3_943_512_345, "192.0.2.10".parse()?);
/// let mut caller = Negotiation::new(template);
/// let offer = caller.create_offer(vec![Media::audio(50_000, [RtpFormat::pcmu()])])?.to_string();
///
/// let template = SessionDescription::new(3_943_512_399, "192.0.2.20".parse()?);
/// let mut callee = Negotiation::new(template);
/// callee.handle_offer(offer.parse()?)?;
/// let answer = callee.create_answer(vec![Media::audio(50_100, [RtpFormat::pcmu()])])?.to_string();
///
/// caller.handle_answer(answer.parse()?)?;
/// let remote = caller.remote().unwrap();
/// assert_eq!(remote.media[0].media_address(remote), Some("192.0.2.20:50100".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Negotiation {
    template: SessionDescription,
    versions: Versions,
    payload_types: PayloadTypes,
    bundle_policy: BundlePolicy,
    pending: Option<Pending>,
    active: Option<Active>,
    /// The last description of the peer, agreed on or not: a new one is compared with it.
    last_remote: Option<SessionDescription>,
}

/// An offer under way.
#[derive(Clone, Debug)]
struct Pending {
    from: Side,
    offer: SessionDescription,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Us,
    Peer,
}

#[derive(Clone, Debug)]
struct Active {
    offered_by: Side,
    local: SessionDescription,
    remote: SessionDescription,
    bundles: Vec<Bundle>,
}

impl Active {
    fn is_in_use(&self, index: usize) -> bool {
        let refused = |media: &[Media]| media.get(index).is_none_or(Media::is_rejected);
        !refused(&self.local.media) && !refused(&self.remote.media)
    }

    /// The section whose transport a section uses.
    fn transport_of(&self, index: usize) -> usize {
        let bundle = self.bundles.iter().find(|bundle| bundle.contains(index));
        bundle.map_or(index, Bundle::tag)
    }
}

impl Negotiation {
    /// A side that has agreed on nothing. The template's media are ignored, its version is the first one used.
    pub fn new(template: SessionDescription) -> Self {
        Self {
            versions: Versions::new(template.origin.session_version),
            payload_types: PayloadTypes::default(),
            template,
            bundle_policy: BundlePolicy::default(),
            pending: None,
            active: None,
            last_remote: None,
        }
    }

    /// The state.
    pub fn state(&self) -> NegotiationState {
        match (&self.pending, &self.active) {
            (Some(pending), _) if pending.from == Side::Us => NegotiationState::OfferSent,
            (Some(_), _) => NegotiationState::OfferReceived,
            (None, None) => NegotiationState::Idle,
            (None, Some(_)) => NegotiationState::Stable,
        }
    }

    /// The session part of what is written next: change its connection when our address changed, its name, its
    /// attributes. Version and media are set by the exchanges.
    pub fn template_mut(&mut self) -> &mut SessionDescription {
        &mut self.template
    }

    /// Says what to do from now on about sections that could share one transport (RFC 9143). Default: they never do. Whoever
    /// takes bundles tells their packets apart, and keeps dynamic payload types apart between their sections.
    pub fn set_bundle_policy(&mut self, policy: BundlePolicy) {
        self.bundle_policy = policy;
    }

    /// The sections that share transports in the descriptions in force.
    pub fn bundles(&self) -> &[Bundle] {
        self.active.as_ref().map_or(&[], |active| &active.bundles)
    }

    /// Our description in force.
    pub fn local(&self) -> Option<&SessionDescription> {
        self.active.as_ref().map(|active| &active.local)
    }

    /// The peer's description in force.
    pub fn remote(&self) -> Option<&SessionDescription> {
        self.active.as_ref().map(|active| &active.remote)
    }

    /// The offer under way: ours in `OfferSent`, the peer's in `OfferReceived`.
    pub fn offer(&self) -> Option<&SessionDescription> {
        self.pending.as_ref().map(|pending| &pending.offer)
    }

    /// The sections of the peer's offer under way and what it does to each; none in another state.
    pub fn offered_streams(&self) -> impl Iterator<Item = OfferedStream<'_>> {
        let offer = self.offer_from(Side::Peer);
        let active = self.active.as_ref();
        let session_changed = offer.zip(active).is_some_and(|(offer, active)| {
            let part =
                |session: &SessionDescription| (session.connection.clone(), session.attributes.clone());
            part(offer) != part(&active.remote)
        });
        let sections = offer.into_iter().flat_map(|offer| {
            let indexed = offer.media.iter().enumerate();
            indexed.map(move |(index, media)| (offer, index, media))
        });
        sections.map(move |(offer, index, media)| {
            let before = active.and_then(|active| active.remote.media.get(index));
            let in_use = active.is_some_and(|active| active.is_in_use(index));
            OfferedStream {
                index,
                media,
                offer,
                change: StreamChange::of(before, in_use, session_changed, media),
            }
        })
    }

    /// The sections of the descriptions in force, refused ones too.
    pub fn agreed_streams(&self) -> impl Iterator<Item = AgreedStream<'_>> {
        self.active.iter().flat_map(|active| {
            let pairs = active.local.media.iter().zip(&active.remote.media).enumerate();
            pairs.map(|(index, (local, remote))| AgreedStream {
                index,
                local,
                remote,
                local_session: &active.local,
                remote_session: &active.remote,
                we_offered: active.offered_by == Side::Us,
                transport: active.transport_of(index),
            })
        })
    }

    /// Our sections in force, to change and offer again: what either side refused is refused here too (RFC 3264 §8.2).
    /// [`add_section`] puts a new stream among them.
    pub fn sections(&self) -> Vec<Media> {
        let section = |stream: AgreedStream<'_>| {
            if stream.is_active() {
                stream.local.clone()
            } else {
                stream.local.rejection()
            }
        };
        self.agreed_streams().map(section).collect()
    }

    /// Makes an offer of these media. Later ones must keep the place of each earlier section, refused ones too, and
    /// add new sections behind them (RFC 3264 §8).
    ///
    /// # Errors
    /// `WrongState` while an offer is under way; `OwnOffer` when sections are missing.
    pub fn create_offer(&mut self, media: Vec<Media>) -> Result<&SessionDescription, NegotiationError> {
        if self.pending.is_some() {
            return Err(self.wrong_state("create_offer"));
        }
        if let Some(active) = &self.active {
            check_offer(&active.local.media, &media).map_err(NegotiationError::OwnOffer)?;
        }
        let mut media = media;
        self.payload_types.apply(&mut media);
        let mut offer = self.template.clone().with_media(media);
        bundle::offer(&mut offer, self.bundles(), self.bundle_policy);
        let offer = self.write(offer);
        let from = Side::Us;
        Ok(&self.pending.insert(Pending { from, offer }).offer)
    }

    /// Takes the peer's answer to our offer: the pair is in force from now on.
    ///
    /// # Errors
    /// `WrongState` when we have no offer under way; `PeerAnswer` when it does not fit our offer: then either
    /// another answer may come, or [`rollback`](Self::rollback) takes the offer back.
    pub fn handle_answer(&mut self, answer: SessionDescription) -> Result<(), NegotiationError> {
        let Some(offer) = self.offer_from(Side::Us) else {
            return Err(self.wrong_state("handle_answer"));
        };
        let mut answer = answer;
        let mut bundles = Vec::new();
        if self.bundle_policy != BundlePolicy::Never {
            bundle::expand(&mut answer);
            bundles = bundle::agree(offer, &answer).map_err(NegotiationError::PeerAnswer)?;
        }
        check_answer(&offer.media, &answer.media).map_err(NegotiationError::PeerAnswer)?;
        let local = offer.clone();
        self.settle(Side::Us, local, answer, bundles);
        Ok(())
    }

    /// Takes the peer's offer, and says how it differs from what the peer wrote last.
    ///
    /// # Errors
    /// `WrongState` while an offer is under way (glare when it is ours); `PeerOffer` when sections are missing.
    pub fn handle_offer(&mut self, offer: SessionDescription) -> Result<RemoteChange, NegotiationError> {
        if self.pending.is_some() {
            return Err(self.wrong_state("handle_offer"));
        }
        if let Some(active) = &self.active {
            check_offer(&active.remote.media, &offer.media).map_err(NegotiationError::PeerOffer)?;
        }
        let mut offer = offer;
        if self.bundle_policy != BundlePolicy::Never {
            bundle::expand(&mut offer);
        }
        let change = RemoteChange::between(self.last_remote.as_ref(), &offer);
        let from = Side::Peer;
        self.pending = Some(Pending { from, offer });
        Ok(change)
    }

    /// Answers the peer's offer with one section for each of the offer's, in its order: the pair is in force from
    /// now on. [`Media::rejection`] refuses a section.
    ///
    /// # Errors
    /// `WrongState` without an offer of the peer; `OwnAnswer` when the media do not fit the offer.
    pub fn create_answer(&mut self, media: Vec<Media>) -> Result<&SessionDescription, NegotiationError> {
        let Some(offer) = self.offer_from(Side::Peer) else {
            return Err(self.wrong_state("create_answer"));
        };
        check_answer(&offer.media, &media).map_err(NegotiationError::OwnAnswer)?;
        let remote = offer.clone();
        let mut local = self.template.clone().with_media(media);
        bundle::answer(&mut local, &remote, self.bundles(), self.bundle_policy)
            .map_err(NegotiationError::OwnAnswer)?;
        let bundles = Bundle::read(&local);
        let local = self.write(local);
        Ok(&self.settle(Side::Peer, local, remote, bundles).local)
    }

    /// Answers the peer's offer section by section: `choose` gives our section, or `None` to refuse it. It is not
    /// asked for sections that the offer disables, which are refused (RFC 3264 §6).
    ///
    /// # Errors
    /// As [`create_answer`](Self::create_answer).
    pub fn answer_with(
        &mut self,
        mut choose: impl FnMut(OfferedStream<'_>) -> Option<Media>,
    ) -> Result<&SessionDescription, NegotiationError> {
        let answer = |stream: OfferedStream<'_>| {
            let chosen = if stream.media.is_rejected() {
                None
            } else {
                choose(stream)
            };
            chosen.unwrap_or_else(|| stream.media.rejection())
        };
        let media = self.offered_streams().map(answer).collect();
        self.create_answer(media)
    }

    /// Drops the offer under way, ours or the peer's, as when it was refused (RFC 3261 §14.1): what was in force
    /// before stays in force.
    ///
    /// # Errors
    /// `WrongState` when no offer is under way.
    pub fn rollback(&mut self) -> Result<(), NegotiationError> {
        let Some(pending) = self.pending.take() else {
            return Err(self.wrong_state("rollback"));
        };
        if pending.from == Side::Peer {
            self.last_remote = Some(pending.offer);
        }
        Ok(())
    }

    fn offer_from(&self, side: Side) -> Option<&SessionDescription> {
        let pending = self.pending.as_ref()?;
        (pending.from == side).then_some(&pending.offer)
    }

    fn settle(
        &mut self,
        offered_by: Side,
        local: SessionDescription,
        remote: SessionDescription,
        bundles: Vec<Bundle>,
    ) -> &Active {
        self.pending = None;
        self.last_remote = Some(remote.clone());
        let active = self.active.insert(Active {
            offered_by,
            local,
            remote,
            bundles,
        });
        self.payload_types.forget(|place| !active.is_in_use(place));
        active
    }

    fn write(&mut self, mut description: SessionDescription) -> SessionDescription {
        self.versions.stamp(&mut description);
        self.payload_types.record(&description.media);
        description
    }

    fn wrong_state(&self, event: &'static str) -> NegotiationError {
        let state = self.state();
        NegotiationError::WrongState { state, event }
    }
}
