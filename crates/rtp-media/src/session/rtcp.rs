//! Reports of a session: sent on schedule, received and understood (RFC 3550 §6).

use super::RtpSession;
use super::statistics::RemoteReport;
use crate::ids::Ssrc;
use crate::rtcp::{
    ApplicationPacket, Compound, ReportBlock, RtcpPacket, RtcpWriter, SenderInfo, VoipMetrics,
};
use crate::time::ticks_to_duration;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tracing::trace;

/// Datagrams from an unexpected address, of the source we hear, after which reports go there.
const RTCP_PROOF: u8 = 2;

/// What an RTCP datagram told that the layer above should know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RtcpNews {
    /// The source we hear has left.
    pub(crate) left: bool,
    /// The part of our packets that the peer has not received lately, in 1/256.
    pub(crate) loss: Option<u8>,
}

/// What goes with a report.
#[derive(Debug, Default)]
struct Say<'a> {
    metrics: Option<&'a VoipMetrics>,
    application: Option<&'a ApplicationPacket>,
    leaving: Option<Ssrc>,
}

/// RTCP state of a session.
#[derive(Debug)]
pub(super) struct RtcpState {
    remote: SocketAddr,
    candidate: Option<(SocketAddr, u8)>,
    /// Our packet count at the last two reports: we are a sender while it moves (§6.3.8).
    reported_packets: [u32; 2],
    /// An SSRC of ours to say goodbye for.
    leaving: Option<Ssrc>,
    /// What the application wants to say with the next report.
    pub(super) to_say: VecDeque<ApplicationPacket>,
    /// What the peer's application said.
    pub(super) said: VecDeque<ApplicationPacket>,
}

/// Packets of applications that wait, each way; later ones are refused, or lost.
const MAX_APPLICATION: usize = 8;

impl RtcpState {
    pub(super) fn new(remote: SocketAddr) -> Self {
        Self {
            remote,
            candidate: None,
            reported_packets: [0; 2],
            leaving: None,
            to_say: VecDeque::new(),
            said: VecDeque::new(),
        }
    }

    pub(super) fn set_remote(&mut self, remote: SocketAddr) {
        self.remote = remote;
        self.candidate = None;
    }

    /// Says goodbye for an SSRC with the next report.
    pub(super) fn leave(&mut self, ssrc: Ssrc) {
        self.leaving = Some(ssrc);
        self.reported_packets = [0; 2];
    }

    pub(super) fn we_send(&self) -> bool {
        self.reported_packets[0] != self.reported_packets[1]
    }

    /// Follows the peer's reports to another address once two came from there; the caller has checked that they
    /// are the heard source's.
    fn follow(&mut self, from: SocketAddr) {
        if from == self.remote {
            self.candidate = None;
            return;
        }
        let proof = match self.candidate {
            Some((seen, proof)) if seen == from => proof + 1,
            _ => 1,
        };
        if proof >= RTCP_PROOF {
            self.set_remote(from);
        } else {
            self.candidate = Some((from, proof));
        }
    }
}

impl RtpSession {
    /// Where RTCP goes: with RTP when both share a port (RFC 5761).
    pub(crate) fn remote_rtcp(&self) -> SocketAddr {
        if self.config.rtcp_mux {
            self.remote_rtp()
        } else {
            self.rtcp.remote
        }
    }

