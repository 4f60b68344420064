use super::cipher::{Place, RtcpCipher, RtpCipher};
use super::hex::hex;
use super::*;
use crate::ids::Ssrc;
use proptest::prelude::*;

/// The packet of RFC 7714 §16, "Gallia est omnis divisa in partes tres".
const GALLIA: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
    69736120 696e2070 61727465 73207472 6573";

/// The compound of RFC 7714 §17.
const LUNA: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
    deadbeef deadbeef deadbeef deadbeef deadbeef";

fn session_key(octets: u8) -> Vec<u8> {
    (0..octets).collect()
}

fn salt() -> [u8; 12] {
    *b"Quid pro quo"
}

fn key(suite: SrtpSuite) -> MasterKey {
    let octets: Vec<u8> = (1..=suite.key_len() + suite.salt_len())
        .map(|n| n as u8 * 5)
        .collect();
    MasterKey::new(suite, &octets).unwrap()
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend(u32::from(sequence).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn protect(sender: &mut SrtpSender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 1500];
    buffer[..packet.len()].copy_from_slice(packet);
    let len = sender.protect_rtp(&mut buffer, packet.len()).unwrap();
    buffer[..len].to_vec()
}

fn unprotect(receiver: &mut SrtpReceiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let len = receiver.unprotect_rtp(&mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

fn check_rtp_vector(key: &[u8], protected: &str) {
    let plain = hex(GALLIA);
    let place = Place {
        ssrc: Ssrc(0x5501_a0b2),
        index: 0xf17b,
    };
    let cipher = RtpCipher::from_session_key(key, salt());
    let mut buffer = [plain.clone(), vec![0; 16]].concat();
    assert_eq!(cipher.protect(place, &mut buffer, 12, plain.len()), buffer.len());
    assert_eq!(buffer, hex(protected));
    let len = cipher.unprotect(place, &mut buffer, 12).unwrap();
    assert_eq!(buffer[..len], plain);
}

#[test]
fn rtp_is_protected_as_in_rfc_7714_16_1() {
    check_rtp_vector(
        &session_key(16),
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
        0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
    );
}

#[test]
fn rtp_is_protected_as_in_rfc_7714_16_2() {
    check_rtp_vector(
        &session_key(32),
        "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
        9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
    );
}

fn check_rtcp_vector(key: &[u8], protected: &str) {
    let plain = hex(LUNA);
    let place = Place {
        ssrc: Ssrc(0x4d61_7273),
        index: 0x5d4,
    };
    let cipher = RtcpCipher::from_session_key(key, salt());
    let mut buffer = [plain.clone(), vec![0; 20]].concat();
    assert_eq!(cipher.protect(place, &mut buffer, plain.len()), buffer.len());
    assert_eq!(buffer, hex(protected));
    let at = cipher.index_at(buffer.len()).unwrap();
    let word = *buffer[at..].first_chunk().unwrap();
    assert_eq!(u32::from_be_bytes(word), 0x8000_05d4);
    let len = cipher.unprotect(place, &mut buffer, word).unwrap();
    assert_eq!(buffer[..len], plain);
}

#[test]
fn rtcp_is_protected_as_in_rfc_7714_17_1() {
    check_rtcp_vector(
        &session_key(16),
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
        c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
    );
}

#[test]
fn rtcp_is_protected_as_in_rfc_7714_17_2() {
    check_rtcp_vector(
        &session_key(32),
        "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be
        8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
    );
}

#[test]
fn every_suite_brings_a_packet_back_and_hides_it_on_the_way() {
    for &suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = (SrtpSender::new(&key(suite)), SrtpReceiver::new(&key(suite)));
        for sequence in 0..300 {
            let packet = rtp(7, sequence, &vec![sequence as u8; usize::from(sequence)]);
            let hidden = protect(&mut sender, &packet);
            assert_eq!(hidden.len(), packet.len() + suite.rtp_overhead());
            assert_eq!(hidden[..12], packet[..12]);
            assert!(sequence < 16 || hidden[12..packet.len()] != packet[12..]);
            assert_eq!(unprotect(&mut receiver, &hidden), Ok(packet));
        }
    }
}

#[test]
fn a_packet_changed_anywhere_is_forged_and_leaves_no_trace() {
    for &suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = (SrtpSender::new(&key(suite)), SrtpReceiver::new(&key(suite)));
        let hidden = protect(&mut sender, &rtp(7, 9, b"sound"));
        for place in 0..hidden.len() {
            let mut forged = hidden.clone();
            forged[place] ^= 0x10;
            let refused = unprotect(&mut receiver, &forged).unwrap_err();
            assert!(
                matches!(refused, SrtpError::Forged | SrtpError::Malformed { .. }),
                "{refused}"
            );
        }
        for len in 0..hidden.len() {
            assert!(unprotect(&mut receiver, &hidden[..len]).is_err());
        }
        assert!(unprotect(&mut receiver, &hidden).is_ok());
    }
}

#[test]
fn a_packet_is_taken_once_and_not_under_another_key() {
    for &suite in SrtpSuite::ALL {
        let mut sender = SrtpSender::new(&key(suite));
        let mut receiver = SrtpReceiver::new(&key(suite));
        let hidden = protect(&mut sender, &rtp(7, 9, b"sound"));
        assert!(unprotect(&mut receiver, &hidden).is_ok());
        assert_eq!(unprotect(&mut receiver, &hidden), Err(SrtpError::Replayed));
        let other = vec![1; suite.key_len() + suite.salt_len()];
        let mut stranger = SrtpReceiver::new(&MasterKey::new(suite, &other).unwrap());
        assert_eq!(unprotect(&mut stranger, &hidden), Err(SrtpError::Forged));
    }
}

#[test]
fn counting_goes_on_over_the_roll_over_even_when_it_is_lost() {
    for &suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = (SrtpSender::new(&key(suite)), SrtpReceiver::new(&key(suite)));
        let mut held = Vec::new();
        for index in 0u32..200_000 {
            let packet = rtp(7, index as u16, &[1, 2, 3]);
            // The clock goes on for the sender; most packets never arrive.
            let hidden =
                (index % 1000 == 0 || index % 0x1_0000 > 0xfff0).then(|| protect(&mut sender, &packet));
            let lost = (0x1_fff0..0x2_3000).contains(&index);
            match hidden {
                Some(hidden) if index == 0xfffd => held = hidden,
                Some(hidden) if !lost => assert_eq!(unprotect(&mut receiver, &hidden), Ok(packet)),
                _ => {}
            }
            if index == 0x1_0005 {
                let late = protect(&mut sender, &rtp(7, 6, &[9]));
                assert!(unprotect(&mut receiver, &late).is_ok());
                assert!(
                    unprotect(&mut receiver, &held).is_ok(),
                    "from before the roll-over"
                );
            }
        }
    }
}

