//! Keys of SRTP in the session description (RFC 4568): offered, answered, agreed upon.

use super::security::SecurityError;
use offhook_rtp_media::srtp::{MasterKey, SrtpKeys, SrtpPolicy, SrtpSuite};
use offhook_sansio::Entropy;
use offhook_sdp::attribute::{Crypto, CryptoSuite, SessionParameter};
use offhook_sdp::{Attribute, Media};

/// RTP in the clear, or with SRTP where both can (RFC 8643).
const PLAIN: &str = "RTP/AVP";

/// SRTP and nothing else (RFC 3711 §12).
const SECURE: &str = "RTP/SAVP";

/// Our side of the keys: one for each suite, the same in every offer and answer of the stream.
///
/// Whoever sees the description can read the keys: without TLS below SIP this keeps out only those who see media alone.
#[derive(Debug)]
pub(super) struct Sdes {
    policy: SrtpPolicy,
    keys: Vec<MasterKey>,
}

impl Sdes {
    pub(super) fn new(policy: SrtpPolicy, entropy: &mut Entropy) -> Self {
        Self::with_suites(policy, SrtpSuite::ALL, entropy)
    }

    /// The same for who has only these suites.
    pub(super) fn with_suites(policy: SrtpPolicy, suites: &[SrtpSuite], entropy: &mut Entropy) -> Self {
        let suites = match policy {
            SrtpPolicy::Off => &[][..],
            SrtpPolicy::Optional | SrtpPolicy::Required => suites,
        };
        let keys = suites.iter().map(|suite| MasterKey::generate(*suite, entropy));
        Self {
            policy,
            keys: keys.collect(),
        }
    }

    /// Makes a section of ours an offer of keys (RFC 4568 §7.1.1).
    pub(super) fn offer(&self, section: Media) -> Media {
        let section = match self.policy {
            SrtpPolicy::Off | SrtpPolicy::Optional => section,
            SrtpPolicy::Required => section.with_protocol(SECURE),
        };
        (1u32..).zip(&self.keys).fold(section, |section, (tag, key)| {
            section.with_attribute(line(tag, key))
        })
    }

    /// True for the protocols of which [`answer`](Self::answer) knows what they ask for.
    pub(super) fn knows(offered: &Media) -> bool {
        Self::is_plain(offered) || is_secure(offered)
    }

    /// Makes a section of ours the answer to an offer: of its lines the first that we can (RFC 4568 §7.1.2).
    pub(super) fn answer(&self, offered: &Media, section: Media) -> Result<Media, SecurityError> {
        let section = section.with_protocol(offered.protocol.clone());
        match (self.policy, is_secure(offered)) {
            (SrtpPolicy::Off, true) => return Err(SecurityError::Off),
            (SrtpPolicy::Off, false) => return Ok(section),
            _ => {}
        }
        if let Some((tag, ours, _)) = self.first_usable(offered) {
            return Ok(section.with_attribute(line(tag, ours)));
        }
        let has_lines = offered.attributes.contains("crypto");
        match self.policy {
            SrtpPolicy::Optional if !is_secure(offered) => Ok(section),
            _ if has_lines => Err(SecurityError::NoCommonSuite),
            _ => Err(SecurityError::Required),
        }
    }

    /// The key that the other side would encrypt with, were this offer answered.
    pub(super) fn offered_key(&self, offered: &Media) -> Option<MasterKey> {
        self.first_usable(offered).map(|(_, _, theirs)| theirs)
    }

    /// The first line of an offer that we can: its tag, our key for it, and theirs. A line that cannot be read is one that cannot
    /// be taken; the next may do.
    fn first_usable(&self, offered: &Media) -> Option<(u32, &MasterKey, MasterKey)> {
        let mut lines = offered.attributes.all::<Crypto>().flatten();
        lines.find_map(|crypto| {
            let theirs = usable(&crypto)?;
            Some((crypto.tag, self.key(theirs.suite())?, theirs))
        })
    }

