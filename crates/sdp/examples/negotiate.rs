//! Two parties agree on a call, put it on hold and take it back.
//!
//! `cargo run -p offhook-sdp --example negotiate`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use offhook_sdp::offer_answer::{Negotiation, Preference, answer_formats};
use offhook_sdp::{Direction, Media, RtpFormat, SessionDescription};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A real user agent takes the session ids from the clock or from random bits.
    let mut alice = Negotiation::new(SessionDescription::new(3_943_512_345, "192.0.2.10".parse()?));
    let mut bob = Negotiation::new(SessionDescription::new(3_943_512_399, "192.0.2.20".parse()?));

    for wish in [
        Direction::SendRecv,
        Direction::SendRecv.held(),
        Direction::SendRecv,
    ] {
        let media = Media::audio(
            50_000,
            [
                RtpFormat::opus(113),
                RtpFormat::pcmu(),
                RtpFormat::telephone_event(101, 8000),
            ],
        );
        let offer = alice.create_offer(vec![media.with_direction(wish)])?.to_string();
        println!("--- Alice offers {wish}\n{offer}");

        bob.handle_offer(offer.parse()?)?;
        let answer = bob_answers(bob.offer().ok_or("no offer")?);
        let answer = bob.create_answer(vec![answer])?.to_string();
        println!("--- Bob answers\n{answer}");

        alice.handle_answer(answer.parse()?)?;
        let remote = alice.remote().ok_or("no answer")?;
        let address = remote.media[0].media_address(remote);
        println!("--- Alice sends to {address:?}\n");
    }
    Ok(())
}

/// Bob has PCMU and telephone events, and does what the offer allows.
fn bob_answers(offer: &SessionDescription) -> Media {
    let supported = [RtpFormat::pcmu(), RtpFormat::telephone_event(101, 8000)];
    let offered = &offer.media[0];
    let shared = answer_formats(&offered.rtp_formats(), &supported, Preference::Offerer);
    if shared.is_empty() {
        return offered.rejection();
    }
    let direction = offered.direction(offer).answered_with(Direction::SendRecv);
    Media::audio(50_100, shared.into_iter().map(|pair| pair.local)).with_direction(direction)
}
