//! Our SRTP against the crate `webrtc-srtp`, both ways, over the roll-over.

use offhook_rtp_media::srtp::{MasterKey, SrtpReceiver, SrtpSender, SrtpSuite};
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

fn profile(suite: SrtpSuite) -> ProtectionProfile {
    match suite {
        SrtpSuite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        SrtpSuite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        SrtpSuite::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        SrtpSuite::AesCm256HmacSha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        SrtpSuite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpSuite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    }
}

fn key(suite: SrtpSuite) -> MasterKey {
    let octets: Vec<u8> = (0..suite.key_len() + suite.salt_len())
        .map(|n| (n * 37 + 11) as u8)
        .collect();
    MasterKey::new(suite, &octets).unwrap()
}

fn theirs(suite: SrtpSuite) -> Context {
    let key = key(suite);
    let (secret, salt) = key.key_and_salt().split_at(suite.key_len());
    Context::new(
        secret,
        salt,
        profile(suite),
        Some(srtp_replay_protection(64)),
        Some(srtcp_replay_protection(64)),
    )
    .unwrap()
}

/// A packet with two contributing sources, an extension, and a payload whose length changes.
fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x92, 0x60];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 9, 0xca, 0xfe, 0xba, 0xbe, 1, 2, 3, 4, 5, 6, 7, 8]);
    packet.extend([0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0]);
    packet.extend((0..sequence % 300).map(|octet| octet as u8));
    packet
}

const REPORT: [u8; 28] = [
    0x80, 200, 0, 6, 0xca, 0xfe, 0xba, 0xbe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
    19, 20,
];

#[test]
fn what_we_protect_they_read() {
    for &suite in SrtpSuite::ALL {
        let (mut ours, mut theirs) = (SrtpSender::new(&key(suite)), theirs(suite));
        for sequence in (0xff00..=0xffff).chain(0..0x200) {
            let plain = packet(sequence);
            let mut buffer = [plain.clone(), vec![0; 16]].concat();
            let len = ours.protect_rtp(&mut buffer, plain.len()).unwrap();
            assert_eq!(theirs.decrypt_rtp(&buffer[..len]).unwrap(), plain, "{suite}");
        }
        for _ in 0..5 {
            let mut buffer = [&REPORT[..], &[0; 20]].concat();
            let len = ours.protect_rtcp(&mut buffer, REPORT.len()).unwrap();
            assert_eq!(
                theirs.decrypt_rtcp(&buffer[..len]).unwrap(),
                REPORT[..],
                "{suite}"
            );
        }
    }
}

#[test]
fn what_they_protect_we_read() {
    for &suite in SrtpSuite::ALL {
        let (mut ours, mut theirs) = (SrtpReceiver::new(&key(suite)), theirs(suite));
        for sequence in (0xff00..=0xffff).chain(0..0x200) {
            let plain = packet(sequence);
            let mut hidden = theirs.encrypt_rtp(&plain).unwrap().to_vec();
            let len = ours.unprotect_rtp(&mut hidden).unwrap();
            assert_eq!(hidden[..len], plain, "{suite}");
        }
        for _ in 0..5 {
            let mut hidden = theirs.encrypt_rtcp(&REPORT).unwrap().to_vec();
            let len = ours.unprotect_rtcp(&mut hidden).unwrap();
            assert_eq!(hidden[..len], REPORT, "{suite}");
        }
    }
}