    /// The keys that an offer and its answer name; none when they agree to speak in the clear.
    pub(super) fn agree(
        &self,
        local: &Media,
        remote: &Media,
        is_offerer: bool,
    ) -> Result<Option<SrtpKeys>, SecurityError> {
        let (offer, answer) = if is_offerer {
            (local, remote)
        } else {
            (remote, local)
        };
        let Some(taken) = answer.attributes.get::<Crypto>()? else {
            return match self.policy {
                SrtpPolicy::Required => Err(SecurityError::Required),
                _ if is_secure(offer) => Err(SecurityError::WrongAnswer),
                _ => Ok(None),
            };
        };
        let offered = offer
            .attributes
            .all::<Crypto>()
            .flatten()
            .find(|crypto| crypto.tag == taken.tag && crypto.suite == taken.suite)
            .ok_or(SecurityError::WrongAnswer)?;
        let key = |crypto: &Crypto| usable(crypto).ok_or(SecurityError::WrongAnswer);
        let (offered, taken) = (key(&offered)?, key(&taken)?);
        Ok(Some(if is_offerer {
            SrtpKeys::new(offered, taken)
        } else {
            SrtpKeys::new(taken, offered)
        }))
    }

    /// True for a section that does not demand to be encrypted.
    pub(super) fn is_plain(section: &Media) -> bool {
        section.protocol.eq_ignore_ascii_case(PLAIN)
    }

    fn key(&self, suite: SrtpSuite) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.suite() == suite)
    }
}

fn is_secure(section: &Media) -> bool {
    section.protocol.eq_ignore_ascii_case(SECURE)
}

fn line(tag: u32, key: &MasterKey) -> Attribute {
    Attribute::from(&crypto(tag, key))
}

/// A key as a session description has it.
pub(super) fn crypto(tag: u32, key: &MasterKey) -> Crypto {
    let suite = CryptoSuite::from(key.suite().name());
    Crypto::new(tag, suite, key.key_and_salt())
}