    /// Takes an RTCP datagram.
    pub(crate) fn receive_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> RtcpNews {
        let mut news = RtcpNews::default();
        let compound = match Compound::parse(datagram) {
            Ok(compound) => compound,
            Err(error) => {
                trace!(%error, "not RTCP");
                self.totals.dropped.malformed += 1;
                return news;
            }
        };
        let heard = self.remote_ssrc();
        let is_ours = |packet: &RtcpPacket<'_>| match *packet {
            RtcpPacket::SenderReport { ssrc, .. } | RtcpPacket::ReceiverReport { ssrc, .. } => {
                // A peer that only listens reports under an SSRC we have never heard.
                heard.is_none_or(|heard| heard == ssrc)
            }
            RtcpPacket::Goodbye { .. } => packet.leaving().any(|ssrc| Some(ssrc) == heard),
            _ => false,
        };
        let expected = from == self.remote_rtcp();
        if !expected && (heard.is_none() || !compound.packets().any(|packet| is_ours(&packet))) {
            self.totals.dropped.foreign_rtcp += 1;
            return news;
        }
        self.rtcp.follow(from);
        self.totals.rtcp_received += 1;
        self.schedule.count(datagram.len());
        for packet in compound.packets() {
            self.understand(now, &packet, &mut news);
        }
        news
    }

    fn understand(&mut self, now: Instant, packet: &RtcpPacket<'_>, news: &mut RtcpNews) {
        if let RtcpPacket::SenderReport { ssrc, info, .. } = packet
            && let Some(source) = self.source.as_mut().filter(|source| source.ssrc == *ssrc)
        {
            source.last_report = Some(((info.ntp >> 16) as u32, now));
        }
        for block in packet.reports().filter(|block| block.ssrc == self.sink.ssrc) {
            self.totals.remote = Some(RemoteReport {
                fraction_lost: block.fraction_lost,
                cumulative_lost: block.cumulative_lost,
                jitter: ticks_to_duration(i64::from(block.jitter), self.config.clock_rate),
            });
            news.loss = Some(block.fraction_lost);
            if let Some(round_trip) = round_trip((self.wall_clock.ntp(now) >> 16) as u32, &block) {
                self.totals.round_trip = Some(round_trip);
            }
        }
        for (about, metrics) in packet.voip_metrics() {
            if about == self.sink.ssrc {
                self.totals.remote_metrics = Some(metrics);
            }
        }
        if let RtcpPacket::Application {
            subtype, name, data, ..
        } = *packet
            && self.rtcp.said.len() < MAX_APPLICATION
            && data.len() <= ApplicationPacket::MAX_DATA
        {
            let data = data.to_vec();
            self.rtcp
                .said
                .push_back(ApplicationPacket { subtype, name, data });
        }
        let heard = self.remote_ssrc();
        news.left |= packet.leaving().any(|ssrc| Some(ssrc) == heard);
    }

    /// When the next report is due.
    pub(crate) fn report_at(&self) -> Instant {
        self.schedule.next()
    }

    /// Writes a report into `buffer` when one is due, with the metrics that the peer wishes for; returns its length.
    pub(crate) fn poll_report(
        &mut self,
        now: Instant,
        metrics: Option<&VoipMetrics>,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let of = self.membership();
        if !self.schedule.is_due(now, &of, &mut self.entropy) {
            return None;
        }
        let waiting = self.rtcp.to_say.pop_front();
        let say = Say {
            metrics,
            application: waiting.as_ref(),
            leaving: None,
        };
        let len = self.write_report(now, buffer, &say)?;
        self.rtcp.reported_packets = [self.sink.packets, self.rtcp.reported_packets[0]];
        let of = self.membership();
        self.schedule.sent(now, len, &of, &mut self.entropy);
        Some(len)
    }

    /// Writes the last report, with a goodbye. Sent at once: a call has fewer than 50 members (§6.3.7).
    pub(crate) fn write_goodbye(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        let ssrc = self.sink.ssrc;
        let say = Say {
            leaving: Some(ssrc),
            ..Say::default()
        };
        self.write_report(now, buffer, &say)
    }

    /// Keeps an application's packet for the next report. False when too many wait.
    pub(crate) fn say_with_report(&mut self, packet: ApplicationPacket) -> bool {
        let room = self.rtcp.to_say.len() < MAX_APPLICATION;
        if room {
            self.rtcp.to_say.push_back(packet);
        }
        room
    }

    /// Writes an application's packet by itself, where the peer takes that (RFC 5506).
    pub(crate) fn write_reduced(&mut self, packet: &ApplicationPacket, buffer: &mut [u8]) -> Option<usize> {
        let mut writer = RtcpWriter::new(buffer);
        let len = writer.application(self.sink.ssrc, packet).ok()?.len();
        // Reports give way to it, so that RTCP's bandwidth stays what it is (RFC 5506 §3.4.1).
        self.schedule.count(len);
        self.totals.rtcp_sent += 1;
        Some(len)
    }

    /// What the peer's application said.
    pub(crate) fn poll_application(&mut self) -> Option<ApplicationPacket> {
        self.rtcp.said.pop_front()
    }

    fn write_report(&mut self, now: Instant, buffer: &mut [u8], say: &Say<'_>) -> Option<usize> {
        let block = self.source.as_mut().map(|source| {
            let (last, delay) = source.last_report.map_or((0, 0), |(middle, at)| {
                (middle, to_short(now.saturating_duration_since(at)))
            });
            ReportBlock {
                ssrc: source.ssrc,
                fraction_lost: source.take_fraction_lost(),
                cumulative_lost: i32::try_from(source.lost()).unwrap_or(i32::MAX),
                highest_sequence: source.reported_highest(),
                jitter: source.jitter_ticks(),
                last_sender_report: last,
                delay_since_last_sender_report: delay,
            }
        });
        let ssrc = self.sink.ssrc;
        let sends = self.sink.packets != self.rtcp.reported_packets[1];
        let mut writer = RtcpWriter::new(buffer);
        let begun = if sends {
            let info = SenderInfo {
                ntp: self.wall_clock.ntp(now),
                rtp_timestamp: self.sink.timestamp_at(now, self.config.clock_rate),
                packets: self.sink.packets,
                octets: self.sink.octets,
            };
            writer.sender_report(ssrc, &info, block.as_slice())
        } else {
            writer.receiver_report(ssrc, block.as_slice())
        };
        let leaving = say.leaving.or(self.rtcp.leaving.take());
        begun
            .and_then(|writer| writer.cname(ssrc, &self.config.cname))
            .ok()?;
        if let (Some(metrics), Some(block)) = (say.metrics, &block) {
            writer.voip_metrics(ssrc, block.ssrc, metrics).ok()?;
        }
        if let Some(application) = say.application {
            writer.application(ssrc, application).ok()?;
        }
        if let Some(leaving) = leaving {
            writer.bye(leaving, "").ok()?;
        }
        self.totals.rtcp_sent += 1;
        Some(writer.len())
    }
}

