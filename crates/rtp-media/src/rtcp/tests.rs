use super::*;
use crate::ids::Ssrc;
use proptest::prelude::*;
use std::time::Duration;

const INFO: SenderInfo = SenderInfo {
    ntp: 0x0123_4567_89ab_cdef,
    rtp_timestamp: 1,
    packets: 2,
    octets: 3,
};

const BLOCK: ReportBlock = ReportBlock {
    ssrc: Ssrc(0xaaaa_bbbb),
    fraction_lost: 64,
    cumulative_lost: -3,
    highest_sequence: 0x1_0005,
    jitter: 80,
    last_sender_report: 0x4567_89ab,
    delay_since_last_sender_report: 0x1_8000,
};

#[test]
fn a_report_with_cname_and_goodbye_is_read_back() {
    let mut buffer = [0xee; 256];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer
        .sender_report(Ssrc(7), &INFO, &[BLOCK])
        .and_then(|writer| writer.cname(Ssrc(7), "ab@host"))
        .and_then(|writer| writer.bye(Ssrc(7), "hung up"))
        .unwrap();
    let len = writer.len();
    let compound = Compound::parse(&buffer[..len]).unwrap();
    assert!(!compound.is_reduced_size());
    let packets: Vec<_> = compound.packets().collect();
    assert!(matches!(
        packets[0],
        RtcpPacket::SenderReport {
            ssrc: Ssrc(7),
            info: INFO,
            ..
        }
    ));
    assert_eq!(packets[0].reports().collect::<Vec<_>>(), [BLOCK]);
    let items: Vec<_> = packets[1].items().collect();
    assert_eq!(
        items,
        [SdesItem {
            ssrc: Ssrc(7),
            kind: 1,
            text: b"ab@host"
        }]
    );
    assert_eq!(packets[2].leaving().collect::<Vec<_>>(), [Ssrc(7)]);
    assert!(matches!(
        packets[2],
        RtcpPacket::Goodbye {
            reason: Some(b"hung up"),
            ..
        }
    ));
    assert_eq!(packets.len(), 3);
}

#[test]
fn feedback_alone_is_a_reduced_size_datagram() {
    let nack = [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 0];
    let compound = Compound::parse(&nack).unwrap();
    assert!(compound.is_reduced_size());
    assert!(matches!(
        compound.packets().next(),
        Some(RtcpPacket::Feedback {
            kind: 205,
            format: 1,
            sender: Ssrc(1),
            media: Ssrc(2)
        })
    ));
}

#[test]
fn several_chunks_and_unknown_types_are_walked_through() {
    let bytes = [
        0x80, 201, 0, 1, 0, 0, 0, 1, // RR without blocks
        0x82, 202, 0, 5, 0, 0, 0, 1, 1, 1, b'a', 0, 0, 0, 0, 2, 6, 1, b'b', 1, 0, 0, 0, 0, 0x80, 240, 0, 0,
    ];
    let compound = Compound::parse(&bytes).unwrap();
    let packets: Vec<_> = compound.packets().collect();
    let items: Vec<_> = packets[1]
        .items()
        .map(|item| (item.ssrc.0, item.kind, item.text.len()))
        .collect();
    assert_eq!(items, [(1, 1, 1), (2, 6, 1), (2, 1, 0)]);
    assert!(matches!(packets[2], RtcpPacket::Unknown { kind: 240 }));
}

#[test]
fn broken_datagrams_are_refused_with_the_place() {
    let check = |bytes: &[u8], error: RtcpError| assert_eq!(Compound::parse(bytes).unwrap_err(), error);
    check(
        &[],
        RtcpError::Truncated {
            offset: 0,
            need: 4,
            have: 0,
        },
    );
    check(
        &[0x80, 201, 0, 1],
        RtcpError::Truncated {
            offset: 0,
            need: 8,
            have: 4,
        },
    );
    check(
        &[0x80, 201, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0],
        RtcpError::Version {
            offset: 8,
            version: 0,
        },
    );
    check(
        &[0x81, 201, 0, 1, 0, 0, 0, 1],
        RtcpError::Body { offset: 0, kind: 201 },
    );
    let padded_first = [0xa0, 240, 0, 1, 0, 0, 0, 4, 0x80, 201, 0, 1, 0, 0, 0, 1];
    check(&padded_first, RtcpError::Padding { offset: 0 });
    check(&[0xa0, 240, 0, 1, 0, 0, 0, 3], RtcpError::Padding { offset: 0 });
}

