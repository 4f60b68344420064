//! The corner of STUN that keeps a UDP flow alive (RFC 5626 §8): Binding requests, and their answers (RFC 8489).

use bytes::{BufMut, Bytes, BytesMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// RFC 8489 §5.
const MAGIC_COOKIE: u32 = 0x2112_a442;
const HEADER_BYTES: usize = 20;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_INDICATION: u16 = 0x0011;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// Attributes that must be understood, and are: RFC 8489 §18.3.1. Those that are for passwords have no meaning where none
/// is asked for.
const KNOWN: [u16; 11] = [
    0x0001,
    0x0006,
    0x0008,
    ERROR_CODE,
    UNKNOWN_ATTRIBUTES,
    0x0014,
    0x0015,
    0x001c,
    0x001d,
    0x001e,
    XOR_MAPPED_ADDRESS,
];

/// How many unknown attributes an answer names at most: it shall not be much larger than what it answers.
const UNKNOWN_NAMED: usize = 8;

/// Names a request among those that are on their way.
pub type StunId = [u8; 12];

/// A STUN message of the keep-alive usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StunMessage {
    /// A Binding request.
    Request {
        /// Its name.
        id: StunId,
        /// Attributes that must be understood and are not; the answer to such a request says 420.
        unknown: Vec<u16>,
    },
    /// A Binding response.
    Success {
        /// Which request it answers.
        id: StunId,
        /// From where the request came, as the server saw it.
        mapped: SocketAddr,
    },
    /// A Binding error response.
    Error {
        /// Which request it answers.
        id: StunId,
        /// The code: 300 to 699; 0 where the response does not say.
        code: u16,
        /// What the sender of the request should not have sent, for code 420.
        unknown: Vec<u16>,
    },
    /// A Binding indication, which nobody answers.
    Indication,
}

/// A datagram looks like STUN, and is none that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StunError {
    /// It ends before its header does.
    #[error("{0} bytes are no STUN message")]
    TooShort(usize),
    /// The length in its header is not its length, or no multiple of four.
    #[error("a STUN message of {got} bytes says that it has {said}")]
    Length {
        /// What the header says, with the header.
        said: usize,
        /// What came.
        got: usize,
    },
    /// It is of RFC 3489, or no STUN.
    #[error("no magic cookie")]
    NoCookie,
    /// It is no message of the method Binding.
    #[error("STUN message type {0:#06x} is no Binding")]
    Type(u16),
    /// An attribute ends behind the message, or is not what its type says.
    #[error("STUN attribute {0:#06x} is malformed")]
    Attribute(u16),
    /// A success that does not say the address, which it is for.
    #[error("no XOR-MAPPED-ADDRESS")]
    NoAddress,
}

impl StunMessage {
    /// Whether a datagram on a port for SIP is STUN: the first byte of a SIP message is never 0 or 1 (RFC 5626 §8).
    pub fn is_stun(datagram: &[u8]) -> bool {
        datagram.first().is_some_and(|first| *first < 2)
    }

    /// Reads a datagram that [is STUN](Self::is_stun).
    pub fn parse(datagram: &[u8]) -> Result<Self, StunError> {
        let (head, mut rest) = datagram
            .split_at_checked(HEADER_BYTES)
            .ok_or(StunError::TooShort(datagram.len()))?;
        let said = usize::from(u16_at(head, 2)) + HEADER_BYTES;
        if said != datagram.len() || !said.is_multiple_of(4) {
            let got = datagram.len();
            return Err(StunError::Length { said, got });
        }
        if head[4..8] != MAGIC_COOKIE.to_be_bytes() {
            return Err(StunError::NoCookie);
        }
        let mut id = StunId::default();
        id.copy_from_slice(&head[8..]);
        let mut found = Attributes::default();
        while !rest.is_empty() {
            rest = found.take(rest, &id)?;
        }
        match u16_at(head, 0) {
            BINDING_REQUEST => Ok(Self::Request {
                id,
                unknown: found.unknown,
            }),
            BINDING_INDICATION => Ok(Self::Indication),
            BINDING_SUCCESS => {
                let mapped = found.mapped.ok_or(StunError::NoAddress)?;
                Ok(Self::Success { id, mapped })
            }
            BINDING_ERROR => Ok(Self::Error {
                id,
                code: found.code,
                unknown: found.refused,
            }),
            other => Err(StunError::Type(other)),
        }
    }

    /// A request without attributes: none is needed (RFC 5626 §8).
    pub fn request(id: StunId) -> Self {
        let unknown = Vec::new();
        Self::Request { id, unknown }
    }

    /// The answer to a request that came from `source`; `None` to what is no request.
    pub fn answer(&self, source: SocketAddr) -> Option<Self> {
        match self {
            Self::Request { id, unknown } if unknown.is_empty() => Some(Self::Success {
                id: *id,
                mapped: source,
            }),
            // RFC 8489 §6.3.1: 420 Unknown Attribute.
            Self::Request { id, unknown } => Some(Self::Error {
                id: *id,
                code: 420,
                unknown: unknown.iter().take(UNKNOWN_NAMED).copied().collect(),
            }),
            Self::Success { .. } | Self::Error { .. } | Self::Indication => None,
        }
    }

