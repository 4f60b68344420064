//! Master keys, and the session keys that are derived from them.

use super::SrtpSuite;
use super::cm::Aes;
use offhook_sansio::Entropy;
use std::fmt;
use zeroize::Zeroizing;

/// Octets of the longest master key with its salt.
const LONGEST: usize = 32 + 14;

/// A master key has the wrong length. The peer's fault when it came by signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{suite} needs a key and salt of {need} octets, got {have}")]
pub struct KeyLengthError {
    /// The suite that the key was for.
    pub suite: SrtpSuite,
    /// Octets that it needs.
    pub need: usize,
    /// Octets that were given.
    pub have: usize,
}

/// A master key with its master salt (RFC 3711 §3.2.1). It is wiped from memory when dropped, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: SrtpSuite,
    /// Key, then salt, then zeros.
    octets: Zeroizing<[u8; LONGEST]>,
}

impl MasterKey {
    /// From the key followed by the salt: what the `inline:` of a `crypto` attribute holds in base 64 (RFC 4568 §6.1).
    ///
    /// # Errors
    /// When the length is not the suite's.
    pub fn new(suite: SrtpSuite, key_and_salt: &[u8]) -> Result<Self, KeyLengthError> {
        let need = suite.key_len() + suite.salt_len();
        let have = key_and_salt.len();
        if have != need {
            return Err(KeyLengthError { suite, need, have });
        }
        let mut octets = Zeroizing::new([0; LONGEST]);
        octets[..need].copy_from_slice(key_and_salt);
        Ok(Self { suite, octets })
    }

    /// A fresh one.
    pub fn generate(suite: SrtpSuite, entropy: &mut Entropy) -> Self {
        let mut octets = Zeroizing::new([0; LONGEST]);
        entropy.fill(&mut octets[..suite.key_len() + suite.salt_len()]);
        Self { suite, octets }
    }

    /// What it is for.
    pub fn suite(&self) -> SrtpSuite {
        self.suite
    }

    /// Key followed by salt. Secret: for the `crypto` attribute only.
    pub fn key_and_salt(&self) -> &[u8] {
        &self.octets[..self.suite.key_len() + self.suite.salt_len()]
    }

    fn key(&self) -> &[u8] {
        &self.octets[..self.suite.key_len()]
    }

    /// Derives a session key (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11), with a key derivation rate of zero.
    pub(super) fn derive<const N: usize>(&self, label: Label) -> Zeroizing<[u8; N]> {
        // The shorter salt of the AEAD suites is filled up with zeros on the right.
        let mut counter = [0; 16];
        let salt = &self.octets[self.suite.key_len()..][..self.suite.salt_len()];
        counter[..salt.len()].copy_from_slice(salt);
        counter[7] ^= label as u8;
        let mut derived = Zeroizing::new([0; N]);
        Aes::new(self.key()).xor_keystream(counter, &mut *derived);
        derived
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

/// What a session key is for (RFC 3711 §4.3.1, §4.3.2).
#[derive(Clone, Copy, Debug)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

#[cfg(test)]
mod tests {
    use super::super::hex::hex;
    use super::*;

    #[test]
    fn session_keys_are_those_of_rfc_3711_b3() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let master = MasterKey::new(SrtpSuite::AesCm128HmacSha1_80, &master).unwrap();
        assert_eq!(
            master.derive::<16>(Label::RtpEncryption)[..],
            hex("C61E7A93744F39EE10734AFE3FF7A087")
        );
        assert_eq!(
            master.derive::<14>(Label::RtpSalt)[..],
            hex("30CBBC08863D8C85D49DB34A9AE1")
        );
        let authentication = hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE
            E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25
            6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2");
        assert_eq!(master.derive::<94>(Label::RtpAuthentication)[..], authentication);
    }

    #[test]
    fn session_keys_are_those_of_rfc_6188_7_2() {
        let master = hex("f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6
            3b04803de51ee7c96423ab5b78d2");
        let master = MasterKey::new(SrtpSuite::AesCm256HmacSha1_80, &master).unwrap();
        assert_eq!(
            master.derive::<32>(Label::RtpEncryption)[..],
            hex("5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4")
        );
        assert_eq!(
            master.derive::<14>(Label::RtpSalt)[..],
            hex("fa31791685ca444a9e07c6c64e93")
        );
        assert_eq!(
            master.derive::<20>(Label::RtpAuthentication)[..],
            hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05")
        );
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused_and_never_printed() {
        for &suite in SrtpSuite::ALL {
            let need = suite.key_len() + suite.salt_len();
            for have in [0, need - 1, need + 1, 1000] {
                let refused = MasterKey::new(suite, &vec![7; have]);
                assert_eq!(refused, Err(KeyLengthError { suite, need, have }));
            }
            let key = MasterKey::new(suite, &vec![0xab; need]).unwrap();
            assert_eq!(key.key_and_salt(), vec![0xab; need]);
            assert!(!format!("{key:?}").contains("171"));
        }
    }
}
