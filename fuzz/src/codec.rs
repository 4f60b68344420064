//! Codecs of our own that have a state to spoil.

use offhook_rtp_media::codec::{AudioCodec, CodecError, IlbcMode, MAX_PACKET_MS};

/// A decoder of iLBC takes any payloads, losses and new beginnings; what it gives last is encoded to frames that it takes.
///
/// Each operation is an octet: how many octets of payload follow it, or what else happens.
pub fn ilbc(data: &[u8]) {
    let mut decoder = AudioCodec::Ilbc(IlbcMode::Ms20).decoder().expect("built in");
    let mut pcm = [0; MAX_PACKET_MS as usize * 8];
    let mut rest = data;
    while let Some((op, after)) = rest.split_first() {
        rest = after;
        match op {
            0xff => decoder.restart(),
            0xf0..0xff => decoder.conceal(&mut pcm[..usize::from(op & 0xf) * 20]),
            _ => {
                let len = usize::from(*op).min(rest.len());
                let (octets, after) = rest.split_at(len);
                rest = after;
                match decoder.decode(octets, &mut pcm) {
                    Ok(samples) => assert!(samples == len / 38 * 160 || samples == len / 50 * 240),
                    Err(error) => assert_eq!(error, CodecError::Payload { len }),
                }
            }
        }
    }
    for mode in [IlbcMode::Ms20, IlbcMode::Ms30] {
        let mut encoder = AudioCodec::Ilbc(mode).encoder("").expect("built in");
        let mut payload = [0; 3 * 38];
        let len = encoder
            .encode(&pcm[..480], &mut payload)
            .expect("three frames or two");
        assert_eq!(decoder.decode(&payload[..len], &mut pcm), Ok(480));
    }
}
