//! The transport of RTP: a pair of ports, and what is agreed on their use (`RTPTransport` of the documents).

use super::security::{Policies, Security, SecurityError};
use crate::media::{LocalMedia, MediaCommand, MediaPlane, OpenError};
use offhook_rtp_media::SrtpKeying;
use offhook_rtp_media::srtp::SrtpPolicy;
use offhook_sdp::{Media, SessionDescription};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Where a [`RtpTransport`] stands. The states of STUN, `WAIT_STUN` and `STUN_FAILED`, lie between NULL and INIT and come with ICE.
///
/// ```text
///          set_init           set_local              set_established
///   NULL ------------> INIT ------------> LOCAL ---------------------> ESTABLISHED
///                      |  ^                 |                          |   ^
///                      |  +--- set_init ----+-------- set_init --------+   |
///                      +------------------- set_established --------------+
///
///   any ---- close ----> INVALID
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtpTransportState {
    /// It was made, and has no ports.
    Null,
    /// It has ports, and nothing is agreed.
    Init,
    /// Our offer is made.
    Local,
    /// Both sides agree.
    Established,
    /// Its ports are given back: it cannot be used any more.
    Invalid,
}

impl fmt::Display for RtpTransportState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Init => "INIT",
            Self::Local => "LOCAL",
            Self::Established => "ESTABLISHED",
            Self::Invalid => "INVALID",
        })
    }
}

/// Why a transport did not do what it was told; its state is what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpTransportError {
    /// The caller asked for what the state does not allow.
    #[error("{method} in state {state}")]
    WrongState {
        /// The state it is in.
        state: RtpTransportState,
        /// The method called.
        method: &'static str,
    },
    /// A description has no such section, or refuses it.
    #[error("no media section {0} that is in use")]
    NoSection(usize),
    /// The other side's section names no address that could be sent to.
    #[error("the session description has no usable address")]
    NoAddress,
    /// There are no ports.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The two sides do not agree on encryption.
    #[error(transparent)]
    Security(#[from] SecurityError),
}

/// A pair of ports for RTP and RTCP (`RTPTransport` of the documents), and what the session descriptions that pass through it agree
/// on: where to send, and the keys.
///
/// [`AudioStream`](super::AudioStream) has one inside. It serves by itself where there is no session: who offers calls
/// [`set_local`](Self::set_local) with the description that is to be sent, which may add keys to it, and
/// [`set_established`](Self::set_established) with both descriptions once the answer is there; who answers calls `set_established`
/// alone, which may add keys to the answer.
#[derive(Debug)]
pub struct RtpTransport {
    state: RtpTransportState,
    policies: Policies,
    security: Option<Security>,
    local: Option<LocalMedia>,
    remote_rtp: Option<SocketAddr>,
    keying: Option<SrtpKeying>,
}

impl RtpTransport {
    /// A transport without ports yet, in state NULL, with these answers to whether it is encrypted: with keys in the session
    /// description (RFC 4568), with keys by DTLS (RFC 5763).
    pub fn new(srtp: SrtpPolicy, dtls_srtp: SrtpPolicy) -> Self {
        Self {
            state: RtpTransportState::Null,
            policies: Policies {
                sdes: srtp,
                dtls: dtls_srtp,
            },
            security: None,
            local: None,
            remote_rtp: None,
            keying: None,
        }
    }

    /// Opens the ports; from LOCAL and ESTABLISHED it forgets what was offered and agreed, and keeps them for something else. Does
    /// nothing in INIT.
    ///
    /// # Errors
    /// When there are no ports, no certificate can be made, or the transport was closed.
    pub fn set_init(&mut self, plane: &mut dyn MediaPlane, local: IpAddr) -> Result<(), RtpTransportError> {
        match self.state {
            RtpTransportState::Invalid => return Err(self.wrong_state("set_init")),
            RtpTransportState::Init => return Ok(()),
            RtpTransportState::Null | RtpTransportState::Local | RtpTransportState::Established => {}
        }
        // Other keys, too: those of before were for somebody else.
        let certificate = self
            .policies
            .wants_dtls()
            .then(|| plane.certificate())
            .transpose();
        let certificate = certificate.map_err(SecurityError::from)?;
        let security = Security::new(self.policies, certificate, &mut plane.entropy());
        if self.local.is_none() {
            self.local = Some(plane.open(local)?);
        }
        self.security = Some(security);
        self.remote_rtp = None;
        self.keying = None;
        self.state = RtpTransportState::Init;
        Ok(())
    }

    /// Our offer, whose section `index` is for this transport: keys are added to it as the policies say.
    ///
    /// # Errors
    /// In a state other than INIT, and when the section is not there or refused.
    pub fn set_local(
        &mut self,
        local_sdp: &mut SessionDescription,
        index: usize,
    ) -> Result<(), RtpTransportError> {
        if self.state != RtpTransportState::Init {
            return Err(self.wrong_state("set_local"));
        }
        let section = local_sdp
            .media
            .get_mut(index)
            .filter(|media| !media.is_rejected());
        let section = section.ok_or(RtpTransportError::NoSection(index))?;
        *section = self.offer(section.clone());
        self.state = RtpTransportState::Local;
        Ok(())
    }

