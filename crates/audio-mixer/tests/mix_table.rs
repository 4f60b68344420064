//! The mixer against a naive model: for each listener, add up all it should hear, one connection at a time.

use offhook_audio_mixer::{AudioMixer, AudioPort, BridgeId, Gain, MixerConfig, Produced, Role, Slot, Tick};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const RATE: u32 = 8_000;

/// Says something else in each tick, and keeps what it heard last.
struct Parrot {
    id: u64,
    amplitude: i16,
    role: Role,
    heard: Option<(u64, Vec<i16>)>,
}

impl Parrot {
    fn new(id: u64, amplitude: i16) -> Self {
        Self {
            id,
            amplitude,
            role: Role::BOTH,
            heard: None,
        }
    }

    /// What the port says in a tick: noise, or nothing in about every third tick.
    fn voice(id: u64, amplitude: i16, tick: u64, len: usize) -> Option<Vec<i16>> {
        let mut state =
            (id + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (tick + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (next() % 3 != 0).then(|| {
            let sample = |_| ((next() as i16 as i32) * i32::from(amplitude) / 32_768) as i16;
            (0..len).map(sample).collect()
        })
    }
}

impl AudioPort for Parrot {
    fn sample_rate(&self) -> u32 {
        RATE
    }
    fn role(&self) -> Role {
        self.role
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        match Self::voice(self.id, self.amplitude, tick.index, frame.len()) {
            Some(voice) => {
                frame.copy_from_slice(&voice);
                Produced::Audio
            }
            None => Produced::Silence,
        }
    }
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        self.heard = Some((tick.index, frame.to_vec()));
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Add { amplitude: i16 },
    Remove(usize),
    Join(usize, usize),
    Leave(usize, usize),
    Nest(usize, usize),
    Unnest(usize, usize),
    RemoveBridge(usize),
    Connect(usize, usize, u8),
    Disconnect(usize, usize),
    Role(usize, bool, bool),
    Mute(usize, bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let index = 0..8_usize;
    let op = prop_oneof![
        4 => prop_oneof![Just(1000_i16), Just(20_000), Just(i16::MAX)].prop_map(|amplitude| Op::Add { amplitude }),
        1 => index.clone().prop_map(Op::Remove),
        6 => (index.clone(), index.clone()).prop_map(|(b, p)| Op::Join(b, p)),
        2 => (index.clone(), index.clone()).prop_map(|(b, p)| Op::Leave(b, p)),
        2 => (index.clone(), index.clone()).prop_map(|(c, p)| Op::Nest(c, p)),
        1 => (index.clone(), index.clone()).prop_map(|(c, p)| Op::Unnest(c, p)),
        1 => index.clone().prop_map(Op::RemoveBridge),
        3 => (index.clone(), index.clone(), 0..200_u8).prop_map(|(f, t, g)| Op::Connect(f, t, g)),
        1 => (index.clone(), index.clone()).prop_map(|(f, t)| Op::Disconnect(f, t)),
        1 => (index.clone(), any::<bool>(), any::<bool>()).prop_map(|(p, give, take)| Op::Role(p, give, take)),
        1 => (index, any::<bool>()).prop_map(|(p, muted)| Op::Mute(p, muted)),
    ];
    prop::collection::vec(op, 1..40)
}

/// What should be connected, kept in the plainest way.
#[derive(Default)]
struct Model {
    ports: BTreeMap<Slot, Told>,
    /// The members, and the bridges around it.
    bridges: BTreeMap<BridgeId, (BTreeSet<Slot>, BTreeSet<BridgeId>)>,
    connections: BTreeMap<(Slot, Slot), Gain>,
}

struct Told {
    id: u64,
    amplitude: i16,
    role: Role,
    muted: bool,
}

impl Model {
    /// The outermost bridges around a bridge.
    fn roots(&self, id: BridgeId) -> BTreeSet<BridgeId> {
        let parents = &self.bridges[&id].1;
        if parents.is_empty() {
            return BTreeSet::from([id]);
        }
        parents.iter().flat_map(|&parent| self.roots(parent)).collect()
    }

    fn is_within(&self, id: BridgeId, other: BridgeId) -> bool {
        let parents = &self.bridges[&id].1;
        id == other || parents.iter().any(|&parent| self.is_within(parent, other))
    }

    fn groups(&self, slot: Slot) -> BTreeSet<BridgeId> {
        let holding = self
            .bridges
            .iter()
            .filter(|(_, (members, _))| members.contains(&slot));
        holding.flat_map(|(&id, _)| self.roots(id)).collect()
    }

    /// What `to` should hear, or `None` if nothing is connected to it.
    fn heard(&self, to: Slot, tick: u64, len: usize) -> Option<Vec<i16>> {
        let groups = self.groups(to);
        let sources = self.connections.keys().filter(|(_, t)| *t == to).count();
        if !self.ports[&to].role.consumer || (groups.is_empty() && sources == 0) {
            return None;
        }
        let mut sum = vec![0_i64; len];
        for (&from, told) in self
            .ports
            .iter()
            .filter(|(_, told)| told.role.producer && !told.muted)
        {
            let Some(voice) = Parrot::voice(told.id, told.amplitude, tick, len) else {
                continue;
            };
            // Once, by whatever ways; a connection decides how loud.
            let joined = from != to && !self.groups(from).is_disjoint(&groups);
            let bridged = if joined { Gain::UNITY } else { Gain::SILENT };
            let gain = self.connections.get(&(from, to)).copied().unwrap_or(bridged);
            for (sum, &sample) in sum.iter_mut().zip(&voice) {
                *sum += i64::from(gain.apply(sample));
            }
        }
        Some(sum.into_iter().map(limited).collect())
    }
}

/// The limiter's curve by its definition.
fn limited(sum: i64) -> i16 {
    let over = (sum.abs() - 24_575).clamp(0, 16_383);
    let size = sum.abs().min(24_575) + over - ((over * over) >> 15);
    (size * sum.signum()) as i16
}

struct Bench {
    mixer: AudioMixer<Parrot>,
    model: Model,
    next_id: u64,
}

impl Bench {
    fn nth_port(&self, n: usize) -> Option<Slot> {
        self.model.ports.keys().nth(n).copied()
    }

    fn nth_bridge(&self, n: usize) -> BridgeId {
        let bridges = &self.model.bridges;
        *bridges
            .keys()
            .nth(n % bridges.len())
            .expect("there is always a bridge")
    }

    /// Does the same to the mixer and to the model; `None` if the numbers name nothing.
    fn apply(&mut self, op: Op) -> Option<()> {
        match op {
            Op::Add { amplitude } => self.add(amplitude),
            Op::Remove(p) => self.remove(self.nth_port(p)?),
            Op::Join(b, p) => {
                let (bridge, slot) = (self.nth_bridge(b), self.nth_port(p)?);
                let new = self.model.bridges.get_mut(&bridge)?.0.insert(slot);
                assert_eq!(self.mixer.join(bridge, slot), Ok(new));
            }
            Op::Leave(b, p) => {
                let (bridge, slot) = (self.nth_bridge(b), self.nth_port(p)?);
                let was = self.model.bridges.get_mut(&bridge)?.0.remove(&slot);
                assert_eq!(self.mixer.leave(bridge, slot).is_ok(), was);
            }
            Op::Nest(c, p) => {
                let (child, parent) = (self.nth_bridge(c), self.nth_bridge(p));
                let around = self.model.bridges[&child].1.contains(&parent);
                let allowed = !self.model.is_within(parent, child);
                assert_eq!(self.mixer.nest(child, parent).ok(), allowed.then_some(!around));
                if allowed {
                    self.model.bridges.get_mut(&child)?.1.insert(parent);
                }
            }
            Op::Unnest(c, p) => {
                let (child, parent) = (self.nth_bridge(c), self.nth_bridge(p));
                let was = self.model.bridges.get_mut(&child)?.1.remove(&parent);
                assert_eq!(self.mixer.unnest(child, parent).is_ok(), was);
            }
            Op::RemoveBridge(b) => self.remove_bridge(self.nth_bridge(b)),
            Op::Connect(f, t, percent) => {
                let (from, to, gain) = (
                    self.nth_port(f)?,
                    self.nth_port(t)?,
                    Gain::from_percent(percent.into()),
                );
                assert_eq!(self.mixer.connect(from, to, gain), Ok(()));
                self.model.connections.insert((from, to), gain);
            }
            Op::Disconnect(f, t) => {
                let (from, to) = (self.nth_port(f)?, self.nth_port(t)?);
                let was = self.model.connections.remove(&(from, to)).is_some();
                assert_eq!(self.mixer.disconnect(from, to).is_ok(), was);
            }
            Op::Role(p, producer, consumer) => {
                let (slot, role) = (self.nth_port(p)?, Role { producer, consumer });
                self.mixer.port_mut(slot)?.role = role;
                let change = self.mixer.port_did_change(slot).expect("the slot is there");
                let told = self.model.ports.get_mut(&slot)?;
                assert_eq!(change.producer_slot_changed(), told.role.producer != producer);
                assert_eq!(change.new_consumer_slot, consumer.then_some(slot));
                told.role = role;
            }
            Op::Mute(p, muted) => {
                let slot = self.nth_port(p)?;
                assert_eq!(self.mixer.set_input_muted(slot, muted), Ok(()));
                self.model.ports.get_mut(&slot)?.muted = muted;
            }
        }
        Some(())
    }

    fn add(&mut self, amplitude: i16) {
        let id = self.next_id;
        self.next_id += 1;
        let slot = self
            .mixer
            .add_port(Parrot::new(id, amplitude))
            .expect("below the limit");
        let told = Told {
            id,
            amplitude,
            role: Role::BOTH,
            muted: false,
        };
        assert!(
            self.model.ports.insert(slot, told).is_none(),
            "{slot} was used before"
        );
    }

    fn remove(&mut self, slot: Slot) {
        assert!(self.mixer.remove_port(slot).is_some());
        self.model.ports.remove(&slot);
        self.model
            .connections
            .retain(|(from, to), _| *from != slot && *to != slot);
        for (members, _) in self.model.bridges.values_mut() {
            members.remove(&slot);
        }
    }

    /// There is always a bridge: another one takes its place.
    fn remove_bridge(&mut self, bridge: BridgeId) {
        assert_eq!(self.mixer.remove_bridge(bridge), Ok(()));
        self.model.bridges.remove(&bridge);
        for (_, parents) in self.model.bridges.values_mut() {
            parents.remove(&bridge);
        }
        self.model.bridges.insert(
            self.mixer.add_bridge().expect("one was removed"),
            Default::default(),
        );
    }

    fn check(&mut self, now: Instant) {
        let tick = self.mixer.tick(now).index;
        let len = self.mixer.frame_len();
        for &slot in self.model.ports.keys() {
            let got = &self.mixer.port(slot).expect("the port is there").heard;
            let got = got.as_ref().filter(|(at, _)| *at == tick).map(|(_, frame)| frame);
            assert_eq!(
                got,
                self.model.heard(slot, tick, len).as_ref(),
                "{slot} in tick {tick}"
            );
        }
    }
}

proptest! {
    #[test]
    fn each_listener_hears_exactly_the_sum_of_what_it_should_hear(ops in ops()) {
        let now = Instant::now();
        let mut mixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
        let bridges = (0..5).map(|_| (mixer.add_bridge().expect("a bridge"), Default::default())).collect();
        let model = Model { bridges, ..Model::default() };
        let mut bench = Bench { mixer, model, next_id: 0 };
        for op in ops {
            bench.apply(op);
            // The first tick glides to the new state; from the second on it is exact.
            bench.mixer.tick(now);
            bench.check(now);
        }
        bench.check(now);
    }
}
