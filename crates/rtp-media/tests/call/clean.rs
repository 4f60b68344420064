//! A call between two transports, in virtual time.

use crate::link::{Link, Pair, find, voice};
use offhook_rtp_media::Playout;
use offhook_rtp_media::codec::{AudioCodec, a_law_decode, a_law_encode, u_law_decode, u_law_encode};

/// Sends `ticks` of voice and returns what was said and heard, with what each tick was.
fn talk(pair: &mut Pair, ticks: usize) -> (Vec<i16>, Vec<i16>, Vec<Playout>) {
    let frame = pair.alice.sample_rate() as usize / 50;
    let said = voice(pair.alice.sample_rate(), ticks * frame);
    let (mut heard, mut playouts) = (Vec::new(), Vec::new());
    for frame in said.chunks(frame) {
        let (playout, frame) = pair.tick(frame);
        heard.extend(frame);
        playouts.push(playout);
    }
    (said, heard, playouts)
}

/// A codec and what companding makes of a sample.
type Companding = (AudioCodec, fn(i16) -> i16);

#[test]
fn g711_comes_through_a_clean_link_bit_exactly() {
    let laws: [Companding; 2] = [
        (AudioCodec::Pcmu, |sample| u_law_decode(u_law_encode(sample))),
        (AudioCodec::Pcma, |sample| a_law_decode(a_law_encode(sample))),
    ];
    for (codec, companded) in laws {
        let mut pair = Pair::new(
            codec,
            Link {
                latency_ms: 15,
                ..Link::default()
            },
        );
        let (said, heard, playouts) = talk(&mut pair, 500);
        let wanted: Vec<i16> = said.into_iter().map(companded).collect();
        let delay = find(&heard, &wanted[..320]).expect("the beginning is heard");
        assert!(delay <= 3 * 160, "{delay}");
        assert_eq!(heard[delay..], wanted[..heard.len() - delay]);
        assert!(playouts[3..].iter().all(|playout| *playout == Playout::Voice));
        let statistics = pair.bob.statistics();
        assert_eq!(
            (statistics.packets_lost, statistics.late, statistics.concealments),
            (0, 0, 0)
        );
        assert_eq!(statistics.dropped.total(), 0);
    }
}