/// The key of a line that asks for nothing that we lack: one key, no identifiers in packets, and no departure from what the
/// suite does (RFC 4568 §6.3). How large a replay window the peer wishes is no reason: ours is larger than most ask for.
fn usable(crypto: &Crypto) -> Option<MasterKey> {
    let suite: SrtpSuite = crypto.suite.as_str().parse().ok()?;
    let fine = crypto.parameters.iter().all(|parameter| match parameter {
        SessionParameter::WindowSizeHint(_) | SessionParameter::KeyDerivationRate(0) => true,
        SessionParameter::Other(_) => !parameter.is_mandatory(),
        _ => false,
    });
    let mut keys = crypto.inline_keys();
    match (keys.next(), keys.next()) {
        (Some(key), None) if fine && key.mki.is_none() && crypto.keys.len() == 1 => {
            MasterKey::new(suite, key.key_and_salt.as_bytes()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_sdp::MediaKind;
    use offhook_sdp::attribute::MalformedAttribute;

    fn section() -> Media {
        Media::new(MediaKind::Audio, 4000, PLAIN)
    }

    fn sdes(policy: SrtpPolicy, seed: u64) -> Sdes {
        Sdes::new(policy, &mut Entropy::from_number(seed))
    }

    #[test]
    fn every_pair_of_policies_agrees_or_says_why_not() {
        use SrtpPolicy::{Off, Optional, Required};
        for (offerer, answerer, encrypted) in [
            (Off, Off, Ok(false)),
            (Off, Optional, Ok(false)),
            (Off, Required, Err(SecurityError::Required)),
            (Optional, Off, Ok(false)),
            (Optional, Optional, Ok(true)),
            (Optional, Required, Ok(true)),
            (Required, Off, Err(SecurityError::Off)),
            (Required, Optional, Ok(true)),
            (Required, Required, Ok(true)),
        ] {
            let (one, other) = (sdes(offerer, 1), sdes(answerer, 2));
            let offer = one.offer(section());
            let answer = match other.answer(&offer, section()) {
                Ok(answer) => answer,
                Err(error) => {
                    assert_eq!(Err(error), encrypted, "{offerer:?} {answerer:?}");
                    continue;
                }
            };
            assert_eq!(answer.protocol, offer.protocol);
            let ours = one.agree(&offer, &answer, true).unwrap();
            let theirs = other.agree(&answer, &offer, false).unwrap();
            assert_eq!(Ok(ours.is_some()), encrypted, "{offerer:?} {answerer:?}");
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                assert_eq!((&ours.local, &ours.remote), (&theirs.remote, &theirs.local));
                assert_ne!(ours.local, ours.remote);
            }
        }
    }

    #[test]
    fn the_first_line_that_we_can_is_taken() {
        const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
        let suite = "AES_CM_128_HMAC_SHA1_80";
        let check = |lines: &[String], taken: Option<u32>| {
            let offer = lines.iter().fold(section(), |section, line| {
                section.with_attribute(Attribute::with_value("crypto", line.as_str()))
            });
            let answer = sdes(SrtpPolicy::Optional, 1).answer(&offer, section()).unwrap();
            let tag = answer
                .attributes
                .get::<Crypto>()
                .unwrap()
                .map(|crypto| crypto.tag);
            assert_eq!(tag, taken, "{lines:?}");
        };
        check(&[format!("7 {suite} inline:{KEY}|2^31")], Some(7));
        check(&[format!("1 {suite} inline:{KEY} WSH=64 KDR=0 -SOME=1")], Some(1));
        for passed_over in [
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 {suite} inline:{KEY}|2^20|1:4"),
            format!("1 {suite} inline:{KEY};inline:{KEY}"),
            format!("1 {suite} inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 {suite} inline:{KEY} UNENCRYPTED_SRTCP"),
            format!("1 {suite} inline:{KEY} UNAUTHENTICATED_SRTP"),
            format!("1 {suite} inline:{KEY} KDR=3"),
            format!("1 {suite} inline:{KEY} MUST"),
            format!("1 {suite} inline:short"),
        ] {
            check(std::slice::from_ref(&passed_over), None);
            check(&[passed_over, format!("2 {suite} inline:{KEY}")], Some(2));
        }
    }

    #[test]
    fn an_answer_that_was_not_offered_is_no_agreement() {
        let (one, other) = (sdes(SrtpPolicy::Required, 1), sdes(SrtpPolicy::Required, 2));
        let offer = one.offer(section());
        let right = other.answer(&offer, section()).unwrap();
        assert!(one.agree(&offer, &right, true).is_ok());
        let with = |line: &str| {
            let section = section().with_protocol(SECURE);
            section.with_attribute(Attribute::with_value("crypto", line))
        };
        let taken = right.attributes.get::<Crypto>().unwrap().unwrap().to_string();
        for (answer, error) in [
            (section().with_protocol(SECURE), SecurityError::Required),
            (with(&format!("9{taken}")), SecurityError::WrongAnswer),
            (with(&taken.replacen("80", "32", 1)), SecurityError::WrongAnswer),
            (
                with(&format!("{taken} UNENCRYPTED_SRTP")),
                SecurityError::WrongAnswer,
            ),
            (
                with("nonsense"),
                SecurityError::Malformed(MalformedAttribute("crypto")),
            ),
        ] {
            assert_eq!(one.agree(&offer, &answer, true), Err(error));
        }
    }

    #[test]
    fn an_offer_repeats_its_keys() {
        let sdes = sdes(SrtpPolicy::Optional, 1);
        assert_eq!(sdes.offer(section()), sdes.offer(section()));
        assert_eq!(
            sdes.offer(section()).attributes.all::<Crypto>().count(),
            SrtpSuite::ALL.len()
        );
        assert_eq!(sdes.offer(section()).protocol, PLAIN);
    }
}
