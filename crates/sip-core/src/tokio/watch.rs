//! When a connection has been silent for too long, and when it is pinged.

use super::connection_config::ConnectionConfig;
use offhook_sansio::Entropy;
use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::time::Instant;

/// What is to be done when the time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    Close(&'static str),
}

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Watch {
    config: ConnectionConfig,
    /// Until when the first message must be there.
    first_message: Option<Instant>,
    /// Until when the message must be whole that has begun.
    whole_message: Option<Instant>,
    /// A message came since the last look.
    got_message: bool,
    idle: Instant,
    ping: Option<Instant>,
    pong: Option<Instant>,
    /// A ping is out, and nothing came back yet.
    is_pinged: bool,
    /// The peer is one that answers.
    pongs: bool,
}

impl Watch {
    pub(super) fn new(now: Instant, is_ours: bool, config: &ConnectionConfig, entropy: &mut Entropy) -> Self {
        let mut watch = Self {
            config: config.clone(),
            first_message: (!is_ours).then(|| now + config.first_message_timeout),
            whole_message: None,
            got_message: false,
            idle: now + config.idle_timeout,
            ping: None,
            pong: None,
            is_pinged: false,
            pongs: false,
        };
        watch.ping = is_ours.then(|| watch.next_ping(now, entropy));
        watch
    }

    /// What is due first, and when.
    pub(super) fn next(&self) -> (Instant, Due) {
        let others = [
            (self.first_message, Due::Close("no message came")),
            (self.whole_message, Due::Close("a message came too slowly")),
            (self.pong, Due::Close("no answer to a ping")),
            (self.ping, Due::Ping),
        ];
        others
            .into_iter()
            .filter_map(|(at, due)| Some((at?, due)))
            .chain([(self.idle, Due::Close("idle"))])
            .min_by_key(|(at, _)| *at)
            .expect("there is always one")
    }

    /// Bytes came.
    pub(super) fn heard(&mut self, now: Instant) {
        self.idle = now + self.config.idle_timeout;
    }

    pub(super) fn got_message(&mut self) {
        self.first_message = None;
        self.got_message = true;
    }

    /// All that was whole has been taken; the rest is part of a message, or nothing.
    pub(super) fn set_mid_message(&mut self, now: Instant, is_mid_message: bool) {
        if !is_mid_message {
            self.whole_message = None;
        } else if self.whole_message.is_none() || self.got_message {
            self.whole_message = Some(now + self.config.message_timeout);
        }
        self.got_message = false;
    }

    /// The peer answers pings, and counts on some within this time. Pings go on as they are where nothing changes.
    pub(super) fn keep_alive(
        &mut self,
        interval: RangeInclusive<Duration>,
        now: Instant,
        entropy: &mut Entropy,
    ) {
        self.pongs = true;
        if self.config.ping_interval != interval || self.ping.is_none() {
            self.config.ping_interval = interval;
            self.ping = Some(self.next_ping(now, entropy));
        }
    }

    pub(super) fn pinged(&mut self, now: Instant, entropy: &mut Entropy) {
        self.is_pinged = true;
        self.ping = Some(self.next_ping(now, entropy));
        if self.pongs {
            self.pong.get_or_insert(now + self.config.pong_timeout);
        }
    }

    /// A single CRLF came: an answer, if there was a ping.
    pub(super) fn ponged(&mut self) {
        self.pongs |= self.is_pinged;
        self.is_pinged = false;
        self.pong = None;
    }

    fn next_ping(&self, now: Instant, entropy: &mut Entropy) -> Instant {
        let interval = &self.config.ping_interval;
        now + entropy.duration(*interval.start(), *interval.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn watch(now: Instant, is_ours: bool) -> Watch {
        Watch::new(
            now,
            is_ours,
            &ConnectionConfig::default(),
            &mut Entropy::from_number(1),
        )
    }

    #[test]
    fn who_says_nothing_or_half_a_message_is_closed_in_bounded_time() {
        let t0 = Instant::now();
        let mut watch = watch(t0, false);
        assert_eq!(watch.next(), (t0 + seconds(20), Due::Close("no message came")));
        let slow = Due::Close("a message came too slowly");
        for second in 1..9 {
            watch.heard(t0 + seconds(second));
            watch.set_mid_message(t0 + seconds(second), true);
            assert_eq!(watch.next(), (t0 + seconds(11), slow));
        }
        watch.got_message();
        watch.set_mid_message(t0 + seconds(9), true);
        assert_eq!(watch.next(), (t0 + seconds(19), slow));
        watch.set_mid_message(t0 + seconds(9), false);
        assert_eq!(watch.next(), (t0 + seconds(8 + 3600), Due::Close("idle")));
    }

    #[test]
    fn a_server_that_counts_on_pings_gets_them_in_its_time_and_must_answer_the_first() {
        let t0 = Instant::now();
        let mut entropy = Entropy::from_number(3);
        let mut watch = watch(t0, true);
        watch.keep_alive(seconds(16)..=seconds(20), t0, &mut entropy);
        let (first, due) = watch.next();
        assert_eq!(due, Due::Ping);
        assert!((seconds(16)..=seconds(20)).contains(&(first - t0)));
        watch.keep_alive(seconds(16)..=seconds(20), t0 + seconds(5), &mut entropy);
        assert_eq!(watch.next(), (first, Due::Ping), "a refresh changes nothing");
        watch.pinged(first, &mut entropy);
        let want = (first + seconds(10), Due::Close("no answer to a ping"));
        assert_eq!(watch.next(), want);
    }

    #[test]
    fn only_a_peer_that_answers_pings_is_expected_to() {
        let t0 = Instant::now();
        let mut entropy = Entropy::from_number(2);
        let mut watch = watch(t0, true);
        let (first, due) = watch.next();
        assert_eq!(due, Due::Ping);
        assert!((seconds(95)..=seconds(120)).contains(&(first - t0)));
        watch.ponged();
        watch.pinged(first, &mut entropy);
        let (second, due) = watch.next();
        assert_eq!(due, Due::Ping, "a CRLF without a ping is no pong");
        watch.ponged();
        watch.pinged(second, &mut entropy);
        let want = (second + seconds(10), Due::Close("no answer to a ping"));
        assert_eq!(watch.next(), want);
        watch.ponged();
        assert_eq!(watch.next().1, Due::Ping);
    }
}
