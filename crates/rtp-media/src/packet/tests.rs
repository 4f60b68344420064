use super::*;
use proptest::prelude::*;

fn header() -> RtpHeader {
    RtpHeader {
        marker: true,
        payload_type: PayloadType::from_octet(96),
        sequence: 0x1234,
        timestamp: 0x5678_9abc,
        ssrc: Ssrc(0xdead_beef),
    }
}

#[test]
fn a_full_packet_is_read_part_by_part() {
    let mut bytes = [0; 64];
    let len = RtpWriter::new(header())
        .csrcs(&[Ssrc(1), Ssrc(2)])
        .extension(0xbede, &[0x10, 0xaa, 0, 0])
        .padding(4)
        .write(b"voice", &mut bytes)
        .unwrap();
    let packet = RtpPacket::parse(&bytes[..len]).unwrap();
    assert_eq!(*packet.header(), header());
    assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
    assert_eq!(packet.extension(), Some((0xbede, &[0x10, 0xaa, 0, 0][..])));
    assert_eq!(packet.payload(), b"voice");
    assert_eq!(packet.padding(), 4);
}

#[test]
fn broken_packets_are_refused_with_the_reason() {
    let check = |bytes: &[u8], error: RtpError| assert_eq!(RtpPacket::parse(bytes).unwrap_err(), error);
    check(&[0x80; 11], RtpError::Truncated { need: 12, have: 11 });
    check(&[0x40; 12], RtpError::Version(1));
    check(&[0x82; 16], RtpError::Truncated { need: 20, have: 16 });
    let mut extended = [0; 16];
    extended[0] = 0x90;
    extended[15] = 1;
    check(&extended, RtpError::Truncated { need: 20, have: 16 });
    let mut padded = [0; 14];
    padded[0] = 0xa0;
    check(&padded, RtpError::Padding { padding: 0, have: 2 });
    padded[13] = 3;
    check(&padded, RtpError::Padding { padding: 3, have: 2 });
    check(&padded[..12], RtpError::Padding { padding: 0, have: 0 });
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut buffer = [0; 20];
    let refuse = |writer: RtpWriter<'_>, buffer: &mut [u8]| writer.write(&[0; 8], buffer).unwrap_err();
    assert_eq!(
        refuse(RtpWriter::new(header()).padding(1), &mut buffer),
        RtpWriteError::BufferTooSmall { need: 21, have: 20 }
    );
    let mut large = [0; 200];
    assert_eq!(
        refuse(RtpWriter::new(header()).csrcs(&[Ssrc(0); 16]), &mut large),
        RtpWriteError::TooManyCsrcs(16)
    );
    assert_eq!(
        refuse(RtpWriter::new(header()).extension(1, &[0; 3]), &mut large),
        RtpWriteError::ExtensionLength(3)
    );
}

#[test]
fn rtcp_is_told_from_rtp_on_a_shared_port() {
    assert!(is_rtcp(&[0x81, 200, 0, 0]));
    assert!(!is_rtcp(&[0x80, 0x88, 0, 0]));
    assert!(!is_rtcp(&[0x80, 0xe0, 0, 0]));
    assert!(!is_rtcp(&[0, 200]));
    assert!(!is_rtcp(&[]));
}

proptest! {
    #[test]
    fn any_bytes_parse_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = RtpPacket::parse(&bytes);
    }

    #[test]
    fn what_is_written_is_read_back(
        marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        csrcs in proptest::collection::vec(any::<u32>().prop_map(Ssrc), 0..=15),
        words in proptest::collection::vec(any::<[u8; 4]>(), 0..4), extended: bool,
        payload in proptest::collection::vec(any::<u8>(), 0..200), padding: u8,
    ) {
        let header = RtpHeader {
            marker, payload_type: PayloadType::new(payload_type).unwrap(), sequence, timestamp, ssrc: Ssrc(ssrc),
        };
        let data = words.concat();
        let mut writer = RtpWriter::new(header).csrcs(&csrcs).padding(padding);
        if extended {
            writer = writer.extension(7, &data);
        }
        let mut buffer = [0; 1000];
        let len = writer.write(&payload, &mut buffer).unwrap();
        let packet = RtpPacket::parse(&buffer[..len]).unwrap();
        prop_assert_eq!(*packet.header(), header);
        prop_assert_eq!(packet.csrcs().collect::<Vec<_>>(), csrcs);
        prop_assert_eq!(packet.extension(), extended.then_some((7, &data[..])));
        prop_assert_eq!(packet.payload(), &payload[..]);
        prop_assert_eq!(packet.padding(), padding);
    }
}
