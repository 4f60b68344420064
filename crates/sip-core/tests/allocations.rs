//! How often the hot path asks for memory.

use bytes::{Bytes, BytesMut};
use offhook_sip_core::header::{CSeq, CallId, Contact, From, MaxForwards, To, Via};
use offhook_sip_core::{Message, ParseOptions};

/// As a driver hands a datagram over: cut from a larger receive buffer.
fn received(wire: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(65_536);
    buffer.extend_from_slice(wire);
    let datagram = buffer.split().freeze();
    // One read leaves the buffer shared; the next datagram lands in the same.
    drop(buffer);
    datagram
}

#[test]
fn parsing_and_reading_an_invite_allocates_once_and_printing_it_not_at_all() {
    let options = ParseOptions::default();
    for wire in [
        &include_bytes!("data/c-invite.sip")[..],
        include_bytes!("data/r-invite.sip"),
    ] {
        let datagram = received(wire);
        let mut message = None;
        let parse = allocation_counter::measure(|| message = Message::parse(datagram, &options).ok());
        assert_eq!(parse.count_total, 1, "the list of header fields");
        let message = message.unwrap();
        let read = allocation_counter::measure(|| {
            let headers = message.headers();
            assert!(headers.typed::<Via>().unwrap().unwrap().branch().is_some());
            assert!(headers.typed::<From>().unwrap().unwrap().tag().is_some());
            assert!(headers.typed::<To>().unwrap().unwrap().tag().is_none());
            assert!(headers.typed::<CallId>().unwrap().is_ok());
            assert!(headers.typed::<CSeq>().unwrap().is_ok());
            assert!(headers.typed::<Contact>().unwrap().is_ok());
            assert!(headers.typed::<MaxForwards>().unwrap().is_ok());
        });
        assert_eq!(read.count_total, 0, "slices only");
        let mut out = BytesMut::with_capacity(2048);
        let print = allocation_counter::measure(|| message.write_to(&mut out));
        assert_eq!(print.count_total, 0);
        assert_eq!(out, wire);
    }
}
