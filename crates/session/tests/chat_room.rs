//! A chat whose other side is a chat room (RFC 7701): nicknames and private messages.

mod script;

use offhook_msrp::chunk::StatusCode;
use offhook_msrp::cpim::Address;
use offhook_msrp::nickname::Nickname;
use offhook_session::media::MsrpEvent;
use offhook_session::{
    AudioStream, ChatEvent, ChatMessage, ChatStream, MediaStream, SessionEvent, SessionId, StreamDescription,
    StreamEvent,
};
use script::{Script, sdp, version};

const AUDIO: &str = "m=audio 5004 RTP/AVP 0";

/// A session with a chat that runs, whose other side says this of itself as a room.
fn chatting(room: &str) -> (Script, SessionId) {
    let mut script = Script::new();
    let id = script.accepted(&sdp(AUDIO), AudioStream::offer());
    let chat = format!(
        "m=message 7000 TCP/MSRP *\na=path:msrp://10.0.0.2:7000/room;tcp\na=accept-types:message/cpim\n\
         a=accept-wrapped-types:*\na=setup:passive{room}"
    );
    script.request("INVITE", Some(&version(2, &format!("{AUDIO}\n{chat}"))));
    let chat: Vec<Box<dyn MediaStream>> = vec![Box::new(ChatStream::new())];
    script
        .manager
        .accept_proposal(script.now, id, chat)
        .expect("proposed");
    script.drain();
    script.ack(None);
    script.media_ready();
    (script, id)
}

fn ask(script: &mut Script, id: SessionId, name: &str) -> Result<(), String> {
    let nickname = Nickname::new(name).expect("a good name");
    let asked = script
        .manager
        .with_stream(script.now, id, None, |chat: &mut ChatStream, cx| {
            chat.set_local_nickname(cx, nickname)
        });
    script.drain();
    asked.map_err(|error| error.to_string())
}

fn send(script: &mut Script, id: SessionId, message: ChatMessage) -> Result<String, String> {
    let sent = script
        .manager
        .with_stream(script.now, id, None, |chat: &mut ChatStream, cx| {
            chat.send_message(cx, message)
        });
    script.drain();
    sent.map_err(|error| error.to_string())
}

fn last_chat_event(script: &Script) -> ChatEvent {
    match script.last_event() {
        SessionEvent::Stream {
            event: StreamEvent::Chat(event),
            ..
        } => event.clone(),
        event => panic!("{event:?}"),
    }
}

#[test]
fn a_room_gives_a_nickname_or_says_why_not() {
    let (mut script, id) = chatting("\na=chatroom:nickname");
    ask(&mut script, id, "Alice the great").expect("the room has nicknames");
    let asked = script.msrp_commands().pop().expect("a command");
    assert!(
        asked.contains("RequestNickname") && asked.contains("Alice the great"),
        "{asked}"
    );
    for (code, is_given) in [(200, true), (425, false)] {
        script.media_event(MsrpEvent::NicknameAnswered {
            nickname: Nickname::new("Alice the great").expect("a good name"),
            status: StatusCode::new(code).expect("a status"),
        });
        match last_chat_event(&script) {
            ChatEvent::DidSetNickname { nickname } => {
                assert!(is_given && nickname.as_str() == "Alice the great");
            }
            ChatEvent::DidNotSetNickname {
                code: told, reason, ..
            } => {
                assert!(!is_given && told == code && reason.contains("425"), "{reason}");
            }
            event => panic!("{event:?}"),
        }
    }
}

#[test]
fn what_the_other_side_does_not_have_is_refused_here() {
    let private = || {
        let carol = Address::new("sip:carol@room.test");
        ChatMessage::text("between us").with_recipients([carol])
    };
    let (mut script, id) = chatting("");
    assert_eq!(
        ask(&mut script, id, "alice").expect_err("no room"),
        "the other side has no nicknames"
    );
    assert_eq!(
        send(&mut script, id, private()).expect_err("no room"),
        "the other side has no private messages"
    );
    let (mut script, id) = chatting("\na=chatroom:nickname");
    assert!(send(&mut script, id, private()).is_err(), "a room without them");

    let (mut script, id) = chatting("\na=chatroom:nickname private-messages");
    send(&mut script, id, private()).expect("the room passes them on");
    let sent = script.msrp_commands().pop().expect("a command");
    assert!(sent.contains("sip:carol@room.test"), "{sent}");
    send(&mut script, id, ChatMessage::text("to all")).expect("and those for all");
    let described = script
        .manager
        .with_stream(script.now, id, None, |chat: &mut ChatStream, _| {
            Ok(chat.describe())
        });
    let Ok(StreamDescription::Chat(described)) = described else {
        panic!("a chat is a chat")
    };
    let features = described.chatroom.expect("it is a room");
    assert_eq!(features, ["nickname", "private-messages"]);
}
