//! RTP, RTCP, the jitter buffer, and a whole audio transport under operations.

use offhook_rtp_media::codec::{AudioCodec, COMFORT_NOISE_PAYLOAD};
use offhook_rtp_media::dtmf::{Digit, TelephoneEvent};
use offhook_rtp_media::jitter::{JitterBuffer, JitterConfig, Packet, Pull};
use offhook_rtp_media::packet::{RtpPacket, RtpWriter};
use offhook_rtp_media::rtcp::{Compound, RtcpPacket, RtcpWriter};
use offhook_rtp_media::srtp::{MasterKey, SrtpReceiver, SrtpSender, SrtpSuite};
use offhook_rtp_media::{
    AudioConfig, AudioTransport, Direction, OtherCodec, OtherEvents, PayloadType, SilenceDetection, Ssrc,
};
use offhook_sansio::{Entropy, WallClock};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A packet that is read is written byte for byte the same, but for padding octets that mean nothing.
pub fn rtp_packet(data: &[u8]) {
    let Ok(packet) = RtpPacket::parse(data) else {
        return;
    };
    let csrcs: Vec<Ssrc> = packet.csrcs().collect();
    let mut writer = RtpWriter::new(*packet.header())
        .csrcs(&csrcs)
        .padding(packet.padding());
    if let Some((profile, extension)) = packet.extension() {
        writer = writer.extension(profile, extension);
    }
    let mut buffer = vec![0; data.len()];
    let len = writer
        .write(packet.payload(), &mut buffer)
        .expect("it was that long");
    assert_eq!(len, data.len());
    let unpadded = len - usize::from(packet.padding());
    assert_eq!(buffer[..unpadded], data[..unpadded]);
}

/// A compound is walked through without panic, and its reports are written and read back the same.
pub fn rtcp_compound(data: &[u8]) {
    let Ok(compound) = Compound::parse(data) else {
        return;
    };
    let mut packets = 0;
    for packet in compound.packets() {
        packets += 1;
        packet.leaving().for_each(drop);
        for item in packet.items() {
            assert!(item.text.len() <= 255);
        }
        let blocks: Vec<_> = packet.reports().collect();
        let mut buffer = [0; 1024];
        let mut writer = RtcpWriter::new(&mut buffer);
        match &packet {
            RtcpPacket::SenderReport { ssrc, info, .. } => writer.sender_report(*ssrc, info, &blocks),
            RtcpPacket::ReceiverReport { ssrc, .. } => writer.receiver_report(*ssrc, &blocks),
            RtcpPacket::ExtendedReport { ssrc, .. } => {
                if let Some((about, metrics)) = packet.voip_metrics().next() {
                    writer.voip_metrics(*ssrc, about, &metrics).expect("it fits");
                    let len = writer.len();
                    let again = Compound::parse(&buffer[..len]).expect("our own report parses");
                    let again = again.packets().next().expect("one report");
                    assert_eq!(again.voip_metrics().next(), Some((about, metrics)));
                }
                continue;
            }
            _ => continue,
        }
        .expect("it fits");
        let len = writer.len();
        let again = Compound::parse(&buffer[..len]).expect("our own report parses");
        let again = again.packets().next().expect("one report");
        assert_eq!(again.reports().collect::<Vec<_>>(), blocks);
    }
    assert!(packets > 0);
}

/// Nothing that was not protected with the key is taken, and what was protected is taken once. The first octet chooses the
/// suite; the rest is a datagram.
pub fn srtp(data: &[u8]) {
    let Some((choice, datagram)) = data.split_first() else {
        return;
    };
    let suite = SrtpSuite::ALL[usize::from(*choice) % SrtpSuite::ALL.len()];
    let key = vec![0x5a; suite.key_len() + suite.salt_len()];
    let key = MasterKey::new(suite, &key).expect("a key of the suite's length");
    let (mut sender, mut receiver) = (SrtpSender::new(&key), SrtpReceiver::new(&key));
    assert!(receiver.unprotect_rtp(&mut datagram.to_vec()).is_err());
    assert!(receiver.unprotect_rtcp(&mut datagram.to_vec()).is_err());

    let mut buffer = [datagram, &[0; 20]].concat();
    if let Ok(len) = sender.protect_rtp(&mut buffer, datagram.len()) {
        let mut again = buffer[..len].to_vec();
        assert_eq!(receiver.unprotect_rtp(&mut buffer[..len]), Ok(datagram.len()));
        assert_eq!(buffer[..datagram.len()], *datagram);
        assert!(receiver.unprotect_rtp(&mut again).is_err());
    }
    let mut buffer = [datagram, &[0; 20]].concat();
    if let Ok(len) = sender.protect_rtcp(&mut buffer, datagram.len()) {
        let mut again = buffer[..len].to_vec();
        assert_eq!(receiver.unprotect_rtcp(&mut buffer[..len]), Ok(datagram.len()));
        assert_eq!(buffer[..datagram.len()], *datagram);
        assert!(receiver.unprotect_rtcp(&mut again).is_err());
    }
}

