//! One UDP flow, asked every half minute whether it is there still (RFC 5626 §4.4.2).

use super::stun::{StunId, StunMessage};
use offhook_sansio::Entropy;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// RFC 8489 §6.2.1: the first wait of a request, how often it is sent, and the last wait in units of the first.
const RTO: Duration = Duration::from_millis(500);
const SENDS: u32 = 7;
const LAST_WAIT: u32 = 16;

/// RFC 5626 §4.4.2.
const USUAL: RangeInclusive<Duration> = Duration::from_secs(24)..=Duration::from_secs(29);

/// Asks along one flow, again and again.
#[derive(Debug)]
pub(crate) struct Probe {
    interval: RangeInclusive<Duration>,
    /// The request that is on its way, and how often it was sent.
    pending: Option<(StunId, u32)>,
    /// When the next request, or the next copy of this one, goes.
    at: Instant,
    /// As whom the server sees us.
    mapped: Option<SocketAddr>,
}

/// What a flow that is due wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProbeDue {
    Send(StunId),
    Failed,
    Nothing,
}

/// What an answer says of the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Alive,
    /// It answers another request, and says nothing.
    Stray,
    /// The server does not serve keep-alives along it.
    Refused,
    /// We are somebody else to the server now: what it has of us leads nowhere.
    Moved,
}

impl Probe {
    /// The first request goes after one interval: the registration has just shown that the flow works.
    pub(crate) fn new(now: Instant, flow_timer: Option<Duration>, entropy: &mut Entropy) -> Self {
        let interval = flow_timer.map_or(USUAL, super::interval_within);
        Self {
            at: now + entropy.duration(*interval.start(), *interval.end()),
            interval,
            pending: None,
            mapped: None,
        }
    }

    /// The server has named another time, or none.
    pub(crate) fn set_flow_timer(
        &mut self,
        now: Instant,
        flow_timer: Option<Duration>,
        entropy: &mut Entropy,
    ) {
        let interval = flow_timer.map_or(USUAL, super::interval_within);
        if interval != self.interval {
            self.interval = interval;
            if self.pending.is_none() {
                self.at = self.at.min(self.next(now, entropy));
            }
        }
    }

    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// True once the server has answered: the flow counts as successful (RFC 5626 §4.5).
    pub(crate) fn is_confirmed(&self) -> bool {
        self.mapped.is_some()
    }

    /// The request that waits for its answer.
    pub(crate) fn pending(&self) -> Option<StunId> {
        self.pending.map(|(id, _)| id)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, entropy: &mut Entropy) -> ProbeDue {
        if now < self.at {
            return ProbeDue::Nothing;
        }
        let (id, sent) = self.pending.unwrap_or_else(|| {
            let mut id = StunId::default();
            entropy.fill(&mut id);
            (id, 0)
        });
        if sent == SENDS {
            return ProbeDue::Failed;
        }
        let factor = if sent + 1 == SENDS { LAST_WAIT } else { 1 << sent };
        self.at = now + RTO * factor;
        self.pending = Some((id, sent + 1));
        ProbeDue::Send(id)
    }

    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        answer: &StunMessage,
        entropy: &mut Entropy,
    ) -> Answered {
        let is_pending = |id: &StunId| self.pending() == Some(*id);
        match answer {
            StunMessage::Success { id, mapped } if is_pending(id) => {
                if self.mapped.is_some_and(|known| known != *mapped) {
                    return Answered::Moved;
                }
                self.mapped = Some(*mapped);
                self.pending = None;
                self.at = self.next(now, entropy);
                Answered::Alive
            }
            StunMessage::Error { id, .. } if is_pending(id) => Answered::Refused,
            _ => Answered::Stray,
        }
    }

    fn next(&self, now: Instant, entropy: &mut Entropy) -> Instant {
        now + entropy.duration(*self.interval.start(), *self.interval.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_answer_seven_requests_go_in_39_and_a_half_seconds() {
        let (start, mut entropy) = (Instant::now(), Entropy::from_number(1));
        let mut probe = Probe::new(start, None, &mut entropy);
        let first = probe.at();
        assert!((24_000..=29_000).contains(&(first - start).as_millis()));
        assert_eq!(probe.handle_timeout(start, &mut entropy), ProbeDue::Nothing);
        let mut sent = Vec::new();
        loop {
            let at = probe.at();
            match probe.handle_timeout(at, &mut entropy) {
                ProbeDue::Send(id) => sent.push(((at - first).as_millis(), id)),
                due => {
                    assert_eq!((due, (at - first).as_millis()), (ProbeDue::Failed, 39_500));
                    break;
                }
            }
        }
        let times: Vec<u128> = sent.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert!(
            sent.iter().all(|(_, id)| *id == sent[0].1),
            "one request, repeated"
        );
    }
}
