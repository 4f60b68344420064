use super::*;
use proptest::prelude::*;

/// A buffer of 20 ms packets at 8 kHz whose packet n holds the octet n.
fn buffer() -> JitterBuffer {
    JitterBuffer::new(JitterConfig::default(), 8000, Duration::from_millis(20), 1)
}

fn pcmu(payload: &[u8]) -> Packet<'_> {
    Packet {
        payload_type: PayloadType::from_octet(0),
        payload,
    }
}

fn insert(buffer: &mut JitterBuffer, arrival: i64, packet: u64) -> Inserted {
    buffer.insert(arrival, 1000 + packet, packet as i64 * 160, pcmu(&[packet as u8]))
}

/// What a pull gives, in letters: the packet's number, `-` lost, `.` underrun, ` ` silence.
fn pull(buffer: &mut JitterBuffer, now: i64) -> String {
    match buffer.pull(now) {
        Pull::Packet(packet) => {
            let number = packet.payload[0].to_string();
            buffer.played(160);
            number
        }
        Pull::Lost { next: Some(next), .. } => format!("-{}", next.payload[0]),
        Pull::Lost { next: None, .. } => "-".to_owned(),
        Pull::Underrun => {
            buffer.held(160);
            ".".to_owned()
        }
        Pull::Silence => " ".to_owned(),
    }
}

/// Packets in, by tick of 20 ms; what comes out in each.
fn play(packets: &[(i64, u64)], ticks: i64) -> Vec<String> {
    let mut buffer = buffer();
    (0..ticks)
        .map(|tick| {
            for (_, packet) in packets.iter().filter(|(at, _)| *at == tick) {
                insert(&mut buffer, tick * 160, *packet);
            }
            pull(&mut buffer, tick * 160)
        })
        .collect()
}

#[test]
fn the_first_packet_waits_for_the_initial_delay() {
    assert_eq!(play(&[(0, 0), (1, 1), (2, 2)], 5), [" ", " ", "0", "1", "2"]);
}

#[test]
fn a_steady_stream_is_played_at_its_own_speed_however_the_players_ticks_lie() {
    for phase in 0..160 {
        let mut buffer = buffer();
        for tick in 0..400 {
            // The first packet was a millisecond faster than those after it: the fastest is forgotten in time.
            let arrival = tick * 160 + phase + if tick == 0 { 0 } else { 8 };
            insert(&mut buffer, arrival, tick as u64);
            pull(&mut buffer, (tick + 1) * 160);
            assert_eq!(buffer.advice(0), Advice::Keep, "phase {phase}, tick {tick}");
        }
    }
}

#[test]
fn packets_are_put_in_order_and_losses_known_by_their_place() {
    let packets = [(0, 0), (2, 2), (2, 1), (3, 3), (5, 5), (6, 6), (7, 7)];
    assert_eq!(
        play(&packets, 10),
        [" ", " ", "0", "1", "2", "3", "-5", "5", "6", "7"]
    );
}

#[test]
fn an_empty_buffer_is_held_for_100_ms_and_then_pauses() {
    let packets = [(0, 0), (10, 10)];
    let played = play(&packets, 14);
    assert_eq!(
        played[2..],
        ["0", ".", ".", ".", ".", ".", " ", " ", " ", " ", "10", "."]
    );
}

#[test]
fn a_packet_that_comes_in_the_hold_is_played_and_the_delay_has_grown() {
    let packets = [(0, 0), (5, 1), (5, 2), (5, 3)];
    assert_eq!(play(&packets, 9)[2..], ["0", ".", ".", "1", "2", "3", "."]);
}

#[test]
fn late_doubled_and_oversize_packets_are_told_apart() {
    let mut buffer = buffer();
    assert_eq!(insert(&mut buffer, 0, 5), Inserted::Held);
    assert_eq!(insert(&mut buffer, 0, 5), Inserted::Duplicate);
    assert_eq!(pull(&mut buffer, 320), "5");
    assert_eq!(insert(&mut buffer, 320, 5), Inserted::Late);
    assert_eq!(insert(&mut buffer, 320, 4), Inserted::Late);
    assert_eq!(buffer.insert(0, 1006, 0, pcmu(&[0; 4097])), Inserted::Oversize);
}

#[test]
fn a_leap_over_the_capacity_begins_anew() {
    let mut buffer = buffer();
    insert(&mut buffer, 0, 0);
    insert(&mut buffer, 0, 63);
    assert_eq!((buffer.len(), buffer.dropped()), (2, 0));
    assert_eq!(insert(&mut buffer, 0, 64), Inserted::Held);
    assert_eq!((buffer.len(), buffer.dropped()), (1, 2));
}

#[test]
fn what_waits_too_long_is_dropped() {
    let mut buffer = buffer();
    for packet in 0..50 {
        insert(&mut buffer, packet as i64 * 160, packet);
    }
    // A second has passed unplayed: all but the last 400 ms, and one packet, go.
    pull(&mut buffer, 50 * 160);
    assert!(
        buffer.len() <= 21 && buffer.dropped() >= 28,
        "{} {}",
        buffer.len(),
        buffer.dropped()
    );
    assert!(buffer.delay(50 * 160) <= Duration::from_millis(420));
}

#[derive(Clone, Debug)]
enum Op {
    Insert {
        wait: u16,
        sequence: u16,
        timestamp: i32,
        len: u8,
    },
    Pull {
        wait: u16,
    },
    Reset,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0..400u16, any::<u16>(), any::<i32>(), any::<u8>())
            .prop_map(|(wait, sequence, timestamp, len)| Op::Insert { wait, sequence, timestamp, len }),
        5 => (0..400u16, 990..1100u16, -2000..20_000, any::<u8>())
            .prop_map(|(wait, sequence, timestamp, len)| Op::Insert { wait, sequence, timestamp, len }),
        10 => (0..400u16).prop_map(|wait| Op::Pull { wait }),
        1 => Just(Op::Reset),
    ]
}

proptest! {
    #[test]
    fn no_order_of_packets_and_pulls_breaks_the_bounds(ops in proptest::collection::vec(op(), 0..300)) {
        let mut buffer = buffer();
        let mut now = 0;
        for op in ops {
            match op {
                Op::Insert { wait, sequence, timestamp, len } => {
                    now += i64::from(wait);
                    buffer.insert(now, u64::from(sequence), i64::from(timestamp), pcmu(&vec![0; usize::from(len)]));
                }
                Op::Pull { wait } => {
                    now += i64::from(wait);
                    match buffer.pull(now) {
                        Pull::Packet(_) => buffer.played(160),
                        Pull::Lost { ticks, .. } => prop_assert!(ticks > 0 && ticks <= 160),
                        Pull::Underrun => buffer.held(160),
                        Pull::Silence => {}
                    }
                    buffer.advice(0);
                }
                Op::Reset => buffer.reset(),
            }
            prop_assert!(buffer.len() <= 64);
            prop_assert!(buffer.target_delay() <= Duration::from_millis(400));
        }
    }
}
