//! A DTLS handshake between two honest ends, with somebody on the path who may do anything.

use offhook_rtp_media::dtls::{
    DtlsAssociation, DtlsCertificate, DtlsEvent, DtlsParameters, DtlsRole, FingerprintHash, MAX_DATAGRAMS,
};
use offhook_rtp_media::srtp::SrtpKeys;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Datagrams in flight that are remembered, to be repeated later.
const MOST_KEPT: usize = 64;

/// One end, and what it said and heard.
struct End {
    association: DtlsAssociation,
    said: Vec<Vec<u8>>,
    keys: Option<SrtpKeys>,
    taken: u32,
}

/// Each octet says what happens next: a datagram is delivered, lost, damaged, repeated or made up, or time passes. Neither end
/// panics, holds more than it may, or has keys that the other one lacks.
pub fn dtls_ops(data: &[u8]) {
    let mut now = Instant::now();
    let [alice, bob] = certificates();
    let mut ends = [
        End::new(DtlsRole::Client, alice, bob, now),
        End::new(DtlsRole::Server, bob, alice, now),
    ];
    let mut rest = data;
    while let Some((&operation, behind)) = rest.split_first() {
        rest = behind;
        let from = usize::from(operation & 1);
        match operation >> 1 & 7 {
            // What was said last reaches the other end.
            0..=2 => deliver(&mut ends, from, None, now, |_| {}),
            // Something said before reaches it, perhaps again.
            3 => deliver(&mut ends, from, octet(&mut rest), now, |_| {}),
            4 => {
                let (place, value) = (octet(&mut rest), octet(&mut rest));
                deliver(&mut ends, from, None, now, |datagram| {
                    let len = datagram.len().max(1);
                    if let Some(hit) = datagram.get_mut(usize::from(place.unwrap_or(0)) * 7 % len) {
                        *hit ^= value.unwrap_or(1);
                    }
                });
            }
            5 => {
                let len = usize::from(octet(&mut rest).unwrap_or(0)).min(rest.len());
                let (made_up, behind) = rest.split_at(len);
                rest = behind;
                ends[from].hear(now, made_up);
            }
            6 => {
                ends[from].said.pop();
            }
            _ => {
                now += Duration::from_millis(u64::from(operation >> 4) * 300);
                for end in &mut ends {
                    end.association.handle_timeout(now);
                    end.drain();
                }
            }
        }
    }
    if let [Some(one), Some(other)] = [&ends[0].keys, &ends[1].keys] {
        assert_eq!((&one.local, &one.remote), (&other.remote, &other.local));
    }
}

fn octet(rest: &mut &[u8]) -> Option<u8> {
    let (&first, behind) = rest.split_first()?;
    *rest = behind;
    Some(first)
}

/// Carries the last, or an earlier, datagram of one end to the other.
fn deliver(
    ends: &mut [End; 2],
    from: usize,
    earlier: Option<u8>,
    now: Instant,
    change: impl FnOnce(&mut Vec<u8>),
) {
    let said = &ends[from].said;
    let Some(last) = said.len().checked_sub(1) else {
        return;
    };
    let place = last.saturating_sub(usize::from(earlier.unwrap_or(0)));
    let mut datagram = said[place].clone();
    change(&mut datagram);
    ends[1 - from].hear(now, &datagram);
}

impl End {
    fn new(role: DtlsRole, ours: &DtlsCertificate, theirs: &DtlsCertificate, now: Instant) -> Self {
        let parameters = DtlsParameters {
            role,
            certificate: ours.clone(),
            fingerprints: vec![theirs.fingerprint(FingerprintHash::Sha256)],
        };
        let mut end = Self {
            association: DtlsAssociation::new(&parameters, now),
            said: Vec::new(),
            keys: None,
            taken: 0,
        };
        end.drain();
        end
    }

    fn hear(&mut self, now: Instant, datagram: &[u8]) {
        self.taken += u32::from(self.association.handle_datagram(now, datagram));
        assert!(self.taken <= MAX_DATAGRAMS);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(datagram) = self.association.poll_transmit() {
            assert!(datagram.len() < 1400);
            if self.said.len() < MOST_KEPT {
                self.said.push(datagram.to_vec());
            }
        }
        while let Some(event) = self.association.poll_event() {
            if let DtlsEvent::Established(keys) = event {
                assert!(self.association.is_established());
                assert!(self.keys.replace(keys).is_none(), "once");
            }
        }
    }
}

fn certificates() -> &'static [DtlsCertificate; 2] {
    static MADE: OnceLock<[DtlsCertificate; 2]> = OnceLock::new();
    MADE.get_or_init(|| [(); 2].map(|()| DtlsCertificate::generate().expect("randomness")))
}
