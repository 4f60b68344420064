//! What tshark made of a capture, packet by packet.

use super::disagreement::{Disagreement, holds};
use super::ports::PortBlock;

/// What a scenario must have put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    /// No call, no peer: nothing to capture.
    Nothing,
    /// SIP without any call: registration.
    Signalling,
    /// A call that was offered, perhaps without a packet of media.
    Offer,
    /// A call with audio: SIP, SDP and RTP.
    Media,
    /// A call whose audio is encrypted though its protocol is `RTP/AVP` (RFC 8643): tshark takes its reports for broken
    /// ones.
    Opportunistic,
    /// A call whose keys come by DTLS: a handshake as well.
    Handshake,
    /// A call that lasts long enough for reports too.
    MediaAndReports,
    /// Messages over MSRP, without SIP.
    Messages,
}

/// How many packets of each kind tshark read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packets {
    sip: usize,
    sdp: usize,
    rtp: usize,
    rtcp: usize,
    /// Those of `rtcp` that neither peer's ports sent: the program under test did.
    rtcp_of_ours: usize,
    dtls: usize,
    msrp: usize,
    /// Those of `msrp` that are REPORT requests.
    reports: usize,
}

/// What is asked of tshark for each packet, in this order.
pub(super) const FIELDS: [&str; 21] = [
    "frame.number",
    "frame.protocols",
    "udp.srcport",
    "udp.dstport",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "sip.Content-Type",
    "sip.Via.branch",
    "sip.from.tag",
    "sip.to.addr",
    "sip.Call-ID",
    "sip.CSeq.seq",
    "sdp.owner.sessionid",
    "sdp.connection_info.address",
    "sdp.media.port",
    "tcp.srcport",
    "tcp.dstport",
    "msrp.transaction.id",
    "msrp.from.path",
    "msrp.method",
];
/// tshark passes over a line that it cannot read: the fields in it are then missing.
const SIP_MUST_HAVE: [&str; 5] = [
    "sip.Via.branch",
    "sip.from.tag",
    "sip.to.addr",
    "sip.Call-ID",
    "sip.CSeq.seq",
];
const MSRP_MUST_HAVE: [&str; 2] = ["msrp.transaction.id", "msrp.from.path"];
const SDP_MUST_HAVE: [&str; 3] = [
    "sdp.owner.sessionid",
    "sdp.connection_info.address",
    "sdp.media.port",
];
/// `_ws.expert.severity` of an error; warnings and notes lie below.
const SEVERITY_ERROR: u32 = 0x0080_0000;

impl Packets {
    /// Reads tshark's table. A packet that it could not read, or took for something else, is a complaint.
    pub(super) fn count(table: &str, ports: PortBlock, traffic: Traffic) -> Result<Self, Disagreement> {
        let mut packets = Self::default();
        for line in table.lines() {
            let packet = Packet(line.split('\t').collect());
            packets
                .add(&packet, ports, traffic)
                .map_err(|complaint| Disagreement::Packet {
                    frame: packet.field("frame.number").parse().unwrap_or_default(),
                    complaint,
                })?;
        }
        Ok(packets)
    }

    fn add(&mut self, packet: &Packet<'_>, ports: PortBlock, traffic: Traffic) -> Result<(), String> {
        let is_unreadable = traffic == Traffic::Opportunistic && packet.is("rtcp");
        if !is_unreadable {
            packet.demand_well_formed()?;
        }
        let transport = if packet.is("tcp") { "tcp" } else { "udp" };
        let ends = ["srcport", "dstport"].map(|end| {
            let port = packet.field(&format!("{transport}.{end}"));
            port.parse().unwrap_or_default()
        });
        let on_sip = ends.iter().any(|port| ports.is_sip(*port));
        let on_media = ends.iter().any(|port| ports.is_media(*port));
        if on_sip && packet.is("sip") {
            packet.demand(&SIP_MUST_HAVE)?;
            self.sip += 1;
            let content = packet.field("sip.Content-Type").to_ascii_lowercase();
            if content.contains("application/sdp") || packet.is("sdp") {
                packet.demand(&SDP_MUST_HAVE)?;
                self.sdp += 1;
            }
        } else if on_sip && packet.is("msrp") {
            packet.demand(&MSRP_MUST_HAVE)?;
            packet.demand_one_transaction()?;
            self.msrp += 1;
            self.reports += usize::from(packet.field("msrp.method") == "REPORT");
        } else if on_media && packet.is("rtp") {
            self.rtp += 1;
        } else if on_media && packet.is("rtcp") {
            self.rtcp += 1;
            self.rtcp_of_ours += usize::from(!ports.is_media(ends[0]));
        } else if on_media && packet.is("dtls") && traffic == Traffic::Handshake {
            self.dtls += 1;
        } else {
            let protocols = packet.field("frame.protocols");
            return Err(format!(
                "neither SIP, RTP nor RTCP: {protocols} between ports {ends:?}"
            ));
        }
        Ok(())
    }