#[test]
fn the_sender_never_uses_an_index_twice() {
    let mut sender = SrtpSender::new(&key(SrtpSuite::AeadAes128Gcm));
    protect(&mut sender, &rtp(7, 100, &[1]));
    let mut buffer = [0; 64];
    for sequence in [100, 99, 40_000] {
        let packet = rtp(7, sequence, &[1]);
        buffer[..13].copy_from_slice(&packet);
        assert_eq!(
            sender.protect_rtp(&mut buffer, 13),
            Err(SrtpError::SequenceReused(sequence))
        );
        assert_eq!(buffer[..13], packet);
    }
    protect(&mut sender, &rtp(7, 101, &[1]));
    protect(&mut sender, &rtp(8, 100, &[1]));
}

#[test]
fn a_key_ends_with_its_life() {
    let lifetime = KeyLifetime { rtp: 3, rtcp: 2 };
    let key = key(SrtpSuite::AesCm128HmacSha1_80);
    let mut sender = SrtpSender::with_lifetime(&key, lifetime);
    let mut buffer = [0; 100];
    for sequence in 0..3 {
        assert_eq!(sender.packets_left(), 3 - u64::from(sequence));
        protect(&mut sender, &rtp(7, sequence, &[1]));
    }
    buffer[..13].copy_from_slice(&rtp(7, 3, &[1]));
    assert_eq!(sender.protect_rtp(&mut buffer, 13), Err(SrtpError::KeyExhausted));
    for _ in 0..2 {
        buffer[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 7]);
        assert!(sender.protect_rtcp(&mut buffer, 8).is_ok());
    }
    assert_eq!(sender.protect_rtcp(&mut buffer, 8), Err(SrtpError::KeyExhausted));
    let endless = KeyLifetime {
        rtp: u64::MAX,
        rtcp: u64::MAX,
    };
    assert_eq!(SrtpSender::with_lifetime(&key, endless).packets_left(), 1 << 48);
}

