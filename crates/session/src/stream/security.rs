//! Whether a stream is encrypted, and by which of the two ways its keys are had: in the session description (RFC 4568), or by
//! DTLS where media flows (RFC 5763).

use super::dtls::{Dtls, Remote};
use super::sdes::Sdes;
use offhook_rtp_media::SrtpKeying;
use offhook_rtp_media::dtls::{CertificateError, DtlsCertificate, DtlsFailure, DtlsRole};
use offhook_rtp_media::srtp::SrtpPolicy;
use offhook_sansio::Entropy;
use offhook_sdp::attribute::MalformedAttribute;
use offhook_sdp::{Media, Protocol, SessionDescription};

/// What DTLS-SRTP and nothing else is offered as (RFC 5764 §9).
const DTLS: &str = "UDP/TLS/RTP/SAVP";

/// Why the two sides do not agree on encryption, or why what they agreed on failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// We demand SRTP, and the other side has none.
    #[error("encryption is required here, and the other side has none")]
    Required,
    /// The other side demands SRTP, and ours is switched off.
    #[error("the other side requires encryption, and ours is off")]
    Off,
    /// None of the other side's crypto lines is one that we have.
    #[error("no crypto suite in common")]
    NoCommonSuite,
    /// A line of the other side about its keys cannot be read.
    #[error(transparent)]
    Malformed(#[from] MalformedAttribute),
    /// The answer takes none of the lines that were offered.
    #[error("the answer takes none of the offered keys")]
    WrongAnswer,
    /// The other side wants DTLS and names no certificate by a hash function that is good enough.
    #[error("the other side names no certificate for DTLS")]
    NoFingerprint,
    /// The other side says nothing, or nothing that fits, about who begins.
    #[error("it is not agreed on who begins the DTLS handshake")]
    NoRole,
    /// There is no certificate of ours.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The handshake gave no keys.
    #[error(transparent)]
    Handshake(#[from] DtlsFailure),
}

/// What is wished for each of the two ways.
///
/// What is required excludes what is not: with [`dtls`](Self::dtls) required and [`sdes`](Self::sdes) optional no key is ever
/// in a session description. With both required either will do in an answer, and an offer asks for DTLS. What is optional in
/// both is offered in `RTP/AVP` with the lines of both (RFC 8643), and an answerer that can do both takes DTLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policies {
    pub(super) sdes: SrtpPolicy,
    pub(super) dtls: SrtpPolicy,
}

impl Policies {
    /// What is left of both wishes.
    fn effective(self) -> Self {
        let unless = |policy: SrtpPolicy, other: SrtpPolicy| {
            let excluded = other == SrtpPolicy::Required && policy != SrtpPolicy::Required;
            if excluded { SrtpPolicy::Off } else { policy }
        };
        Self {
            sdes: unless(self.sdes, self.dtls),
            dtls: unless(self.dtls, self.sdes),
        }
    }

    /// Whether any certificate of ours is needed.
    pub(super) fn wants_dtls(self) -> bool {
        self.effective().dtls != SrtpPolicy::Off
    }
}

/// Our side of it, the same in every offer and answer of a stream.
#[derive(Debug)]
pub(super) struct Security {
    policies: Policies,
    sdes: Sdes,
    dtls: Option<Dtls>,
    /// Who began the handshake whose keys are in use: who is not to change without a new one (RFC 8842 §5.3).
    role: Option<DtlsRole>,
}

impl Security {
    /// `certificate` is for DTLS; without one there is none.
    pub(super) fn new(
        policies: Policies,
        certificate: Option<DtlsCertificate>,
        entropy: &mut Entropy,
    ) -> Self {
        let policies = policies.effective();
        Self {
            policies,
            sdes: Sdes::new(policies.sdes, entropy),
            dtls: certificate.map(Dtls::new),
            role: None,
        }
    }

    /// True for the protocols of which [`answer`](Self::answer) knows what they ask for.
    pub(super) fn knows(offered: &Media) -> bool {
        Sdes::knows(offered) || is_dtls(offered)
    }

    /// Adds to a section of ours what is offered.
    pub(super) fn offer(&self, section: Media) -> Media {
        match &self.dtls {
            None => self.sdes.offer(section),
            Some(dtls) if self.policies.dtls == SrtpPolicy::Required => {
                dtls.offer(section.with_protocol(DTLS))
            }
            Some(dtls) => dtls.offer(self.sdes.offer(section)),
        }
    }