    /// Fails when a kind of packet is missing: nothing seen is nothing shown.
    pub(super) fn check(self, traffic: Traffic) -> Result<(), Disagreement> {
        let wanted: &[(&str, usize)] = match traffic {
            Traffic::Nothing => &[],
            Traffic::Signalling => &[("SIP", self.sip)],
            Traffic::Offer => &[("SIP", self.sip), ("SDP", self.sdp)],
            Traffic::Media | Traffic::Opportunistic => {
                &[("SIP", self.sip), ("SDP", self.sdp), ("RTP", self.rtp)]
            }
            Traffic::Handshake => &[("SIP", self.sip), ("DTLS", self.dtls), ("RTP", self.rtp)],
            Traffic::MediaAndReports => &[
                ("SIP", self.sip),
                ("SDP", self.sdp),
                ("RTP", self.rtp),
                ("RTCP", self.rtcp),
                ("our own RTCP", self.rtcp_of_ours),
            ],
            Traffic::Messages => &[("MSRP", self.msrp), ("REPORT", self.reports)],
        };
        wanted.iter().try_for_each(|(kind, count)| {
            holds(&format!("{kind} packets captured"), *count > 0, &"some", count)
        })
    }
}

impl std::fmt::Display for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            sip,
            sdp,
            rtp,
            rtcp,
            msrp,
            ..
        } = self;
        if *msrp > 0 {
            return write!(f, "{msrp} MSRP");
        }
        write!(f, "{sip} SIP ({sdp} with SDP), {rtp} RTP, {rtcp} RTCP")
    }
}

/// One line of tshark's table, in the order of [`FIELDS`].
struct Packet<'a>(Vec<&'a str>);

