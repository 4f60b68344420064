//! What a network did to a stream of packets: when each of them arrived, if it did.

use offhook_sansio::Entropy;
use std::time::Duration;

/// How often a packet of a [`Trace`] is sent, by the sender's clock.
pub const PERIOD: Duration = Duration::from_millis(20);

/// A kind of network, after which traces are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// A wire: 1 ms of jitter.
    Steady,
    /// A busy wireless network: some jitter, packets that are sent again and hold up all behind them, and now and then a
    /// scan or another station that stops everything for 40 to 180 ms; what waited comes at once. One packet in 200 is lost.
    WiFi,
    /// A mobile network of the third generation: a queue whose length wanders, packets bundled by radio frames of 10 ms,
    /// hand-overs of 200 to 400 ms each 8 s or so, losses of several packets at a time, 1 % in all.
    Mobile,
    /// A long way through the Internet by several paths: 30 ms of jitter that reorders, bursts of loss, 3 % in all.
    Internet,
    /// Calm, then 100 ms of jitter, then calm again, each for a third of the time.
    Change,
    /// A wire to a sender whose clock differs: the interval between its packets is longer by this many millionths.
    Drift(i32),
}

impl Weather {
    /// One of each kind; drift by 200 ppm either way, which is four times what sound cards do.
    pub const ALL: [Self; 7] = [
        Self::Steady,
        Self::WiFi,
        Self::Mobile,
        Self::Internet,
        Self::Change,
        Self::Drift(200),
        Self::Drift(-200),
    ];

    /// What a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::WiFi => "Wi-Fi bursts",
            Self::Mobile => "3G",
            Self::Internet => "Internet, 3 % lost",
            Self::Change => "calm, rough, calm",
            Self::Drift(ppm) if ppm < 0 => "drift, sender fast",
            Self::Drift(_) => "drift, sender slow",
        }
    }
}

/// When each packet of a stream arrived, counted from the moment at which the first was sent; `None` for those that never did.
/// Packets are sent each [`PERIOD`] of the sender's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Arrivals by the order of sending.
    pub arrivals: Vec<Option<Duration>>,
    /// How long the fastest packet took.
    pub fastest: Duration,
    /// By how many millionths the sender's seconds are longer than the receiver's.
    pub drift_ppm: i32,
}

impl Trace {
    /// A trace of `packets` packets. The same seed gives the same one.
    pub fn new(weather: Weather, packets: usize, seed: u64) -> Self {
        let mut sky = Sky::new(weather, packets, seed);
        let drift_ppm = if let Weather::Drift(ppm) = weather { ppm } else { 0 };
        let period = PERIOD.as_secs_f64() * (1.0 + f64::from(drift_ppm) / 1e6);
        let (mut arrivals, mut fastest) = (Vec::with_capacity(packets), f64::INFINITY);
        for number in 0..packets {
            let sent = number as f64 * period;
            let transit = sky.carry(number, sent);
            fastest = fastest.min(transit.unwrap_or(fastest));
            arrivals.push(transit.map(|transit| Duration::from_secs_f64(sent + transit)));
        }
        let fastest = if fastest.is_finite() { fastest } else { 0.0 };
        Self {
            arrivals,
            fastest: Duration::from_secs_f64(fastest),
            drift_ppm,
        }
    }

    /// The share of packets that never arrived, 0..=1.
    pub fn lost(&self) -> f64 {
        let lost = self.arrivals.iter().filter(|arrival| arrival.is_none()).count();
        lost as f64 / self.arrivals.len().max(1) as f64
    }
}

/// The state of a network. All times are in seconds.
struct Sky {
    weather: Weather,
    packets: usize,
    dice: Entropy,
    /// Nothing arrives before this: what stands in a queue keeps its order.
    gate: f64,
    /// How long the queue of a mobile network is.
    queue: f64,
    /// Packets that a burst of loss still takes.
    losing: u32,
}

impl Sky {
    fn new(weather: Weather, packets: usize, seed: u64) -> Self {
        Self {
            weather,
            packets,
            dice: Entropy::from_number(seed),
            gate: 0.0,
            queue: 0.03,
            losing: 0,
        }
    }

