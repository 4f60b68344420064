//! An INVITE of 1,084 bytes: parsed, and Via, From, To, Call-ID, CSeq, Contact and Max-Forwards read.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};

use crate::table::{self, Contender};

const INVITE: &[u8] = include_bytes!("../../crates/sip-core/tests/data/r-invite.sip");

pub fn print_parse() {
    let title = format!("INVITE of {} bytes: parse, and read seven fields", INVITE.len());
    let shared = received();
    let text = std::str::from_utf8(INVITE).expect("ASCII");
    let contenders = vec![
        Contender::new("offhook-sip-core", || ours(&shared)),
        Contender::new("rsipstack 0.7", || rsipstack(text)),
        Contender::new("rsip 0.4", || rsip(text)),
        Contender::new("ezk-sip-types 0.6", || ezk(&shared)),
        Contender::new("rvoip-sip-core 0.4", || rvoip(INVITE)),
    ];
    table::print(&title, contenders);
}

pub fn run_ours_for_a_profiler() {
    let shared = received();
    for _ in 0..10_000 {
        ours(&shared);
    }
}

/// As a driver hands a datagram over: cut from a larger buffer.
fn received() -> Bytes {
    let mut buffer = BytesMut::with_capacity(65_536);
    buffer.extend_from_slice(INVITE);
    buffer.split().freeze()
}

fn ours(wire: &Bytes) {
    use offhook_sip_core::header::{CSeq, CallId, Contact, From, MaxForwards, To, Via};
    use offhook_sip_core::{Message, ParseOptions};

    let message = Message::parse(black_box(wire.clone()), &ParseOptions::default()).expect("valid");
    let headers = message.headers();
    black_box(headers.typed::<Via>().expect("there").expect("valid"));
    black_box(headers.typed::<From>().expect("there").expect("valid"));
    black_box(headers.typed::<To>().expect("there").expect("valid"));
    black_box(headers.typed::<CallId>().expect("there").expect("valid"));
    black_box(headers.typed::<CSeq>().expect("there").expect("valid"));
    black_box(headers.typed::<Contact>().expect("there").expect("valid"));
    black_box(headers.typed::<MaxForwards>().expect("there").expect("valid"));
    black_box(message);
}

fn rsip(wire: &str) {
    use rsip::prelude::*;

    let message = rsip::SipMessage::try_from(black_box(wire)).expect("valid");
    black_box(message.via_header().expect("there").typed().expect("valid"));
    black_box(message.from_header().expect("there").typed().expect("valid"));
    black_box(message.to_header().expect("there").typed().expect("valid"));
    black_box(message.call_id_header().expect("there"));
    black_box(message.cseq_header().expect("there").typed().expect("valid"));
    black_box(message.contact_header().expect("there").typed().expect("valid"));
    black_box(message.max_forwards_header().expect("there").num().expect("valid"));
    black_box(message);
}

fn rsipstack(wire: &str) {
    use rsipstack::sip::prelude::*;

    let message = rsipstack::sip::SipMessage::try_from(black_box(wire)).expect("valid");
    black_box(message.via_header().expect("there").typed().expect("valid"));
    black_box(message.from_header().expect("there").typed().expect("valid"));
    black_box(message.to_header().expect("there").typed().expect("valid"));
    black_box(message.call_id_header().expect("there"));
    black_box(message.cseq_header().expect("there").typed().expect("valid"));
    black_box(message.contact_header().expect("there").typed().expect("valid"));
    let hops: u32 = message.max_forwards_header().expect("there").value().trim().parse().expect("valid");
    black_box(hops);
    black_box(message);
}

fn ezk(wire: &Bytes) {
    use ezk_sip_types::header::typed::{CSeq, CallID, Contact, FromTo, MaxForwards, Via};
    use ezk_sip_types::msg::{Line, MessageLine, PullParser};
    use ezk_sip_types::parse::Parse;
    use ezk_sip_types::{Headers, Name};

    let mut lines = PullParser::new(black_box(wire), 0);
    let text = |line| std::str::from_utf8(line).expect("ASCII");
    let first = text(lines.next().expect("there").expect("whole"));
    black_box(MessageLine::parse(wire)(first).expect("valid"));
    let mut headers = Headers::new();
    for line in &mut lines {
        let (_, line) = Line::parse(wire, text(line.expect("whole"))).expect("valid");
        headers.insert(line.name, line.value);
    }
    black_box(headers.get_named::<Via>().expect("valid"));
    black_box(headers.get::<FromTo>(Name::FROM).expect("valid"));
    black_box(headers.get::<FromTo>(Name::TO).expect("valid"));
    black_box(headers.get_named::<CallID>().expect("valid"));
    black_box(headers.get_named::<CSeq>().expect("valid"));
    black_box(headers.get_named::<Contact>().expect("valid"));
    black_box(headers.get_named::<MaxForwards>().expect("valid"));
    black_box(headers);
}

fn rvoip(wire: &[u8]) {
    use rvoip_sip_core::types::headers::HeaderName;

    let message = rvoip_sip_core::parse_message(black_box(wire)).expect("valid");
    for name in [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::Contact,
        HeaderName::MaxForwards,
    ] {
        black_box(message.header(&name).expect("there"));
    }
    black_box(message);
}