    /// Makes a section of ours the answer to one that is offered.
    pub(super) fn answer(
        &self,
        offered: &Media,
        session: &SessionDescription,
        section: Media,
    ) -> Result<Media, SecurityError> {
        let Some(dtls) = &self.dtls else {
            return if is_dtls(offered) {
                Err(SecurityError::Off)
            } else {
                self.sdes.answer(offered, section)
            };
        };
        let takes_handshake = is_dtls(offered) || Sdes::is_plain(offered);
        if takes_handshake && let Some(remote) = Remote::read(offered, session)? {
            let section = section.with_protocol(offered.protocol.clone());
            return Ok(dtls.answer(&remote, self.role, section));
        }
        self.without_handshake()?;
        self.sdes.answer(offered, section)
    }

    /// Where the keys come from, as an offer and its answer agree; none when they agree to speak in the clear.
    pub(super) fn agree(
        &self,
        (local, remote): (&Media, &Media),
        remote_session: &SessionDescription,
        is_offerer: bool,
    ) -> Result<Option<SrtpKeying>, SecurityError> {
        let answer = if is_offerer { remote } else { local };
        let may_shake = (is_dtls(answer) || Sdes::is_plain(answer)) && Dtls::is_offered_in(local);
        if let Some(dtls) = self.dtls.as_ref().filter(|_| may_shake)
            && let Some(remote) = Remote::read(remote, remote_session)?
        {
            return Ok(Some(SrtpKeying::Dtls(dtls.agree(local, remote, is_offerer)?)));
        }
        if is_dtls(answer) {
            return Err(SecurityError::WrongAnswer);
        }
        self.without_handshake()?;
        let keys = self.sdes.agree(local, remote, is_offerer)?;
        Ok(keys.map(SrtpKeying::Keys))
    }

    /// Remembers who begins.
    pub(super) fn settle(&mut self, keying: Option<&SrtpKeying>) {
        self.role = match keying {
            Some(SrtpKeying::Dtls(parameters)) => Some(parameters.role),
            _ => None,
        };
    }

    /// Whether an offer that comes could be answered.
    pub(super) fn could_answer(&self, offered: &Media, session: &SessionDescription) -> bool {
        let section = Media::new(offered.kind.clone(), offered.port, offered.protocol.clone());
        Self::knows(offered) && self.answer(offered, session, section).is_ok()
    }

    /// Without DTLS there may still be SDES, unless DTLS alone was demanded.
    fn without_handshake(&self) -> Result<(), SecurityError> {
        if self.policies.dtls == SrtpPolicy::Required && self.policies.sdes != SrtpPolicy::Required {
            return Err(SecurityError::Required);
        }
        Ok(())
    }
}