    /// What both sides agreed on. From INIT, `remote_sdp` is their offer and `local_sdp` our answer, to which keys are added; from
    /// LOCAL, `local_sdp` is our offer and `remote_sdp` their answer, and nothing is changed.
    ///
    /// # Errors
    /// In another state, when a section is not there or refused, when it names no address, and when the two sides do not
    /// agree on encryption.
    pub fn set_established(
        &mut self,
        local_sdp: &mut SessionDescription,
        remote_sdp: &SessionDescription,
        index: usize,
    ) -> Result<(), RtpTransportError> {
        let is_offerer = match self.state {
            RtpTransportState::Init => false,
            RtpTransportState::Local => true,
            _ => return Err(self.wrong_state("set_established")),
        };
        let in_use = |sdp: &SessionDescription| {
            let section = sdp.media.get(index).filter(|media| !media.is_rejected());
            section.cloned().ok_or(RtpTransportError::NoSection(index))
        };
        let (mut local, remote) = (in_use(local_sdp)?, in_use(remote_sdp)?);
        if !is_offerer {
            local = self.answer(&remote, remote_sdp, local)?;
        }
        let keying = self.agree((&local, &remote), remote_sdp, is_offerer)?;
        let remote_rtp = remote
            .media_address(remote_sdp)
            .ok_or(RtpTransportError::NoAddress)?;
        local_sdp.media[index] = local;
        self.establish(remote_rtp, keying);
        Ok(())
    }

    /// Gives the ports back. Does nothing the second time.
    pub fn close(&mut self, plane: &mut dyn MediaPlane) {
        if let Some(LocalMedia { stream, .. }) = self.local.take() {
            plane.send(MediaCommand::Stop { stream });
        }
        self.state = RtpTransportState::Invalid;
        self.security = None;
        self.keying = None;
        self.remote_rtp = None;
    }

    /// The state.
    pub fn state(&self) -> RtpTransportState {
        self.state
    }

    /// The ports (`local_rtp_address`, `local_rtp_port`), while there are any.
    pub fn local(&self) -> Option<LocalMedia> {
        self.local
    }

    /// Where the other side's description says that RTP goes (`remote_rtp_address_sdp`, `remote_rtp_port_sdp`), in ESTABLISHED.
    pub fn remote_rtp(&self) -> Option<SocketAddr> {
        self.remote_rtp
    }

    /// Where the keys come from, in ESTABLISHED and where both sides encrypt: what
    /// [`AudioConfig::srtp`](offhook_rtp_media::AudioConfig::srtp) takes.
    pub fn keying(&self) -> Option<&SrtpKeying> {
        self.keying.as_ref()
    }

    /// Whether it is encrypted with keys in the session description (`use_srtp`, `force_srtp`).
    pub fn srtp_policy(&self) -> SrtpPolicy {
        self.policies.sdes
    }

    /// Whether it is encrypted with keys by DTLS.
    pub fn dtls_srtp_policy(&self) -> SrtpPolicy {
        self.policies.dtls
    }

    /// Adds to a section of ours what is offered.
    pub(super) fn offer(&self, section: Media) -> Media {
        match &self.security {
            Some(security) => security.offer(section),
            None => section,
        }
    }

    /// Makes a section of ours the answer to one that is offered.
    pub(super) fn answer(
        &self,
        offered: &Media,
        session: &SessionDescription,
        section: Media,
    ) -> Result<Media, RtpTransportError> {
        Ok(self.security("answer")?.answer(offered, session, section)?)
    }

    /// Where the keys come from, as an offer and its answer agree.
    pub(super) fn agree(
        &self,
        sections: (&Media, &Media),
        remote: &SessionDescription,
        is_offerer: bool,
    ) -> Result<Option<SrtpKeying>, RtpTransportError> {
        Ok(self.security("agree")?.agree(sections, remote, is_offerer)?)
    }

    /// Keeps what was agreed, the first time or anew.
    pub(super) fn establish(&mut self, remote_rtp: SocketAddr, keying: Option<SrtpKeying>) {
        if let Some(security) = &mut self.security {
            security.settle(keying.as_ref());
        }
        self.remote_rtp = Some(remote_rtp);
        self.keying = keying;
        self.state = RtpTransportState::Established;
    }

    /// Whether an offer that comes could be answered.
    pub(super) fn could_answer(&self, offered: &Media, session: &SessionDescription) -> bool {
        let security = self.security.as_ref();
        security.is_some_and(|security| security.could_answer(offered, session))
    }

    fn security(&self, method: &'static str) -> Result<&Security, RtpTransportError> {
        self.security.as_ref().ok_or_else(|| self.wrong_state(method))
    }

    fn wrong_state(&self, method: &'static str) -> RtpTransportError {
        let state = self.state;
        RtpTransportError::WrongState { state, method }
    }
}
