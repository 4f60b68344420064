//! SIP: messages, streams, URIs and every typed header field.

use bytes::Bytes;
use offhook_sip_core::header as h;
use offhook_sip_core::header::{HeaderValue, TypedHeader};
use offhook_sip_core::parse::{Framed, Framer};
use offhook_sip_core::{Message, ParseOptions, Policy, Response, StatusCode, Uri};

/// A datagram: what parses prints to something that parses to the same; what is refused can be answered.
pub fn sip_message(data: &[u8]) {
    for policy in [Policy::Lenient, Policy::Strict] {
        let options = ParseOptions::default().with_policy(policy);
        match Message::parse(Bytes::copy_from_slice(data), &options) {
            Ok(message) => check_message(&message, &options),
            Err(error) => {
                if let Some(response) = error.response() {
                    assert!(Message::parse(response.to_bytes(), &options).is_ok());
                }
            }
        }
    }
}

fn check_message(message: &Message, options: &ParseOptions) {
    let printed = message.to_bytes();
    let again = Message::parse(printed.clone(), options).expect("what we print, we read");
    assert_eq!(again.to_bytes(), printed);
    assert_eq!(again.body(), message.body());
    match message {
        Message::Request(request) => {
            let _ = request.check(options);
            let response = Response::for_request(request, StatusCode::OK).with_to_tag("x");
            assert!(Message::parse(response.to_bytes(), options).is_ok());
        }
        Message::Response(response) => {
            let _ = response.check();
        }
    }
}

/// A stream, cut where the first bytes say: the same frames come out as of the uncut one.
pub fn sip_stream(data: &[u8]) {
    let Some((&step, stream)) = data.split_first() else {
        return;
    };
    let whole = frames(stream, stream.len().max(1));
    let cut = frames(stream, usize::from(step).max(1));
    assert_eq!(whole, cut);
}

/// The messages of a stream that arrives in pieces, and whether it broke. Keep-alives are left out: whether a
/// CRLF is a pong or half a ping depends on when the rest arrives.
fn frames(stream: &[u8], piece: usize) -> (Vec<Bytes>, bool) {
    let mut framer = Framer::new(ParseOptions::default());
    let mut messages = Vec::new();
    for piece in stream.chunks(piece) {
        framer.push(piece);
        loop {
            match framer.next_frame() {
                Ok(Framed::Message(message)) => messages.push(message.to_bytes()),
                Ok(Framed::Incomplete { .. }) => break,
                Ok(Framed::Ping | Framed::Pong) => {}
                Err(error) if error.framing_intact => {}
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

/// A URI: it prints as it came, equals itself, and its parts can be exchanged.
pub fn sip_uri(data: &[u8]) {
    let Ok(uri) = Uri::parse(Bytes::copy_from_slice(data)) else {
        return;
    };
    assert_eq!(uri.as_str().as_bytes(), data);
    assert!(uri.is_equivalent(&uri));
    let Uri::Sip(sip) = &uri else { return };
    let _ = (
        sip.host(),
        sip.method(),
        sip.user_unescaped(),
        sip.headers().count(),
    );
    for changed in [
        sip.with_user("a b@c"),
        sip.with_port(5070),
        sip.with_param("transport", "t;cp"),
        sip.without_param("lr"),
        sip.without_headers(),
    ] {
        let again: Uri = changed.as_str().parse().expect("what we write, we read");
        assert_eq!(again, Uri::Sip(changed));
    }
}

/// A header field value, read as each type: what is written is read alike.
pub fn sip_headers(data: &[u8]) {
    macro_rules! each {
        ($($name:ident)*) => {$( check_header::<h::$name>(data); )*};
    }
    each! {
        Via From To Contact Route RecordRoute ReplyTo Path ServiceRoute ReferTo ReferredBy PAssertedIdentity
        CSeq CallId MaxForwards ContentLength Expires MinExpires RSeq RAck
        ContentType ContentDisposition Accept Allow Supported Require ProxyRequire Unsupported AllowEvents
        WwwAuthenticate Authorization Warning Reason RetryAfter Date SessionExpires MinSe
        UserAgent Subject SipEtag SipIfMatch Event SubscriptionState Replaces Join TargetDialog
        AcceptEncoding AcceptLanguage AlertInfo CallInfo ErrorInfo AuthenticationInfo ProxyAuthenticate
        ProxyAuthorization ContentEncoding ContentLanguage ContentId InReplyTo MimeVersion Priority Timestamp Server
        Organization FlowTimer MaxBreadth ReferSub InfoPackage RecvInfo AnswerMode AcceptContact RejectContact
        RequestDisposition HistoryInfo Diversion PPreferredIdentity PAssociatedUri Privacy
    }
}

fn check_header<H: TypedHeader>(data: &[u8]) {
    // As the message layer hands values over: trimmed and on one line.
    let data = data.trim_ascii();
    if data.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return;
    }
    let bytes = Bytes::copy_from_slice(data);
    let Ok(header) = H::parse(HeaderValue::from(&bytes)) else {
        return;
    };
    let written = header.to_bytes();
    let again = H::parse(HeaderValue::from(&written)).expect("what we write, we read");
    assert_eq!(again.to_bytes(), written);
}
