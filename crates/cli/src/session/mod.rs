//! `offhook session [URI]`: any number of sessions at a time, with any streams, by orders on standard input.

mod order;
mod seat;

use crate::args::SessionArgs;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::lines::Lines;
use crate::media::Media;
use crate::orders::{Kind, Order, refused};
use crate::place::{Answer, Ask, Orders, Place, Plan};
use crate::report::Reporter;
use crate::room::Room;
use crate::setup::{finish, next_incoming, start_for_sessions, uri};
use offhook::{Application, Session, SipUri};
use order::Line;
use seat::Seat;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The port that the world expects SIP at (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// Ends of sessions that other sides never answer: later than any timer of SIP.
const LAST_RESORT: Duration = Duration::from_secs(40);

/// Answers and places sessions until it is told to leave.
pub(crate) async fn run(args: SessionArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let target = args.uri.as_deref().map(uri).transpose()?;
    args.calling.streams.check()?;
    let media = Media::prepare(&args.calling.media)?.on_voice_device();
    let app = start_for_sessions(&args.common, &args.calling, SIP_PORT, reporter).await?;
    let (room, led_to) = Room::new(app.clone(), media, args.calling.streams);
    let answer = if args.auto_answer {
        Answer::Accept(Duration::ZERO)
    } else {
        Answer::AsOrdered
    };
    let desk = Desk {
        room: Arc::new(room),
        plan: Plan {
            answer,
            ..Plan::default()
        },
        reporter,
        seats: BTreeMap::new(),
        in_use: None,
        last: 0,
        running: JoinSet::new(),
    };
    desk.serve(target, led_to, &interrupt).await;
    finish(app).await;
    Ok(())
}

/// Where all sessions come together.
struct Desk {
    room: Arc<Room>,
    plan: Plan,
    reporter: Reporter,
    /// By their numbers, from 1.
    seats: BTreeMap<u64, Seat>,
    in_use: Option<u64>,
    last: u64,
    /// The sessions at work; each gives its number when it is over.
    running: JoinSet<u64>,
}

impl Desk {
    async fn serve(
        mut self,
        target: Option<SipUri>,
        mut led_to: mpsc::Receiver<Place>,
        interrupt: &Interrupt,
    ) {
        let app = self.room.app.clone();
        let mut lines = Lines::listen_in_front();
        if let Some(target) = target {
            self.call(target, &[Kind::Audio]).await;
        }
        loop {
            tokio::select! {
                () = interrupt.wait() => break,
                session = next_incoming(&app) => match session {
                    Some(session) => self.take_incoming(session),
                    None => break,
                },
                Some(place) = led_to.recv() => self.take(place),
                Some(line) = lines.next() => {
                    if !line.trim().is_empty() && self.obey(&line).await {
                        break;
                    }
                }
                Some(over) = self.running.join_next() => self.forget(over.ok()),
            }
        }
        self.leave(&app).await;
    }

    /// Does what a line says. True when the program shall leave.
    async fn obey(&mut self, line: &str) -> bool {
        match Line::read(line) {
            Ok(Line::Quit) => return true,
            Ok(Line::Call(target, kinds)) => self.call(target, &kinds).await,
            Ok(Line::List) => self.list(),
            Ok(Line::Use(number)) if self.seats.contains_key(&number) => self.in_use = Some(number),
            Ok(Line::Use(number)) => refused(self.reporter, &no_session(number)),
            Ok(Line::StepOut) => self.step(true).await,
            Ok(Line::StepIn) => self.step(false).await,
            Ok(Line::To(number, order)) => self.ask(number, Ask::Order(order)),
            Ok(Line::TransferTo { session, other }) => match self.seats.get(&other) {
                Some(seat) => self.ask(session, Ask::TransferTo(seat.id())),
                None => refused(self.reporter, &no_session(other)),
            },
            Err(reason) => refused(self.reporter, &reason),
        }
        false
    }

    async fn call(&mut self, target: SipUri, kinds: &[Kind]) {
        match self.room.call(target, kinds, self.reporter).await {
            Ok(place) => self.take(place),
            Err(failure) => refused(self.reporter, &failure.message),
        }
    }

    fn take_incoming(&mut self, session: Session) {
        self.take(Place::incoming(session));
    }

    /// Gives a session its number and lets it run.
    fn take(&mut self, place: Place) {
        self.last += 1;
        let number = self.last;
        let reporter = self.reporter.at_place(number);
        let (seat, asked) = Seat::new(&place);
        self.seats.insert(number, seat);
        self.in_use = Some(number);
        let (room, plan) = (Arc::clone(&self.room), self.plan);
        self.running.spawn(async move {
            let outcome = place.run(&room, plan, reporter, &mut Orders::Given(asked)).await;
            // How a call went is told by its events.
            if let Err(failure) = outcome
                && !failure.code.is_of_call()
            {
                refused(reporter, &failure.message);
            }
            number
        });
    }

    fn forget(&mut self, number: Option<u64>) {
        if let Some(number) = number {
            self.seats.remove(&number);
        } else {
            // A task that panicked says no number.
            self.seats.retain(|_, seat| !seat.is_over());
        }
        if self.in_use.is_none_or(|number| !self.seats.contains_key(&number)) {
            self.in_use = self.seats.keys().next_back().copied();
        }
    }

    /// Hands an order to its session.
    fn ask(&self, number: Option<u64>, ask: Ask) {
        let Some(number) = number.or(self.in_use) else {
            return refused(self.reporter, "there is no session");
        };
        let Some(seat) = self.seats.get(&number) else {
            return refused(self.reporter, &no_session(number));
        };
        if let Err(reason) = seat.ask(ask) {
            refused(self.reporter, reason);
        }
    }

    async fn step(&self, out: bool) {
        if let Err(failure) = self.room.step(out, self.reporter).await {
            refused(self.reporter, &failure.message);
        }
    }

    fn list(&self) {
        let sessions = self.seats.iter();
        let rows: Vec<_> = sessions
            .map(|(number, seat)| json!({ "call": number, "remote": seat.remote(), "in_use": Some(*number) == self.in_use }))
            .collect();
        let lines = self.seats.iter().map(|(number, seat)| {
            let mark = if Some(*number) == self.in_use { "*" } else { " " };
            format!("{mark}{number}  {}", seat.remote())
        });
        let sentence = match lines.collect::<Vec<_>>().join("\n") {
            none if none.is_empty() => "There is no session".to_owned(),
            lines => lines,
        };
        self.reporter
            .say("sessions", json!({ "sessions": rows }), &sentence);
    }

    /// Ends all sessions, and waits until they are over.
    async fn leave(mut self, app: &Application) {
        for seat in self.seats.values() {
            // One that is over needs no goodbye.
            let _ = seat.ask(Ask::Order(Order::HangUp));
        }
        self.seats.clear();
        let over = async { while self.running.join_next().await.is_some() {} };
        let late = async { while next_incoming(app).await.is_some() {} };
        tokio::select! {
            _ = timeout(LAST_RESORT, over) => {}
            () = late => {}
        }
    }
}

fn no_session(number: u64) -> String {
    format!("there is no session {number}")
}
