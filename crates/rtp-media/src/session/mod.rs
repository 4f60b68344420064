//! The RTP session of one audio m-line (RFC 3550): whom we hear, what we send, and the reports between.

mod latch;
mod quality;
mod rtcp;
mod sink;
mod source;
mod statistics;
mod timeline;

pub use latch::{PROOF, SILENCE};
pub use quality::{CallQuality, Impairment};
pub(crate) use source::Extended;
pub use statistics::{DropCounts, RemoteReport, Statistics};

use crate::ids::{PayloadType, Ssrc};
use crate::packet::{HEADER_LEN, RtpHeader, RtpPacket, RtpWriter};
use crate::rtcp::schedule::{Membership, Schedule};
use crate::srtp::SrtpError;
use crate::stream::MediaKind;
use latch::{Latch, Origin};
use offhook_sansio::{Entropy, WallClock};
use sink::Sink;
use source::{MIN_SEQUENTIAL, Numbers, Sequenced, Source};
use std::net::SocketAddr;
use std::time::Instant;
use tracing::{debug, trace};

/// Media bandwidth that RTCP's 5 % is taken of, in octets per second: 64 kbit/s (RFC 3550 §6.2).
const MEDIA_BANDWIDTH: f64 = 8000.0;
const RTCP_PART: f64 = 0.05;

/// A first guess at the size of a report with CNAME.
const FIRST_REPORT: usize = 100;

/// What a session is made from.
#[derive(Debug)]
pub(crate) struct SessionConfig {
    pub(crate) clock_rate: u32,
    pub(crate) remote_rtp: SocketAddr,
    pub(crate) remote_rtcp: SocketAddr,
    pub(crate) rtcp_mux: bool,
    pub(crate) cname: String,
}

/// By which clock the timestamps of a payload type count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadClock {
    /// One of this rate: a codec's.
    Rate(u32),
    /// That of the voice which it interrupts: digits and comfort noise.
    OfTheVoice,
    /// The payload type was not agreed.
    NotAgreed,
}

/// One accepted RTP packet.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) header: RtpHeader,
    pub(crate) payload: &'a [u8],
    pub(crate) extended: Extended,
    pub(crate) news: Option<SourceNews>,
    /// The address we sent to until this packet, when it made us send elsewhere.
    pub(crate) moved_from: Option<SocketAddr>,
}

/// What a packet changed about the source we hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceNews {
    /// The first one, or another one than before.
    Changed { from: Option<Ssrc>, to: Ssrc },
    /// The same one, counting anew.
    Restarted,
}

/// State of one session.
#[derive(Debug)]
pub(crate) struct RtpSession {
    config: SessionConfig,
    entropy: Entropy,
    wall_clock: WallClock,
    sink: Sink,
    source: Option<Source>,
    /// A source other than the one we hear, and how many packets in sequence it has sent.
    candidate: Option<(Source, u8)>,
    rtp_latch: Latch,
    rtcp: rtcp::RtcpState,
    schedule: Schedule,
    /// Where a packet with our own SSRC came from (RFC 3550 §8.2).
    conflict: Option<SocketAddr>,
    totals: Statistics,
    /// Packets lost of sources that we no longer hear.
    lost_before: u64,
}

impl RtpSession {
    pub(crate) fn new(
        config: SessionConfig,
        now: Instant,
        wall_clock: WallClock,
        mut entropy: Entropy,
    ) -> Self {
        let schedule = Schedule::new(now, &membership(false, false), FIRST_REPORT, &mut entropy);
        Self {
            sink: Sink::new(&mut entropy),
            entropy,
            wall_clock,
            source: None,
            candidate: None,
            rtp_latch: Latch::new(config.remote_rtp),
            rtcp: rtcp::RtcpState::new(config.remote_rtcp),
            schedule,
            conflict: None,
            totals: Statistics::default(),
            lost_before: 0,
            config,
        }
    }

