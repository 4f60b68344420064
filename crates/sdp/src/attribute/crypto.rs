//! `a=crypto`: keys of SRTP in the description (RFC 4568).

use super::base64;
use super::lex::{decimal, is_token, is_visible, write_separated};
use super::typed::{tokens, typed_attribute};
use crate::Text;
use std::fmt;

/// One way to protect a stream, with its keys (RFC 4568 §4).
///
/// A line with a key of the wrong length for its suite is malformed. Whoever can read the description can read the
/// keys: send it over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Up to nine digits, different for each line of a section; an answer repeats that of the line it takes
    /// (RFC 4568 §5.1).
    pub tag: u32,
    /// The suite of ciphers.
    pub suite: CryptoSuite,
    /// The keys: at least one, at most [`Crypto::MAX_KEYS`].
    pub keys: Vec<KeyParameter>,
    /// Parameters of the session, at most [`Crypto::MAX_PARAMETERS`].
    pub parameters: Vec<SessionParameter>,
}

tokens! {
    /// What encrypts and authenticates (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.2).
    CryptoSuite {
        /// AES in counter mode with 128 bits, tags of 80 bits. All must have it.
        AesCm128HmacSha1_80 = "AES_CM_128_HMAC_SHA1_80",
        /// AES in counter mode with 128 bits, tags of 32 bits.
        AesCm128HmacSha1_32 = "AES_CM_128_HMAC_SHA1_32",
        /// AES in f8 mode with 128 bits, tags of 80 bits.
        F8_128HmacSha1_80 = "F8_128_HMAC_SHA1_80",
        /// AES in counter mode with 192 bits, tags of 80 bits.
        Aes192CmHmacSha1_80 = "AES_192_CM_HMAC_SHA1_80",
        /// AES in counter mode with 192 bits, tags of 32 bits.
        Aes192CmHmacSha1_32 = "AES_192_CM_HMAC_SHA1_32",
        /// AES in counter mode with 256 bits, tags of 80 bits.
        Aes256CmHmacSha1_80 = "AES_256_CM_HMAC_SHA1_80",
        /// AES in counter mode with 256 bits, tags of 32 bits.
        Aes256CmHmacSha1_32 = "AES_256_CM_HMAC_SHA1_32",
        /// AES in Galois counter mode with 128 bits.
        AeadAes128Gcm = "AEAD_AES_128_GCM",
        /// AES in Galois counter mode with 256 bits.
        AeadAes256Gcm = "AEAD_AES_256_GCM",
    }
}

impl CryptoSuite {
    /// Bytes of master key and salt together; `None` for a suite that we do not know.
    pub fn key_and_salt_len(&self) -> Option<usize> {
        Some(match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::F8_128HmacSha1_80 => 16 + 14,
            Self::Aes192CmHmacSha1_80 | Self::Aes192CmHmacSha1_32 => 24 + 14,
            Self::Aes256CmHmacSha1_80 | Self::Aes256CmHmacSha1_32 => 32 + 14,
            Self::AeadAes128Gcm => 16 + 12,
            Self::AeadAes256Gcm => 32 + 12,
            Self::Other(_) => return None,
        })
    }
}

/// One key of a [`Crypto`] line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyParameter {
    /// `inline:`, the method of SRTP (RFC 4568 §6.1).
    Inline(InlineKey),
    /// Another method, whole: `<method>:<info>`. A line of which no key is inline cannot be used.
    Other(Text),
}

/// Master key and salt with what limits them (RFC 4568 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineKey {
    /// Key and salt, in this order without anything between.
    pub key_and_salt: KeyMaterial,
    /// For how many packets the key may be used: 1 to 2^48. `None` is the most that the suite allows.
    pub lifetime: Option<u64>,
    /// Which key this is, when packets say it (RFC 3711 §3.1).
    pub mki: Option<MasterKeyIdentifier>,
}

/// A master key identifier and how many bytes it takes in each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MasterKeyIdentifier {
    /// The number. Longer ones than 64 bits are not read.
    pub value: u64,
    /// 1 to 128 bytes; the value fits.
    pub len: u8,
}

/// Secret bytes: `Debug` shows how many they are, not which.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMaterial(Box<[u8]>);

impl KeyMaterial {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for KeyMaterial {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyMaterial({} bytes)", self.0.len())
    }
}

/// How the session departs from what the suite does (RFC 4568 §6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionParameter {
    /// `KDR=n`: keys are derived anew each 2^n packets, n from 0 to 24.
    KeyDerivationRate(u8),
    /// `UNENCRYPTED_SRTP`.
    UnencryptedSrtp,
    /// `UNENCRYPTED_SRTCP`.
    UnencryptedSrtcp,
    /// `UNAUTHENTICATED_SRTP`.
    UnauthenticatedSrtp,
    /// `FEC_ORDER`: true when error correction comes before encryption at the sender.
    FecFirst(bool),
    /// `FEC_KEY`: keys of the error correction's own stream.
    FecKey(Vec<KeyParameter>),
    /// `WSH`: how large a replay window the receiver needs, at least 64.
    WindowSizeHint(u32),
    /// An extension. See [`is_mandatory`](Self::is_mandatory).
    Other(Text),
}