fn block() -> impl Strategy<Value = ReportBlock> {
    (any::<[u32; 5]>(), any::<u8>(), -0x80_0000..0x80_0000).prop_map(
        |(words, fraction_lost, cumulative_lost)| ReportBlock {
            ssrc: Ssrc(words[0]),
            fraction_lost,
            cumulative_lost,
            highest_sequence: words[1],
            jitter: words[2],
            last_sender_report: words[3],
            delay_since_last_sender_report: words[4],
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_parse_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(compound) = Compound::parse(&bytes) {
            for packet in compound.packets() {
                packet.reports().count();
                packet.items().count();
                packet.leaving().count();
            }
        }
    }

    #[test]
    fn reports_are_read_back(blocks in proptest::collection::vec(block(), 0..=31), cname in "[a-z@.]{0,255}") {
        let mut buffer = [0; 2000];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.receiver_report(Ssrc(1), &blocks).unwrap().cname(Ssrc(1), &cname).unwrap();
        let len = writer.len();
        let compound = Compound::parse(&buffer[..len]).unwrap();
        let packets: Vec<_> = compound.packets().collect();
        prop_assert_eq!(packets[0].reports().collect::<Vec<_>>(), blocks);
        prop_assert_eq!(packets[1].items().next().unwrap().text, cname.as_bytes());
        prop_assert_eq!(packets.len(), 2);
    }
}

const METRICS: VoipMetrics = VoipMetrics {
    loss_rate: 12,
    discard_rate: 13,
    bursts: BurstMetrics {
        burst_density: 84,
        gap_density: 10,
        burst_duration: Duration::from_millis(120),
        gap_duration: Duration::from_millis(260),
        minimum_gap: 16,
    },
    round_trip: Duration::from_millis(80),
    end_system: Duration::from_millis(60),
    signal_level: Some(-20),
    noise_level: None,
    residual_echo_return_loss: None,
    r_factor: Some(90),
    external_r_factor: None,
    mos_lq: Some(44),
    mos_cq: Some(43),
    receiver_configuration: VoipMetrics::ADAPTIVE_WITH_CONCEALMENT,
    jitter_nominal: Duration::from_millis(40),
    jitter_maximum: Duration::from_millis(400),
    jitter_absolute_maximum: Duration::from_secs(70),
};

#[test]
fn metrics_of_a_call_lie_where_rfc_3611_puts_them() {
    let mut buffer = [0xee; 64];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.voip_metrics(Ssrc(7), Ssrc(9), &METRICS).unwrap();
    let len = writer.len();
    #[rustfmt::skip]
    let expected = [
        0x80, 207, 0, 10, 0, 0, 0, 7,
        7, 0, 0, 8, 0, 0, 0, 9,
        12, 13, 84, 10, 0, 120, 1, 4,
        0, 80, 0, 60, 236, 127, 127, 16,
        90, 127, 44, 43, 0xf0, 0, 0, 40,
        1, 0x90, 0xff, 0xff,
    ];
    assert_eq!(buffer[..len], expected);
    let compound = Compound::parse(&buffer[..len]).unwrap();
    let packet = compound.packets().next().unwrap();
    let clamped = VoipMetrics {
        jitter_absolute_maximum: Duration::from_millis(65_535),
        ..METRICS
    };
    assert_eq!(packet.voip_metrics().collect::<Vec<_>>(), [(Ssrc(9), clamped)]);
}

#[test]
fn blocks_that_are_not_known_are_passed_over_and_those_that_lie_refused() {
    let mut buffer = [0; 64];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.voip_metrics(Ssrc(7), Ssrc(9), &METRICS).unwrap();
    let block = buffer[8..44].to_vec();
    let report = |blocks: &[&[u8]]| {
        let blocks = blocks.concat();
        let words = (4 + blocks.len()) / 4;
        [&[0x80, 207, 0, words as u8, 0, 0, 0, 7], &blocks[..]].concat()
    };
    let unknown = [99, 0, 0, 1, 1, 2, 3, 4];
    let short = [7, 0, 0, 1, 0, 0, 0, 9];
    let bytes = report(&[&unknown, &short, &block]);
    let packet = Compound::parse(&bytes).unwrap().packets().next().unwrap();
    assert_eq!(packet.voip_metrics().count(), 1);
    let lies = report(&[&block, &[7, 0, 0, 9]]);
    assert!(matches!(
        Compound::parse(&lies),
        Err(RtcpError::Body { kind: 207, .. })
    ));
    let out_of_range = [&block[..24], &[101, 255, 9, 51], &block[28..]].concat();
    let bytes = report(&[&out_of_range]);
    let packet = Compound::parse(&bytes).unwrap().packets().next().unwrap();
    let (_, metrics) = packet.voip_metrics().next().unwrap();
    let ratings = (
        metrics.r_factor,
        metrics.external_r_factor,
        metrics.mos_lq,
        metrics.mos_cq,
    );
    assert_eq!(
        ratings,
        (None, None, None, None),
        "RFC 3611 §4.7.5: they are to be ignored"
    );
}