/// How far below nothing a round trip may be for the peer's rounding of its delay: 31 ms, in 1/65536 s.
const ROUNDING: u32 = 1 << 11;

/// Time to the peer and back (RFC 3550 §6.4.1, figure 2); `None` without a sender report of ours, or when the
/// clocks make it negative. On a short way what a peer rounds is more than the way itself: that is no time at all.
fn round_trip(now: u32, block: &ReportBlock) -> Option<Duration> {
    if block.last_sender_report == 0 {
        return None;
    }
    let short = now
        .wrapping_sub(block.last_sender_report)
        .wrapping_sub(block.delay_since_last_sender_report);
    let short = if short > u32::MAX - ROUNDING { 0 } else { short };
    (short < 1 << 31).then(|| Duration::from_nanos((u64::from(short) * 1_000_000_000) >> 16))
}

/// A duration in 1/65536 s, as reports carry it; saturates at 18 hours.
fn to_short(duration: Duration) -> u32 {
    let short = (duration.as_nanos() << 16) / 1_000_000_000;
    u32::try_from(short).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trip_is_what_the_rfc_computes() {
        // The example of RFC 3550 §6.4.1, figure 2.
        let block = ReportBlock {
            ssrc: Ssrc(0),
            fraction_lost: 0,
            cumulative_lost: 0,
            highest_sequence: 0,
            jitter: 0,
            last_sender_report: 0xb705_2000,
            delay_since_last_sender_report: 0x0005_4000,
        };
        assert_eq!(round_trip(0xb710_8000, &block), Some(Duration::from_millis(6125)));
    }

    /// Seen of baresip over the loopback: its delay is a quarter of a millisecond too long.
    #[test]
    fn a_peer_that_rounds_its_delay_up_is_no_way_off() {
        let block = |delay_since_last_sender_report| ReportBlock {
            ssrc: Ssrc(0),
            fraction_lost: 0,
            cumulative_lost: 0,
            highest_sequence: 0,
            jitter: 0,
            last_sender_report: 0x39c9_a21d,
            delay_since_last_sender_report,
        };
        let now = 0x39c9_a21d + 141_480;
        assert_eq!(round_trip(now, &block(141_492)), Some(Duration::ZERO));
        assert_eq!(
            round_trip(now, &block(141_480 + ROUNDING + 1)),
            None,
            "this is no rounding"
        );
    }

    #[test]
    fn durations_are_reported_in_65536ths() {
        assert_eq!(to_short(Duration::from_millis(5250)), 0x0005_4000);
        assert_eq!(to_short(Duration::from_secs(1 << 20)), u32::MAX);
    }
}