    /// Takes an RTP datagram that arrived at `arrival`, in media time; `clock_of` knows the payload types that were agreed.
    /// `None` means that it was dropped and counted.
    pub(crate) fn receive<'a>(
        &mut self,
        now: Instant,
        arrival: i64,
        from: SocketAddr,
        datagram: &'a [u8],
        clock_of: impl FnOnce(PayloadType) -> PayloadClock,
    ) -> Option<Arrival<'a>> {
        let packet = match RtpPacket::parse(datagram) {
            Ok(packet) => packet,
            Err(error) => {
                trace!(%error, "not RTP");
                self.totals.dropped.malformed += 1;
                return None;
            }
        };
        let header = *packet.header();
        let clock_rate = match clock_of(header.payload_type) {
            PayloadClock::Rate(rate) => Some(rate),
            PayloadClock::OfTheVoice => None,
            PayloadClock::NotAgreed => {
                self.totals.dropped.unknown_payload += 1;
                return None;
            }
        };
        // From a peer for whom we already took another SSRC it is our own media, reflected: what whoever calls an echo
        // wants to hear. Nothing is passed on, so no loop arises.
        if header.ssrc == self.sink.ssrc && self.conflict != Some(from) {
            self.totals.dropped.own_ssrc += 1;
            self.collide(from);
            return None;
        }
        let moved_from = match self.rtp_latch.judge(now, from, header.ssrc, header.sequence) {
            Origin::Known => None,
            Origin::Moved { from: before } => {
                debug!("the peer's media comes from another address");
                Some(before)
            }
            Origin::Unproven => {
                self.totals.dropped.unproven_address += 1;
                return None;
            }
        };
        let numbers = Numbers {
            sequence: header.sequence,
            timestamp: header.timestamp,
            clock_rate,
            arrival,
        };
        let (extended, news) = self.sequence(header.ssrc, numbers, moved_from.is_some())?;
        self.totals.packets_received += 1;
        self.totals.octets_received += packet.payload().len() as u64;
        Some(Arrival {
            header,
            payload: packet.payload(),
            extended,
            news,
            moved_from,
        })
    }

    /// Finds the packet's source and its place in it; makes the source the one we hear once it is valid.
    fn sequence(
        &mut self,
        ssrc: Ssrc,
        numbers: Numbers,
        proven: bool,
    ) -> Option<(Extended, Option<SourceNews>)> {
        if let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) {
            self.candidate = None;
            return match source.update(numbers) {
                Sequenced::New(extended) => Some((extended, None)),
                Sequenced::Restarted(extended) => Some((extended, Some(SourceNews::Restarted))),
                Sequenced::Duplicate => {
                    self.totals.duplicates += 1;
                    None
                }
                Sequenced::OutOfRange => {
                    self.totals.dropped.out_of_range += 1;
                    None
                }
            };
        }
        // The first source needs no probation: it comes from where the SDP, or a latch's proof, says it does. One
        // that wants to replace it must send two packets in sequence, without one from the other in between.
        let proof = match &self.candidate {
            Some((seen, proof)) if seen.ssrc == ssrc && seen.next_sequence() == numbers.sequence => proof + 1,
            _ => 1,
        };
        let mut source = match self.candidate.take() {
            Some((seen, _)) if proof > 1 => seen,
            _ => Source::new(ssrc, numbers.sequence, self.config.clock_rate),
        };
        if self.source.is_some() && !proven && proof < MIN_SEQUENTIAL {
            // Counted only when it becomes the source: a stray packet leaves nothing behind.
            source = Source::new(ssrc, numbers.sequence.wrapping_add(1), self.config.clock_rate);
            self.candidate = Some((source, proof));
            self.totals.dropped.probation += 1;
            return None;
        }
        let Sequenced::New(extended) = source.update(numbers) else {
            return None;
        };
        let before = self.source.replace(source);
        let from = before.as_ref().map(|source| source.ssrc);
        self.lost_before += before.as_ref().map_or(0, Source::lost);
        debug!(%ssrc, "hearing a source");
        Some((extended, Some(SourceNews::Changed { from, to: ssrc })))
    }

    /// A packet came with our own SSRC (RFC 3550 §8.2): take another one, but only once per address, as it may be
    /// our own packet that comes back.
    fn collide(&mut self, from: SocketAddr) {
        // Not for a stranger, who could make us change over and over.
        if self.conflict == Some(from) || from != self.remote_rtp() {
            return;
        }
        self.conflict = Some(from);
        self.rtcp.leave(self.sink.ssrc);
        self.sink.renew(&mut self.entropy);
        debug!(ssrc = %self.sink.ssrc, "SSRC collision, took another");
    }

    /// Lets `ticks` of captured media pass, up to `now`.
    pub(crate) fn advance(&mut self, ticks: u32, now: Instant) {
        self.sink.advance(ticks, now);
    }

    /// The timestamp of the media captured next.
    pub(crate) fn timestamp(&self) -> u32 {
        self.sink.timestamp()
    }

    /// Writes a header before `payload_len` octets that lie in `packet` from [`HEADER_LEN`] on; returns the
    /// packet's length.
    pub(crate) fn frame(
        &mut self,
        packet: &mut [u8],
        payload_len: usize,
        marker: bool,
        payload_type: PayloadType,
        timestamp: u32,
    ) -> usize {
        let header = self
            .sink
            .next_header(marker, payload_type, timestamp, payload_len);
        self.totals.packets_sent += 1;
        self.totals.octets_sent += payload_len as u64;
        RtpWriter::new(header)
            .frame(payload_len, packet)
            .expect("the payload lies in the buffer behind a header's room")
    }

    /// Counts a datagram that SRTP refused.
    pub(crate) fn refuse(&mut self, refused: SrtpError) {
        trace!(%refused, "SRTP");
        self.totals.dropped.count(refused);
    }

    /// Counts a datagram of DTLS that nobody wanted.
    pub(crate) fn refuse_dtls(&mut self) {
        self.totals.dropped.dtls += 1;
    }

    /// Sends to the address from which the peer proved who it is. Returns the one before when RTP went elsewhere.
    pub(crate) fn trust(&mut self, kind: MediaKind, from: SocketAddr) -> Option<SocketAddr> {
        match kind {
            MediaKind::Rtp => self.rtp_latch.trust(from),
            MediaKind::Rtcp => {
                self.rtcp.set_remote(from);
                None
            }
        }
    }

    /// Where RTP goes.
    pub(crate) fn remote_rtp(&self) -> SocketAddr {
        self.rtp_latch.remote()
    }

    /// Where accepted RTP came from, once any came.
    pub(crate) fn received_from(&self) -> Option<SocketAddr> {
        self.rtp_latch.received()
    }

    /// Our SSRC.
    pub(crate) fn ssrc(&self) -> Ssrc {
        self.sink.ssrc
    }

    /// The SSRC we hear.
    pub(crate) fn remote_ssrc(&self) -> Option<Ssrc> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// Takes new addresses, and the clock in which we send, from signalling. Addresses that did not change keep what was learned.
    pub(crate) fn update(&mut self, config: SessionConfig) {
        if config.remote_rtp != self.config.remote_rtp {
            self.rtp_latch = Latch::new(config.remote_rtp);
        }
        if config.remote_rtcp != self.config.remote_rtcp {
            self.rtcp.set_remote(config.remote_rtcp);
        }
        self.config = config;
    }

    /// What was counted.
    pub(crate) fn statistics(&self) -> Statistics {
        let source = self.source.as_ref();
        Statistics {
            packets_lost: self.lost_before + source.map_or(0, Source::lost),
            jitter: source.map_or_else(Default::default, Source::jitter),
            ..self.totals
        }
    }

    fn membership(&self) -> Membership {
        membership(self.rtcp.we_send(), self.source.is_some())
    }
}

/// A call has two members; who sends is known.
fn membership(we_send: bool, they_send: bool) -> Membership {
    Membership {
        members: 2,
        senders: u32::from(we_send) + u32::from(they_send),
        we_send,
        bandwidth: MEDIA_BANDWIDTH * RTCP_PART,
    }
}

/// Octets to leave free before a payload.
pub(crate) const PAYLOAD_AT: usize = HEADER_LEN;
