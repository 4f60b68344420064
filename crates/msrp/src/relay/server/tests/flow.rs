//! How much of whom is read while others do not answer.

use super::*;

const PEER: &str = "msrps://carol.test:9/c1;tcp";

/// Sends to alice from a connection for as long as that is read, and until one more than `most` wait for her answers; how many
/// those are, and what the connection heard. She answers nothing.
fn flood(
    world: &mut World,
    (alice, path): (ConnectionId, &MsrpPath),
    from: ConnectionId,
    most: usize,
) -> (usize, String) {
    let mut heard = String::new();
    for number in 0..=most {
        let request = send(&format!("abc{number}"), &path.to_string(), PEER, "", "x");
        // Whether more is read is seen inside of a request.
        let (head, rest) = request.split_at(request.find("\r\n\r\n").unwrap() + 4);
        world.say(from, head.as_bytes());
        if !world.relay.wants_input(from) {
            return (number, heard);
        }
        world.say(from, rest.as_bytes());
        heard += &world.hear(from);
        let _ = world.hear(alice);
    }
    (most + 1, heard)
}

#[test]
fn who_owes_answers_is_read_on_and_no_more_are_awaited_than_the_limit_says() {
    let most = 4 * RelayConfig::UNANSWERED_AT_MOST;
    let mut world = World::new(|config| config.unanswered = 4);
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    let (read, _) = flood(&mut world, (alice, &path), peer, most);
    assert_eq!(read, 4, "alice has to answer first");

    // Who has not answered her either is read on: she may wait for what comes behind.
    let mut world = World::new(|config| config.unanswered = 4);
    let (alice, path) = world.place("alice");
    let to = format!("{} {PEER}", path.first());
    world.say(
        alice,
        send("call1", &to, &path.last().to_string(), "", "x").as_bytes(),
    );
    let (peer, _) = world.opened().remove(0);
    let _ = (world.hear(alice), world.hear(peer));
    let (read, heard) = flood(&mut world, (alice, &path), peer, most);
    assert_eq!(read, most + 1);
    let given_up = heard.matches("Status: 000 408").count();
    assert_eq!(given_up, 1, "one more than the limit: {heard}");
}
