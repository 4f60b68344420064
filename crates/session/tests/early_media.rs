//! A server that speaks before it answers, over real sockets: it is heard, and hears nothing.

#![cfg(feature = "tokio")]

use offhook_account::Account;
use offhook_audio_mixer::{AudioPort, Produced, Role, Tick};
use offhook_rtp_media::codec::AudioCodec;
use offhook_sansio::Transport;
use offhook_session::media::Attachment;
use offhook_session::tokio::{Session, UserAgent, UserAgentConfig};
use offhook_session::{AudioStream, SessionEvent};
use offhook_sip_core::{NameAddr, Route, SipUri};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// A loud half wave of PCMU, and a silent one: 25 Hz.
const LOUD: u8 = 0x80;
const SILENT: u8 = 0xff;

/// Talks, and knows how loud it hears.
#[derive(Clone, Default)]
struct Ear(Arc<AtomicU32>);

impl AudioPort for Ear {
    fn sample_rate(&self) -> u32 {
        8_000
    }
    fn role(&self) -> Role {
        Role::BOTH
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        frame.fill(5_000);
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        let peak = frame.iter().map(|sample| u32::from(sample.unsigned_abs())).max();
        self.0.fetch_max(peak.unwrap_or(0), Ordering::Relaxed);
    }
}

/// What the caller's INVITE needs to be answered.
struct Invite {
    text: String,
    from: SocketAddr,
}

impl Invite {
    fn field(&self, name: &str) -> &str {
        let mut lines = self.text.lines();
        lines.find(|line| line.starts_with(name)).expect("it is there")
    }

    /// Where the caller hears.
    fn media(&self) -> SocketAddr {
        let port = self.field("m=audio").split(' ').nth(1).expect("a port");
        SocketAddr::new(self.from.ip(), port.parse().expect("a number"))
    }

    fn response(&self, status: &str, server: SocketAddr, media: SocketAddr) -> String {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
            media.port()
        );
        format!(
            "SIP/2.0 {status}\r\n{}\r\n{}\r\n{};tag=server\r\n{}\r\n{}\r\nContact: <sip:{server}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            self.field("Via:"),
            self.field("From:"),
            self.field("To:"),
            self.field("Call-ID:"),
            self.field("CSeq:"),
            sdp.len()
        )
    }
}

async fn received(socket: &UdpSocket, method: &str) -> Invite {
    let mut buffer = [0; 4096];
    loop {
        let received = timeout(PATIENCE, socket.recv_from(&mut buffer)).await;
        let (length, from) = received.expect("in time").expect("a socket that works");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.starts_with(method) {
            return Invite { text, from };
        }
    }
}

/// Speaks until `is_enough`, a packet every 20 ms.
async fn speak(socket: &UdpSocket, to: SocketAddr, first: u16, mut is_enough: impl FnMut() -> bool) -> u16 {
    let patience = Instant::now() + PATIENCE;
    let mut sequence = first;
    while !is_enough() {
        assert!(Instant::now() < patience, "nothing comes of it");
        let mut packet = vec![0x80, 0];
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        packet.extend_from_slice(&7_u32.to_be_bytes());
        packet.resize(12 + 80, LOUD);
        packet.resize(12 + 160, SILENT);
        socket.send_to(&packet, to).await.expect("sent");
        sequence += 1;
        sleep(Duration::from_millis(20)).await;
    }
    sequence
}

async fn until_started(call: &mut Session) {
    loop {
        let event = timeout(PATIENCE, call.next_event()).await.expect("in time");
        if matches!(event.expect("it goes on"), SessionEvent::DidStart { .. }) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_before_it_answers_is_heard() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (sip, rtp) = (
        UdpSocket::bind(any).await.unwrap(),
        UdpSocket::bind(any).await.unwrap(),
    );
    let (server, media) = (sip.local_addr().unwrap(), rtp.local_addr().unwrap());
    let config = UserAgentConfig {
        listen: any,
        ..UserAgentConfig::default()
    };
    let (agent, _events) = UserAgent::start(config).expect("a free port");
    let ear = Ear::default();
    let stream = AudioStream::offer()
        .with_codecs(&[AudioCodec::Pcmu])
        .without_device()
        .with_port(Attachment::TalksAndListens, ear.clone());
    let uri: SipUri = format!("sip:ivr@{server}").parse().unwrap();
    let routes = vec![Route::new(Transport::Udp, server)];
    let account = Account::local("alice").unwrap();
    let mut call = agent
        .call(&account, NameAddr::new(uri.into()), routes, [stream])
        .await
        .expect("called");

    let invite = received(&sip, "INVITE").await;
    let progress = invite.response("183 Session Progress", server, media);
    sip.send_to(progress.as_bytes(), invite.from).await.unwrap();
    let heard = || ear.0.load(Ordering::Relaxed) > 10_000;
    let sequence = speak(&rtp, invite.media(), 1, heard).await;
    assert!(
        rtp.try_recv(&mut [0; 2048]).is_err(),
        "nobody is heard who was not asked"
    );

    let accepted = invite.response("200 OK", server, media);
    sip.send_to(accepted.as_bytes(), invite.from).await.unwrap();
    until_started(&mut call).await;
    received(&sip, "ACK").await;
    // From now on both are heard.
    ear.0.store(0, Ordering::Relaxed);
    speak(&rtp, invite.media(), sequence, heard).await;
    let mut packet = [0; 2048];
    let answered = timeout(PATIENCE, rtp.recv(&mut packet)).await;
    assert!(answered.expect("in time").expect("received") > 12);
    agent.stop().await;
}