    /// As it goes into a datagram.
    pub fn to_bytes(&self) -> Bytes {
        let mut body = BytesMut::new();
        let (kind, id) = match self {
            Self::Request { id, unknown } => {
                // Nobody makes such requests but for tests: an empty attribute of each type.
                for kind in unknown {
                    put_attribute(&mut body, *kind, &[]);
                }
                (BINDING_REQUEST, *id)
            }
            Self::Success { id, mapped } => {
                put_attribute(&mut body, XOR_MAPPED_ADDRESS, &xor_address(*mapped, id));
                (BINDING_SUCCESS, *id)
            }
            Self::Error { id, code, unknown } => {
                put_attribute(&mut body, ERROR_CODE, &error_code(*code));
                if !unknown.is_empty() {
                    let kinds: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
                    put_attribute(&mut body, UNKNOWN_ATTRIBUTES, &kinds);
                }
                (BINDING_ERROR, *id)
            }
            Self::Indication => (BINDING_INDICATION, [0; 12]),
        };
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + body.len());
        bytes.put_u16(kind);
        bytes.put_u16(body.len() as u16);
        bytes.put_u32(MAGIC_COOKIE);
        bytes.put_slice(&id);
        bytes.put_slice(&body);
        bytes.freeze()
    }
}

/// What was found behind the header.
#[derive(Default)]
struct Attributes {
    mapped: Option<SocketAddr>,
    code: u16,
    refused: Vec<u16>,
    unknown: Vec<u16>,
}

impl Attributes {
    /// Reads one attribute; gives what is behind it (RFC 8489 §14).
    fn take<'a>(&mut self, bytes: &'a [u8], id: &StunId) -> Result<&'a [u8], StunError> {
        // The length of all is a multiple of four, and so is that of each with its padding.
        let kind = u16_at(bytes, 0);
        let len = usize::from(u16_at(bytes, 2));
        let value = bytes.get(4..4 + len).ok_or(StunError::Attribute(kind))?;
        let rest = bytes.get(4 + len.next_multiple_of(4)..);
        match kind {
            // The first of a kind counts.
            XOR_MAPPED_ADDRESS if self.mapped.is_none() => {
                self.mapped = Some(read_xor_address(value, id).ok_or(StunError::Attribute(kind))?);
            }
            ERROR_CODE => {
                let [_, _, class, number, ..] = value else {
                    return Err(StunError::Attribute(kind));
                };
                // RFC 8489 §14.8; what is no code says nothing.
                let is_code = matches!(class & 7, 3..=6) && *number < 100;
                self.code = u16::from(is_code) * (u16::from(class & 7) * 100 + u16::from(*number));
            }
            UNKNOWN_ATTRIBUTES => {
                let kinds = value.chunks_exact(2).map(|kind| u16_at(kind, 0));
                self.refused = kinds.take(UNKNOWN_NAMED).collect();
            }
            // From 0x8000 on they may be passed over.
            _ if kind >= 0x8000 || KNOWN.contains(&kind) => {}
            _ if self.unknown.len() < UNKNOWN_NAMED => self.unknown.push(kind),
            _ => {}
        }
        rest.ok_or(StunError::Attribute(kind))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn put_attribute(body: &mut BytesMut, kind: u16, value: &[u8]) {
    body.put_u16(kind);
    body.put_u16(value.len() as u16);
    body.put_slice(value);
    body.put_bytes(0, value.len().next_multiple_of(4) - value.len());
}

/// RFC 8489 §14.8: class and number, between them the hundreds.
fn error_code(code: u16) -> Vec<u8> {
    let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
    value.extend_from_slice(if code == 420 { b"Unknown Attribute" } else { b"" });
    value
}

/// RFC 8489 §14.2: with the magic cookie and the transaction id over it, so that no NAT rewrites it.
fn xor_address(address: SocketAddr, id: &StunId) -> Vec<u8> {
    let family = if address.is_ipv4() { 1 } else { 2 };
    let mut value = vec![0, family];
    value.extend((address.port() ^ (MAGIC_COOKIE >> 16) as u16).to_be_bytes());
    let mask = mask(id);
    let xored = |octets: &[u8]| -> Vec<u8> { octets.iter().zip(mask).map(|(a, b)| a ^ b).collect() };
    value.extend(match address.ip() {
        IpAddr::V4(ip) => xored(&ip.octets()),
        IpAddr::V6(ip) => xored(&ip.octets()),
    });
    value
}