    /// How long a packet takes, or that it is lost.
    fn carry(&mut self, number: usize, sent: f64) -> Option<f64> {
        match self.weather {
            Weather::Steady | Weather::Drift(_) => Some(0.01 + self.even(0.001)),
            Weather::WiFi => {
                if self.chance(0.005) {
                    self.gate = sent + 0.04 + self.even(0.14);
                }
                let resent = if self.chance(0.05) {
                    0.005 + self.even(0.025)
                } else {
                    0.0
                };
                let transit = 0.005 + self.exponential(0.003) + resent;
                (!self.chance(0.005)).then(|| self.queued(sent, transit))
            }
            Weather::Mobile => {
                if self.chance(1.0 / 400.0) {
                    self.gate = sent + 0.2 + self.even(0.2);
                }
                self.queue = (self.queue + self.even(0.016) - 0.008).clamp(0.0, 0.08);
                let arrival = self.queued(sent, 0.06 + self.queue);
                let framed = (arrival * 100.0 + sent * 100.0).ceil() / 100.0 - sent;
                (!self.is_lost(0.004, 4)).then_some(framed)
            }
            Weather::Internet => {
                let transit = 0.04 + self.even(0.03);
                (!self.is_lost(0.012, 4)).then_some(transit)
            }
            Weather::Change => {
                let is_rough = (self.packets / 3..self.packets * 2 / 3).contains(&number);
                Some(0.02 + self.even(if is_rough { 0.1 } else { 0.002 }))
            }
        }
    }

    /// A transit that may not overtake what was sent before.
    fn queued(&mut self, sent: f64, transit: f64) -> f64 {
        let arrival = (sent + transit).max(self.gate);
        self.gate = arrival;
        arrival - sent
    }

    /// Whether a packet is lost where a burst begins with this chance and takes 1 to `most` packets.
    fn is_lost(&mut self, begins: f64, most: u32) -> bool {
        if self.losing == 0 && self.chance(begins) {
            self.losing = 1 + self.dice.below(most);
        }
        let is_lost = self.losing > 0;
        self.losing = self.losing.saturating_sub(1);
        is_lost
    }

    fn chance(&mut self, part: f64) -> bool {
        self.even(1.0) < part
    }

    /// From 0 up to `most`.
    fn even(&mut self, most: f64) -> f64 {
        f64::from(self.dice.u32()) / f64::from(u32::MAX) * most
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.even(0.9999)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transits in milliseconds of what arrived.
    fn transits(trace: &Trace) -> Vec<f64> {
        let period = PERIOD.as_secs_f64() * (1.0 + f64::from(trace.drift_ppm) / 1e6);
        let sent = (0..).map(|number| f64::from(number) * period);
        let arrived = trace.arrivals.iter().zip(sent);
        arrived
            .filter_map(|(arrival, sent)| Some((arrival.as_ref()?.as_secs_f64() - sent) * 1000.0))
            .collect()
    }

    #[test]
    fn a_seed_gives_one_trace_and_another_seed_another() {
        for weather in Weather::ALL {
            let trace = Trace::new(weather, 500, 1);
            assert_eq!(trace, Trace::new(weather, 500, 1));
            assert_ne!(trace, Trace::new(weather, 500, 2));
        }
    }

    #[test]
    fn each_kind_does_what_its_name_says() {
        let spread = |weather: Weather| {
            let mut transits = transits(&Trace::new(weather, 6000, 3));
            transits.sort_by(f64::total_cmp);
            (
                transits[0],
                transits[transits.len() / 2],
                transits[transits.len() - 1],
            )
        };
        let (least, _, most) = spread(Weather::Steady);
        assert!(most - least <= 1.0);
        let (least, middle, most) = spread(Weather::WiFi);
        assert!(
            middle - least < 15.0 && most - least > 120.0,
            "{least} {middle} {most}"
        );
        let (least, middle, most) = spread(Weather::Mobile);
        assert!(
            middle - least < 60.0 && most - least > 300.0,
            "{least} {middle} {most}"
        );
        for ppm in [-200, 200] {
            let (least, _, most) = spread(Weather::Drift(ppm));
            assert!(most - least <= 1.001, "{least} {most}");
        }
    }

    #[test]
    fn losses_come_in_the_shares_that_are_told() {
        let lost = |weather| Trace::new(weather, 20_000, 4).lost();
        assert!(lost(Weather::Steady) < f64::EPSILON);
        assert!((0.003..0.007).contains(&lost(Weather::WiFi)));
        assert!((0.007..0.013).contains(&lost(Weather::Mobile)));
        assert!((0.024..0.036).contains(&lost(Weather::Internet)));
    }

    #[test]
    fn what_stands_in_a_queue_keeps_its_order_and_what_takes_several_paths_does_not() {
        let in_order = |weather| {
            let trace = Trace::new(weather, 3000, 5);
            let arrivals: Vec<_> = trace.arrivals.into_iter().flatten().collect();
            arrivals.is_sorted()
        };
        assert!(in_order(Weather::WiFi));
        assert!(in_order(Weather::Mobile));
        assert!(!in_order(Weather::Internet));
    }
}