impl SessionParameter {
    /// True for an unknown parameter that forbids to take the line: one without a leading dash (RFC 4568 §6.3.7).
    pub fn is_mandatory(&self) -> bool {
        matches!(self, Self::Other(text) if !text.starts_with('-'))
    }

    fn read(word: &str) -> Option<Self> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        Some(match name {
            "KDR" => Self::KeyDerivationRate(decimal(value).filter(|rate| *rate <= 24)?),
            "UNENCRYPTED_SRTP" => Self::UnencryptedSrtp,
            "UNENCRYPTED_SRTCP" => Self::UnencryptedSrtcp,
            "UNAUTHENTICATED_SRTP" => Self::UnauthenticatedSrtp,
            "FEC_ORDER" if value == "FEC_SRTP" => Self::FecFirst(true),
            "FEC_ORDER" if value == "SRTP_FEC" => Self::FecFirst(false),
            "FEC_KEY" => Self::FecKey(read_keys(value)?),
            "WSH" => Self::WindowSizeHint(decimal(value).filter(|size| *size >= 64)?),
            "FEC_ORDER" => return None,
            _ if is_visible(word) => Self::Other(word.into()),
            _ => return None,
        })
    }
}

impl fmt::Display for SessionParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyDerivationRate(rate) => write!(f, "KDR={rate}"),
            Self::UnencryptedSrtp => f.write_str("UNENCRYPTED_SRTP"),
            Self::UnencryptedSrtcp => f.write_str("UNENCRYPTED_SRTCP"),
            Self::UnauthenticatedSrtp => f.write_str("UNAUTHENTICATED_SRTP"),
            Self::FecFirst(true) => f.write_str("FEC_ORDER=FEC_SRTP"),
            Self::FecFirst(false) => f.write_str("FEC_ORDER=SRTP_FEC"),
            Self::FecKey(keys) => {
                f.write_str("FEC_KEY=")?;
                write_separated(f, ';', keys)
            }
            Self::WindowSizeHint(size) => write!(f, "WSH={size}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Crypto {
    /// Keys in one line at most. The RFC sets no limit; offers have one, rarely a few with identifiers.
    pub const MAX_KEYS: usize = 16;
    /// Session parameters in one line at most: seven are defined.
    pub const MAX_PARAMETERS: usize = 16;

    /// A line with one key and no parameters, as calls offer it.
    pub fn new(tag: u32, suite: CryptoSuite, key_and_salt: &[u8]) -> Self {
        Self {
            tag,
            suite,
            keys: vec![KeyParameter::Inline(InlineKey {
                key_and_salt: key_and_salt.into(),
                lifetime: None,
                mki: None,
            })],
            parameters: Vec::new(),
        }
    }

    /// The inline keys.
    pub fn inline_keys(&self) -> impl Iterator<Item = &InlineKey> {
        self.keys.iter().filter_map(|key| match key {
            KeyParameter::Inline(key) => Some(key),
            KeyParameter::Other(_) => None,
        })
    }

    fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9).and_then(decimal)?;
        let suite = CryptoSuite::from(words.next().filter(|suite| is_token(suite))?);
        let keys = read_keys(words.next()?)?;
        let parameters: Vec<_> = words
            .take(Self::MAX_PARAMETERS + 1)
            .map(SessionParameter::read)
            .collect::<Option<_>>()?;
        let crypto = Self {
            tag,
            suite,
            keys,
            parameters,
        };
        let expected = crypto.suite.key_and_salt_len();
        let fits = crypto.inline_keys().all(|key| {
            let len = key.key_and_salt.as_bytes().len();
            expected.is_none_or(|expected| expected == len)
        });
        (fits && crypto.parameters.len() <= Self::MAX_PARAMETERS).then_some(crypto)
    }
}

typed_attribute!(Crypto, "crypto");

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.tag, self.suite)?;
        write_separated(f, ';', &self.keys)?;
        self.parameters
            .iter()
            .try_for_each(|parameter| write!(f, " {parameter}"))
    }
}

fn read_keys(text: &str) -> Option<Vec<KeyParameter>> {
    let keys: Vec<_> = text
        .split(';')
        .take(Crypto::MAX_KEYS + 1)
        .map(KeyParameter::read)
        .collect::<Option<_>>()?;
    (keys.len() <= Crypto::MAX_KEYS).then_some(keys)
}

impl KeyParameter {
    fn read(text: &str) -> Option<Self> {
        let (method, info) = text.split_once(':')?;
        if method == "inline" {
            return InlineKey::read(info).map(Self::Inline);
        }
        (is_token(method) && is_visible(info)).then(|| Self::Other(text.into()))
    }
}