fn read_xor_address(value: &[u8], id: &StunId) -> Option<SocketAddr> {
    let (head, address) = value.split_at_checked(4)?;
    let port = u16_at(head, 2) ^ (MAGIC_COOKIE >> 16) as u16;
    let mut plain = [0; 16];
    for (place, (byte, mask)) in plain.iter_mut().zip(address.iter().zip(mask(id))) {
        *place = byte ^ mask;
    }
    let ip: IpAddr = match (head[1], address.len()) {
        (1, 4) => Ipv4Addr::new(plain[0], plain[1], plain[2], plain[3]).into(),
        (2, 16) => Ipv6Addr::from(plain).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn mask(id: &StunId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(id);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.2 and §2.3: the same transaction, answered over IPv4 and IPv6.
    const ID: StunId = [
        0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
    ];

    #[test]
    fn addresses_are_those_of_the_test_vectors() {
        let v4 = [0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
        let v6 = [
            0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
            0xbe, 0xd2, 0xb9, 0xd9,
        ];
        let want = |address: &str| address.parse::<SocketAddr>().expect("valid");
        for (value, want) in [
            (&v4[..], want("192.0.2.1:32853")),
            (&v6[..], want("[2001:db8:1234:5678:11:2233:4455:6677]:32853")),
        ] {
            assert_eq!(read_xor_address(value, &ID), Some(want));
            assert_eq!(xor_address(want, &ID), value);
        }
        assert_eq!(read_xor_address(&v4[..7], &ID), None);
        assert_eq!(
            read_xor_address(&v6[..8], &ID),
            None,
            "the family is not its length"
        );
    }

    #[test]
    fn a_keep_alive_is_twenty_bytes() {
        let request = StunMessage::request(ID).to_bytes();
        assert_eq!(request[..8], [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        assert_eq!(request[8..], ID);
        assert!(StunMessage::is_stun(&request));
        assert!(!StunMessage::is_stun(b"OPTIONS sip:a.test SIP/2.0\r\n"));
        assert!(!StunMessage::is_stun(b"\r\n\r\n"));
        assert!(!StunMessage::is_stun(b""));
    }

    #[test]
    fn a_request_is_answered_with_its_source_or_with_what_is_unknown_in_it() {
        let source = "198.51.100.7:5060".parse().expect("valid");
        let there = |message: &StunMessage| StunMessage::parse(&message.to_bytes()).expect("well-formed");
        let answer = there(&StunMessage::request(ID))
            .answer(source)
            .expect("a request");
        let mapped = source;
        assert_eq!(there(&answer), StunMessage::Success { id: ID, mapped });
        assert_eq!(answer.to_bytes().len(), 32);
        assert_eq!(answer.answer(source), None);

        let (id, unknown) = (ID, vec![0x0003, 0x7fff]);
        let strange = StunMessage::Request { id, unknown };
        let refusal = there(&strange).answer(source).expect("a request");
        let (code, unknown) = (420, vec![0x0003, 0x7fff]);
        assert_eq!(there(&refusal), StunMessage::Error { id, code, unknown });

        let (id, unknown) = (ID, vec![0x8028, 0x0006]);
        let known = StunMessage::Request { id, unknown };
        assert_eq!(there(&known), StunMessage::request(ID));
        let (id, unknown) = (ID, (0x3000..0x3100).collect());
        let many = there(&StunMessage::Request { id, unknown });
        let refusal = many.answer(source).expect("a request").to_bytes();
        assert!(refusal.len() < 80, "{} bytes", refusal.len());
    }

    /// RFC 8489 §14.8: class 3 to 6, number 0 to 99, and five bits before the class that mean nothing.
    #[test]
    fn an_error_code_out_of_range_says_nothing() {
        let read = |class: u8, number: u8| {
            let (code, unknown) = (420, Vec::new());
            let mut bytes = StunMessage::Error {
                id: ID,
                code,
                unknown,
            }
            .to_bytes()
            .to_vec();
            bytes[HEADER_BYTES + 6..HEADER_BYTES + 8].copy_from_slice(&[class, number]);
            match StunMessage::parse(&bytes) {
                Ok(StunMessage::Error { code, .. }) => code,
                other => panic!("{other:?}"),
            }
        };
        for (class, number, code) in [
            (3, 0, 300),
            (6, 99, 699),
            (0xfc, 20, 420),
            (2, 99, 0),
            (7, 0, 0),
            (0, 55, 0),
            (4, 100, 0),
            (0xfe, 0xff, 0),
        ] {
            assert_eq!(read(class, number), code, "{class} {number}");
        }
    }

    #[test]
    fn what_is_no_binding_is_refused_with_the_reason() {
        let good = StunMessage::request(ID).to_bytes().to_vec();
        let changed = |change: fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            StunMessage::parse(&bytes).expect_err("it is malformed")
        };
        assert_eq!(changed(|bytes| bytes.truncate(19)), StunError::TooShort(19));
        let length = StunError::Length { said: 24, got: 20 };
        assert_eq!(changed(|bytes| bytes[3] = 4), length);
        assert_eq!(changed(|bytes| bytes[4] = 0), StunError::NoCookie);
        assert_eq!(changed(|bytes| bytes[1] = 3), StunError::Type(3));
        assert_eq!(
            changed(|bytes| bytes[..2].copy_from_slice(&[1, 1])),
            StunError::NoAddress
        );
        let cut = changed(|bytes| {
            bytes[3] = 4;
            bytes.extend([0, 0x20, 0, 8]);
        });
        assert_eq!(cut, StunError::Attribute(XOR_MAPPED_ADDRESS));
    }
}
