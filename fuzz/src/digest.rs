//! Digest challenges and answers.

use offhook_digest::{Authenticator, Challenge, Credentials, Protects, Response, Signed};
use offhook_sansio::Entropy;

/// A challenge that is read is written so that it is read again as the same; an answer to it is one that the
/// parser takes.
pub fn digest_challenge(data: &[u8]) {
    let Ok(value) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(response) = Response::parse(value) {
        let _ = response.to_string();
    }
    let Ok(challenges) = Challenge::parse_all(value) else {
        return;
    };
    for challenge in challenges.into_iter().flatten() {
        let written = challenge.to_string();
        let again = Challenge::parse(&written).expect("our own challenge parses");
        assert_eq!(again.to_string(), written);
    }
    let mut client = Authenticator::new(Credentials::new("user", "secret"), Entropy::from_number(1));
    if client.handle_challenges(Protects::Server, [value]).is_err() {
        return;
    }
    let request = Signed {
        method: "INVITE",
        uri: "sip:example.com",
        body: data,
    };
    for answer in client.answers(&request) {
        let response = Response::parse(&answer.value).expect("our own answer parses");
        assert_eq!(response.uri, request.uri);
    }
}