/// Whether a section asks for DTLS-SRTP by its protocol.
pub(super) fn is_dtls(section: &Media) -> bool {
    Protocol::from(section.protocol.as_str()).is_dtls_srtp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use SrtpPolicy::{Off, Optional, Required};
    use offhook_sdp::MediaKind;
    use offhook_sdp::attribute::Setup;

    fn section() -> Media {
        Media::new(MediaKind::Audio, 4000, "RTP/AVP")
    }

    fn session() -> SessionDescription {
        SessionDescription::new(1, [192, 0, 2, 1].into())
    }

    fn security(sdes: SrtpPolicy, dtls: SrtpPolicy, seed: u64) -> Security {
        let policies = Policies { sdes, dtls };
        let certificate = policies
            .wants_dtls()
            .then(|| DtlsCertificate::generate().unwrap());
        Security::new(policies, certificate, &mut Entropy::from_number(seed))
    }

    /// How a call between two policies ends: by DTLS, by SDES, in the clear, or not at all.
    fn call(one: &Security, other: &Security) -> Result<Option<&'static str>, SecurityError> {
        let (session, offer) = (session(), one.offer(section()));
        assert_eq!(
            other.could_answer(&offer, &session),
            other.answer(&offer, &session, section()).is_ok()
        );
        let answer = other.answer(&offer, &session, section())?;
        assert_eq!(answer.protocol, offer.protocol);
        let ours = one.agree((&offer, &answer), &session, true)?;
        let theirs = other.agree((&answer, &offer), &session, false)?;
        Ok(match (ours, theirs) {
            (None, None) => None,
            (Some(SrtpKeying::Keys(ours)), Some(SrtpKeying::Keys(theirs))) => {
                assert_eq!(ours.local, theirs.remote);
                Some("sdes")
            }
            (Some(SrtpKeying::Dtls(ours)), Some(SrtpKeying::Dtls(theirs))) => {
                assert_eq!(
                    (ours.role, theirs.role),
                    (DtlsRole::Server, DtlsRole::Client),
                    "the answerer begins"
                );
                let named = |named: &offhook_rtp_media::dtls::DtlsParameters, by: &DtlsCertificate| {
                    named.fingerprints == [by.fingerprint(offhook_rtp_media::dtls::FingerprintHash::Sha256)]
                };
                assert!(named(&ours, &theirs.certificate) && named(&theirs, &ours.certificate));
                Some("dtls")
            }
            (ours, theirs) => panic!("{ours:?} {theirs:?}"),
        })
    }

    #[test]
    fn every_pair_of_policies_agrees_or_says_why_not() {
        let plain = Ok(None);
        let (sdes, dtls) = (Ok(Some("sdes")), Ok(Some("dtls")));
        for ((one_sdes, one_dtls), (other_sdes, other_dtls), outcome) in [
            ((Off, Optional), (Off, Off), plain),
            ((Off, Off), (Off, Optional), plain),
            ((Off, Optional), (Off, Optional), dtls),
            ((Off, Optional), (Optional, Off), plain),
            ((Optional, Optional), (Off, Optional), dtls),
            ((Optional, Optional), (Optional, Off), sdes),
            ((Optional, Optional), (Optional, Optional), dtls),
            ((Optional, Optional), (Required, Off), sdes),
            ((Optional, Optional), (Off, Required), dtls),
            ((Optional, Off), (Off, Required), Err(SecurityError::Required)),
            ((Off, Required), (Off, Off), Err(SecurityError::Off)),
            ((Off, Required), (Optional, Off), Err(SecurityError::Off)),
            ((Optional, Required), (Optional, Optional), dtls),
            ((Off, Required), (Off, Required), dtls),
            ((Required, Off), (Off, Required), Err(SecurityError::Required)),
            ((Required, Off), (Required, Required), sdes),
            ((Required, Required), (Off, Optional), dtls),
            ((Required, Optional), (Optional, Optional), sdes),
        ] {
            let (one, other) = (
                security(one_sdes, one_dtls, 1),
                security(other_sdes, other_dtls, 2),
            );
            assert_eq!(
                call(&one, &other),
                outcome,
                "{one_sdes:?} {one_dtls:?} {other_sdes:?} {other_dtls:?}"
            );
        }
    }

    #[test]
    fn an_offer_for_dtls_alone_says_so() {
        let offer = security(Optional, Required, 1).offer(section());
        assert_eq!(offer.protocol, "UDP/TLS/RTP/SAVP");
        assert_eq!(offer.attributes.get::<Setup>(), Ok(Some(Setup::ActPass)));
        assert!(offer.attributes.rtcp_mux());
        assert!(!offer.to_string().contains("crypto"));
    }

    #[test]
    fn who_began_begins_again() {
        let (mut one, mut other) = (security(Off, Required, 1), security(Off, Required, 2));
        let offer = one.offer(section());
        let answer = other.answer(&offer, &session(), section()).unwrap();
        let ours = one.agree((&offer, &answer), &session(), true).unwrap();
        let theirs = other.agree((&answer, &offer), &session(), false).unwrap();
        one.settle(ours.as_ref());
        other.settle(theirs.as_ref());
        // Now the other side offers.
        let offer = other.offer(section());
        let answer = one.answer(&offer, &session(), section()).unwrap();
        assert_eq!(answer.attributes.get::<Setup>(), Ok(Some(Setup::Passive)));
        assert_eq!(one.agree((&answer, &offer), &session(), false), Ok(ours));
    }

    #[test]
    fn what_lacks_a_certificate_or_a_role_is_refused() {
        let security = security(Off, Optional, 1);
        let dtls = |lines: &[(&str, &str)]| {
            lines
                .iter()
                .fold(section().with_protocol(DTLS), |section, (name, value)| {
                    section.with_attribute(offhook_sdp::Attribute::with_value(*name, *value))
                })
        };
        let sha1 = "sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33";
        let sha256 = format!("sha-256 {}", ["AB"; 32].join(":"));
        for (lines, outcome) in [
            (&[][..], Err(SecurityError::NoFingerprint)),
            (&[("fingerprint", sha1)], Err(SecurityError::NoFingerprint)),
            (&[("fingerprint", "nonsense")], Err(SecurityError::NoFingerprint)),
            (&[("fingerprint", &sha256)], Ok(())),
            (
                &[("fingerprint", &sha256), ("setup", "holdconn")],
                Err(SecurityError::NoRole),
            ),
            (
                &[("fingerprint", &sha256), ("setup", "sideways")],
                Err(SecurityError::Malformed(MalformedAttribute("setup"))),
            ),
            (&[("fingerprint", sha1), ("fingerprint", &sha256)], Ok(())),
        ] {
            let answer = security.answer(&dtls(lines), &session(), section());
            assert_eq!(answer.map(drop), outcome, "{lines:?}");
        }
    }
}
