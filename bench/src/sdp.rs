//! Two offers, a phone's of 262 bytes and a browser's of 1,241: parsed.

use std::hint::black_box;

use crate::table::{self, Contender};

pub const PHONE: &str = include_str!("../../crates/sdp/tests/data/r-offer.sdp");
pub const BROWSER: &str = include_str!("../../crates/sdp/tests/data/r-webrtc.sdp");

pub fn print_parse() {
    for (whose, offer) in [("a phone", PHONE), ("a browser", BROWSER)] {
        let title = format!("SDP offer of {whose}, {} bytes: parse", offer.len());
        // rsipstack has no parser of its own; sdp-rs is the one that its tests read answers with.
        let contenders = vec![
            Contender::new("offhook-sdp", || ours(offer)),
            Contender::new("sdp-types 0.1", || {
                black_box(sdp_types::Session::parse(black_box(offer.as_bytes())).expect("valid"));
            }),
            Contender::new("webrtc-sdp 0.3", || {
                black_box(webrtc_sdp::parse_sdp(black_box(offer), false).expect("valid"));
            }),
            Contender::new("sdp-rs 0.2", || {
                black_box(sdp_rs::SessionDescription::try_from(black_box(offer)).expect("valid"));
            }),
        ];
        table::print(&title, contenders);
    }
}

pub fn run_ours_for_a_profiler(offer: &str) {
    for _ in 0..10_000 {
        ours(offer);
    }
}

fn ours(offer: &str) {
    black_box(offhook_sdp::SessionDescription::parse(black_box(offer.as_bytes())).expect("valid"));
}