fn packet(number: u8, payload: &[u8]) -> Packet<'_> {
    Packet {
        payload_type: PayloadType::new(number & 0x7f).expect("seven bits"),
        payload,
    }
}

/// No order of packets and pulls breaks the bounds of the jitter buffer. Four octets are one operation.
pub fn jitter_ops(data: &[u8]) {
    let config = JitterConfig::default();
    let mut buffer = JitterBuffer::new(config, 8000, Duration::from_millis(20), 160);
    let mut now = 0i64;
    for op in data.as_chunks::<4>().0 {
        now += i64::from(op[1]) * 4;
        let argument = u16::from_be_bytes([op[2], op[3]]);
        match op[0] % 8 {
            0..=2 => {
                let sequence = u64::from(argument);
                let payload = &op[..usize::from(op[0] >> 6)];
                buffer.insert(now, sequence, i64::from(argument) * 160, packet(op[3], payload));
            }
            3 => {
                let payload = &[0; 1473][..usize::from(op[3]) * 5];
                let timestamp = i64::from(argument) * 1000 - 30_000_000;
                buffer.insert(now, u64::from(op[2]), timestamp, packet(0, payload));
            }
            4..=6 => match buffer.pull(now) {
                Pull::Packet(packet) => {
                    assert!(packet.payload.len() <= config.max_payload);
                    buffer.played(i64::from(op[2]) * 8);
                }
                Pull::Lost { ticks, .. } => assert!(ticks > 0),
                Pull::Underrun => buffer.held(160),
                Pull::Silence => {}
            },
            _ => buffer.reset(),
        }
        buffer.advice(i64::from(op[1]));
        buffer.bent();
        assert!(buffer.len() <= config.capacity);
        assert!(buffer.target_delay() <= config.max_delay);
    }
}

/// An audio transport takes any datagrams between its ticks; what it sends is RTP or RTCP that parses. The first
/// octet chooses the codec; then each operation is an octet and what it needs.
pub fn audio_transport_ops(data: &[u8]) {
    let Some((choice, mut rest)) = data.split_first() else {
        return;
    };
    let codec = AudioCodec::ALL[usize::from(*choice) % AudioCodec::ALL.len()];
    let remotes: [SocketAddr; 2] =
        ["192.0.2.1:4000", "192.0.2.2:4002"].map(|text| text.parse().expect("an address"));
    let mut now = Instant::now();
    let clock = WallClock::new(now, Duration::from_secs(1 << 30));
    let mut config = AudioConfig::new(codec, remotes[0]);
    config.comfort_noise_payload_type = Some(COMFORT_NOISE_PAYLOAD);
    config.silence_detection = Some(SilenceDetection::default());
    config.dtmf_payload_type = Some(101);
    config.other_events.push(OtherEvents {
        payload_type: 102,
        clock_rate: 48_000,
    });
    // Each built-in codec may come, under numbers that stand in the corpus.
    config.other_codecs = (110..)
        .zip(AudioCodec::ALL)
        .map(|(payload_type, codec)| OtherCodec {
            payload_type,
            codec: *codec,
        })
        .collect();
    config.rtcp_mux = choice & 0x80 != 0;
    let mut audio = AudioTransport::new(config.clone(), now, clock, Entropy::from_number(1))
        .expect("the numbers are in range");
    let mut frame = vec![0; audio.sample_rate() as usize / 50];
    while let Some((op, after)) = rest.split_first() {
        rest = after;
        match op % 8 {
            0..=2 => {
                let len = usize::from(op >> 3).min(rest.len());
                let (datagram, after) = rest.split_at(len);
                rest = after;
                let from = remotes[usize::from(op >> 7)];
                if op % 8 == 2 {
                    audio.handle_rtcp(now, from, &mut datagram.to_vec());
                } else {
                    audio.handle_rtp(now, from, &mut datagram.to_vec());
                }
            }
            3 => {
                audio.read(now, &mut frame);
            }
            4 => audio.write(now, &frame),
            5 => {
                now += Duration::from_millis(u64::from(*op) * 4);
                audio.handle_timeout(now);
            }
            6 => {
                let _ = audio.send_dtmf(Digit::from_event(op >> 4).expect("four bits are a digit"));
            }
            _ => {
                let directions = [
                    Direction::SendRecv,
                    Direction::SendOnly,
                    Direction::RecvOnly,
                    Direction::Inactive,
                ];
                audio.set_direction(directions[usize::from(op >> 3) % 4], now);
                if op >> 7 == 1 {
                    config.remote_rtp = remotes[1];
                    audio
                        .update(config.clone(), now)
                        .expect("the numbers are in range");
                }
            }
        }
        while let Some(transmit) = audio.poll_transmit() {
            assert!(RtpPacket::parse(transmit.bytes).is_ok() || Compound::parse(transmit.bytes).is_ok());
        }
        while audio.poll_event().is_some() {}
    }
    audio.stop(now);
    let goodbye = audio.poll_transmit().expect("a goodbye");
    Compound::parse(goodbye.bytes).expect("our own goodbye parses");
    let _ = TelephoneEvent::parse(data).map(TelephoneEvent::to_bytes);
}