#[test]
fn another_key_keeps_the_roll_over_and_refuses_the_old_one() {
    for &suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = (SrtpSender::new(&key(suite)), SrtpReceiver::new(&key(suite)));
        for sequence in [0xfff0, 2] {
            let hidden = protect(&mut sender, &rtp(7, sequence, &[1]));
            assert!(unprotect(&mut receiver, &hidden).is_ok());
        }
        let old = protect(&mut sender, &rtp(7, 3, &[1]));
        let second = MasterKey::new(suite, &vec![9; suite.key_len() + suite.salt_len()]).unwrap();
        sender.rekey(&second, KeyLifetime::default());
        receiver.rekey(&second);
        assert_eq!(unprotect(&mut receiver, &old), Err(SrtpError::Forged));
        let packet = rtp(7, 4, &[1]);
        let hidden = protect(&mut sender, &packet);
        assert_eq!(unprotect(&mut receiver, &hidden), Ok(packet));
    }
}

#[test]
fn sources_are_limited_and_only_true_ones_count() {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let (mut sender, mut receiver) = (SrtpSender::new(&key(suite)), SrtpReceiver::new(&key(suite)));
    for stranger in 0..100 {
        let forged = [rtp(stranger, 1, &[1]), vec![0; 10]].concat();
        assert_eq!(unprotect(&mut receiver, &forged), Err(SrtpError::Forged));
    }
    for ssrc in 0..MAX_SOURCES as u32 {
        let hidden = protect(&mut sender, &rtp(ssrc, 1, &[1]));
        assert!(unprotect(&mut receiver, &hidden).is_ok());
    }
    let hidden = protect(&mut sender, &rtp(1000, 1, &[1]));
    assert_eq!(unprotect(&mut receiver, &hidden), Err(SrtpError::TooManySources));
}

#[test]
fn reports_come_back_and_their_replays_do_not() {
    for &suite in SrtpSuite::ALL {
        let (mut sender, mut receiver) = (SrtpSender::new(&key(suite)), SrtpReceiver::new(&key(suite)));
        let plain = hex(LUNA);
        for _ in 0..5 {
            let mut buffer = [plain.clone(), vec![0; 20]].concat();
            let len = sender.protect_rtcp(&mut buffer, plain.len()).unwrap();
            assert_eq!(len, plain.len() + suite.rtcp_overhead());
            assert_eq!(buffer[..8], plain[..8]);
            for place in 0..len {
                let mut forged = buffer[..len].to_vec();
                forged[place] ^= 1;
                assert!(receiver.unprotect_rtcp(&mut forged).is_err(), "{place}");
            }
            for cut in 0..len {
                assert!(receiver.unprotect_rtcp(&mut buffer[..cut].to_vec()).is_err());
            }
            let mut again = buffer[..len].to_vec();
            assert_eq!(receiver.unprotect_rtcp(&mut buffer[..len]), Ok(plain.len()));
            assert_eq!(buffer[..plain.len()], plain);
            assert_eq!(receiver.unprotect_rtcp(&mut again), Err(SrtpError::Replayed));
        }
    }
}

#[test]
fn a_report_that_says_it_is_not_encrypted_is_refused() {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let (mut sender, mut receiver) = (SrtpSender::new(&key(suite)), SrtpReceiver::new(&key(suite)));
    let plain = hex(LUNA);
    let mut buffer = [plain.clone(), vec![0; 20]].concat();
    let len = sender.protect_rtcp(&mut buffer, plain.len()).unwrap();
    buffer[plain.len()] &= 0x7f;
    assert_eq!(
        receiver.unprotect_rtcp(&mut buffer[..len]),
        Err(SrtpError::Unencrypted)
    );
}

proptest! {
    #[test]
    fn any_datagram_is_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        for &suite in SrtpSuite::ALL {
            let mut receiver = SrtpReceiver::new(&key(suite));
            prop_assert!(receiver.unprotect_rtp(&mut bytes.clone()).is_err());
            prop_assert!(receiver.unprotect_rtcp(&mut bytes.clone()).is_err());
        }
    }
}