impl fmt::Display for KeyParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(key) => write!(f, "inline:{key}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl InlineKey {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let bytes = base64::decode(parts.next()?).filter(|bytes| !bytes.is_empty())?;
        let (lifetime, mki) = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => (None, None),
            (Some(part), None, _) if part.contains(':') => (None, Some(MasterKeyIdentifier::read(part)?)),
            (Some(part), None, _) => (Some(read_lifetime(part)?), None),
            (Some(first), Some(second), None) => (
                Some(read_lifetime(first)?),
                Some(MasterKeyIdentifier::read(second)?),
            ),
            _ => return None,
        };
        Some(Self {
            key_and_salt: KeyMaterial(bytes.into_boxed_slice()),
            lifetime,
            mki,
        })
    }
}

impl fmt::Display for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base64::encode(self.key_and_salt.as_bytes(), f)?;
        match self.lifetime {
            Some(packets) if packets.is_power_of_two() => write!(f, "|2^{}", packets.trailing_zeros())?,
            Some(packets) => write!(f, "|{packets}")?,
            None => {}
        }
        match self.mki {
            Some(mki) => write!(f, "|{}:{}", mki.value, mki.len),
            None => Ok(()),
        }
    }
}

/// SRTP's index has 48 bits (RFC 3711 §9.2).
const MAX_LIFETIME: u64 = 1 << 48;

fn read_lifetime(text: &str) -> Option<u64> {
    let packets = match text.strip_prefix("2^") {
        Some(exponent) => 1u64.checked_shl(decimal(exponent)?)?,
        None => decimal(text)?,
    };
    (1..=MAX_LIFETIME).contains(&packets).then_some(packets)
}

impl MasterKeyIdentifier {
    fn read(text: &str) -> Option<Self> {
        let (value, len) = text.split_once(':')?;
        let (value, len): (u64, u8) = (decimal(value)?, decimal(len)?);
        let fits = len >= 8 || value < 1 << (8 * len);
        ((1..=128).contains(&len) && fits).then_some(Self { value, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read_and_written_back() {
        // RFC 4568 §4.1, §6.1, §7.1.2
        for value in [
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32",
            "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4",
            "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|1:4",
            "1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:32",
            "2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4;\
             inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP",
        ] {
            let crypto: Crypto = value.parse().unwrap();
            assert_eq!(crypto.to_string(), value);
            assert_eq!(
                crypto.inline_keys().next().unwrap().key_and_salt.as_bytes().len(),
                30
            );
        }
    }

    #[test]
    fn broken_lines_are_malformed() {
        const KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
        const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
        for value in [
            String::new(),
            format!("1 {SUITE}"),
            format!("x {SUITE} inline:{KEY}"),
            format!("1234567890 {SUITE} inline:{KEY}"),
            format!("1 {SUITE} {KEY}"),
            format!("1 {SUITE} inline:"),
            format!("1 {SUITE} inline:{}", &KEY[4..]),
            format!("1 AEAD_AES_256_GCM inline:{KEY}"),
            format!("1 {SUITE} inline:{KEY}|2^49"),
            format!("1 {SUITE} inline:{KEY}|2^64"),
            format!("1 {SUITE} inline:{KEY}|0"),
            format!("1 {SUITE} inline:{KEY}|2^20|256:1"),
            format!("1 {SUITE} inline:{KEY}|2^20|1:0"),
            format!("1 {SUITE} inline:{KEY}|2^20|1:129"),
            format!("1 {SUITE} inline:{KEY}|2^20|1:4|x"),
            format!("1 {SUITE} inline:{KEY} KDR=25"),
            format!("1 {SUITE} inline:{KEY} WSH=63"),
            format!("1 {SUITE} inline:{KEY} FEC_ORDER=x"),
            format!("1 {SUITE} {}", vec![format!("inline:{KEY}"); 17].join(";")),
            format!("1 {SUITE} inline:{KEY}{}", " -X".repeat(17)),
        ] {
            assert!(value.parse::<Crypto>().is_err(), "{value}");
        }
    }

    #[test]
    fn unknown_suites_methods_and_parameters_are_kept() {
        let value = "7 NEW_SUITE magic:wand -NICE=1 STRICT";
        let crypto: Crypto = value.parse().unwrap();
        assert_eq!(crypto.to_string(), value);
        assert_eq!(crypto.inline_keys().count(), 0);
        let mandatory: Vec<_> = crypto
            .parameters
            .iter()
            .map(SessionParameter::is_mandatory)
            .collect();
        assert_eq!(mandatory, [false, true]);
    }

    #[test]
    fn keys_are_not_shown_by_debug() {
        let crypto = Crypto::new(1, CryptoSuite::AesCm128HmacSha1_80, &[77; 30]);
        let shown = format!("{crypto:?}");
        assert!(
            shown.contains("KeyMaterial(30 bytes)") && !shown.contains("77"),
            "{shown}"
        );
    }
}
