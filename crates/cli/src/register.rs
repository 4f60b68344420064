//! `offhook register`

use crate::args::RegisterArgs;
use crate::exit::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::report::Reporter;
use crate::setup::{failure, finish, next_incoming, start};
use offhook::{Application, Registration, RegistrationEvent, StatusCode};
use serde_json::json;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a provider gets to confirm the end of a registration.
const UNREGISTER_PATIENCE: Duration = Duration::from_secs(5);

/// Registers, stays, unregisters.
pub(crate) async fn run(args: RegisterArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    if args.common.account.is_none() {
        return Err(Failure::new(
            Code::Usage,
            "register needs --account sip:user@domain",
        ));
    }
    let app = start(&args.common, 0, reporter).await?;
    let outcome = match app.register(Duration::from_secs(u64::from(args.expires))).await {
        Ok(registration) => stay(&app, registration, &args, reporter, &interrupt).await,
        Err(error) => Err(failure(error)),
    };
    finish(app).await;
    outcome
}

async fn stay(
    app: &Application,
    mut registration: Registration,
    args: &RegisterArgs,
    reporter: Reporter,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let time_is_up = async {
        match args.duration {
            Some(seconds) => sleep(Duration::from_secs_f64(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let mut registered = false;
    let leaving = async {
        tokio::select! {
            () = time_is_up => {}
            () = interrupt.wait() => {}
        }
    };
    tokio::select! {
        outcome = report_all(&mut registration, reporter, &mut registered, true) => return outcome,
        () = leaving => {}
        () = decline_calls(app) => {}
    }
    registration
        .unregister()
        .await
        .map_err(|error| Failure::new(Code::Registration, error))?;
    match timeout(
        UNREGISTER_PATIENCE,
        report_all(&mut registration, reporter, &mut registered, false),
    )
    .await
    {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::new(
            Code::Registration,
            "the registrar does not answer the end of the registration",
        )),
    }
}

/// Reports until the registration has ended, or fails in a way that a script should know of.
async fn report_all(
    registration: &mut Registration,
    reporter: Reporter,
    registered: &mut bool,
    failure_is_final: bool,
) -> Result<(), Failure> {
    while let Some(event) = registration.next_event().await {
        match event {
            RegistrationEvent::Succeeded { expires, contact, .. } => {
                *registered = true;
                let seconds = expires.as_secs();
                let fields = json!({ "expires": seconds, "contact": contact.to_string() });
                reporter.say(
                    "registration_did_succeed",
                    fields,
                    &format!("Registered {contact} for {seconds} s"),
                );
            }
            RegistrationEvent::Failed { cause, .. } => {
                let (code, reason) = (cause.status().map_or(0, StatusCode::as_u16), cause.reason());
                let fields = json!({ "code": code, "reason": reason });
                reporter.say(
                    "registration_did_fail",
                    fields,
                    &format!("Not registered: {code} {reason}"),
                );
                if failure_is_final {
                    return Err(refused(code, &reason));
                }
            }
            RegistrationEvent::NotEnded { .. } if !*registered => {
                return Err(Failure::new(Code::Registration, "the registrar does not answer"));
            }
            RegistrationEvent::NotEnded { cause } => {
                let message = format!(
                    "the registrar did not confirm the end of the registration: {}",
                    cause.reason()
                );
                return Err(Failure::new(Code::Registration, message));
            }
            RegistrationEvent::Ended => {
                reporter.say("registration_did_end", json!({}), "No longer registered");
                return Ok(());
            }
            _ => {}
        }
    }
    Ok(())
}

fn refused(code: u16, reason: &str) -> Failure {
    let kind = match Code::of_status(code) {
        Code::Credentials => Code::Credentials,
        _ => Code::Registration,
    };
    let what = match code {
        408 | 503 => "the registrar does not answer",
        _ => "the registrar refused",
    };
    Failure::new(kind, format_args!("{what} ({code} {reason})"))
}

/// There is nobody here to talk.
async fn decline_calls(app: &Application) {
    while let Some(session) = next_incoming(app).await {
        let _ = session.reject(StatusCode::TEMPORARILY_UNAVAILABLE).await;
    }
}