impl Packet<'_> {
    /// A field's text; empty when the packet has no such field.
    fn field(&self, name: &str) -> &str {
        let index = FIELDS.iter().position(|field| *field == name);
        index
            .and_then(|index| self.0.get(index))
            .copied()
            .unwrap_or_default()
    }

    fn is(&self, protocol: &str) -> bool {
        self.field("frame.protocols")
            .split(':')
            .any(|name| name == protocol)
    }

    fn demand(&self, fields: &[&str]) -> Result<(), String> {
        fields
            .iter()
            .find(|name| self.field(name).is_empty())
            .map_or(Ok(()), |name| Err(format!("tshark finds no {name} in it")))
    }

    /// A chunk's end-line names the transaction of its start line.
    fn demand_one_transaction(&self) -> Result<(), String> {
        let named: Vec<_> = self.field("msrp.transaction.id").split(',').collect();
        match named[..] {
            [start, end] if start == end => Ok(()),
            _ => Err(format!("a chunk from and to transactions {named:?}")),
        }
    }

    fn demand_well_formed(&self) -> Result<(), String> {
        let malformed = self.field("_ws.malformed");
        let is_error = self
            .field("_ws.expert.severity")
            .split(',')
            .filter_map(|severity| severity.parse::<u32>().ok())
            .any(|severity| severity >= SEVERITY_ERROR);
        if malformed.is_empty() && !is_error {
            return Ok(());
        }
        let message = self.field("_ws.expert.message");
        Err(format!("malformed, says tshark: {malformed} {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::ports::Seat;

    type Fields<'a> = &'a [(&'a str, &'a str)];

    const SIP: Fields<'_> = &[
        ("frame.protocols", "eth:ethertype:ip:udp:sip"),
        ("udp.srcport", "5"),
        ("udp.dstport", "SIP"),
        ("sip.Via.branch", "z9hG4bK1"),
        ("sip.from.tag", "1"),
        ("sip.to.addr", "sip:a@b"),
        ("sip.Call-ID", "1"),
        ("sip.CSeq.seq", "1"),
    ];
    const SDP: Fields<'_> = &[
        ("frame.protocols", "eth:ethertype:ip:udp:sip:sdp"),
        ("sip.Content-Type", "application/sdp"),
        ("sdp.owner.sessionid", "1"),
        ("sdp.connection_info.address", "127.0.0.1"),
        ("sdp.media.port", "7000"),
    ];
    const RTP: Fields<'_> = &[
        ("frame.protocols", "eth:ethertype:ip:udp:rtp"),
        ("udp.srcport", "MEDIA"),
        ("udp.dstport", "5"),
    ];
    const RTCP: Fields<'_> = &[
        ("frame.protocols", "eth:ethertype:ip:udp:rtcp:sdes"),
        ("udp.srcport", "5"),
        ("udp.dstport", "MEDIA"),
    ];

    /// Counts packets, each given by fields of which the later ones win.
    fn count(packets: &[&[Fields<'_>]]) -> Result<Packets, Disagreement> {
        let ports = PortBlock::find(0).unwrap();
        let sip = ports.sip(Seat::First).to_string();
        let media = ports.media(Seat::First).0.to_string();
        let lines: Vec<_> = packets
            .iter()
            .map(|parts| {
                let value = |name: &&str| {
                    let found = parts
                        .iter()
                        .rev()
                        .flat_map(|part| part.iter())
                        .find(|(field, _)| field == name);
                    found.map_or("", |(_, value)| *value).to_owned()
                };
                FIELDS.iter().map(value).collect::<Vec<_>>().join("\t")
            })
            .map(|line| line.replace("\tSIP\t", &format!("\t{sip}\t")))
            .map(|line| line.replace("\tMEDIA\t", &format!("\t{media}\t")))
            .collect();
        Packets::count(&lines.join("\n"), ports, Traffic::Media)
    }

    #[test]
    fn packets_are_counted_by_what_tshark_read_them_as() {
        let note: Fields<'_> = &[("_ws.expert.severity", "2097152,4194304")];
        let packets = count(&[&[SIP, SDP], &[SIP, note], &[RTP], &[RTCP]]).unwrap();
        assert_eq!(
            packets,
            Packets {
                sip: 2,
                sdp: 1,
                rtp: 1,
                rtcp: 1,
                rtcp_of_ours: 1,
                ..Packets::default()
            }
        );
        packets.check(Traffic::MediaAndReports).unwrap();
    }

    /// A REPORT on a SIP seat's port, as tshark reads MSRP.
    const REPORT: Fields<'_> = &[
        ("frame.protocols", "eth:ethertype:ip:tcp:msrp"),
        ("tcp.srcport", "5"),
        ("tcp.dstport", "SIP"),
        ("msrp.transaction.id", "abcd1,abcd1"),
        ("msrp.from.path", "msrp://a:1/b;tcp"),
        ("msrp.method", "REPORT"),
    ];

    #[test]
    fn chunks_begin_and_end_with_one_transaction() {
        let packets = count(&[&[REPORT], &[REPORT, &[("msrp.method", "SEND")]]]).unwrap();
        assert_eq!((packets.msrp, packets.reports), (2, 1));
        packets.check(Traffic::Messages).unwrap();
        assert!(count(&[&[REPORT, &[("msrp.transaction.id", "abcd1,abcd2")]]]).is_err());
        assert!(count(&[&[REPORT, &[("msrp.from.path", "")]]]).is_err());
    }

    #[test]
    fn what_tshark_cannot_read_is_found() {
        let broken: &[&[Fields<'_>]] = &[
            &[SIP, &[("_ws.malformed", "[Malformed Packet: SIP]")]],
            &[RTP, &[("_ws.expert.severity", "4194304,8388608")]],
            &[SIP, &[("sip.from.tag", "")]],
            &[SIP, &[("sip.Content-Type", "application/sdp")]],
            &[SIP, SDP, &[("sdp.media.port", "")]],
            &[SIP, &[("frame.protocols", "eth:ethertype:ip:udp:data")]],
            &[RTP, &[("frame.protocols", "eth:ethertype:ip:udp:data")]],
            &[RTP, &[("udp.srcport", "7")]],
        ];
        for packet in broken {
            assert!(count(&[packet]).is_err(), "{packet:?}");
        }
    }

    #[test]
    fn an_empty_capture_shows_nothing() {
        let packets = count(&[]).unwrap();
        for traffic in [
            Traffic::Signalling,
            Traffic::Offer,
            Traffic::Media,
            Traffic::Handshake,
            Traffic::MediaAndReports,
            Traffic::Messages,
        ] {
            assert!(packets.check(traffic).is_err(), "{traffic:?}");
        }
    }
}
