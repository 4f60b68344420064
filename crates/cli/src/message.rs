//! `offhook message` and `offhook options`: one request, one answer.

use crate::args::{MessageArgs, OptionsArgs};
use crate::exit::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::report::Reporter;
use crate::setup::{failure, finish, next_incoming, start, uri};
use offhook::{Application, Body, Cause, Error, Session, StatusCode};
use serde_json::{Map, Value, json};

/// Sends the text, and leaves when it has arrived or failed.
pub(crate) async fn message(args: MessageArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let to = uri(&args.uri)?;
    let app = start(&args.common, 0, reporter).await?;
    let body = Body::new(args.content_type, args.text);
    let outcome = answered(&app, &interrupt, app.send_message(to, body)).await;
    finish(app.clone()).await;
    let cause = outcome?;
    let (code, reason) = said(&cause);
    let fields = json!({ "code": code, "reason": reason });
    if is_success(code) {
        reporter.say(
            "message_did_succeed",
            fields,
            &format!("Delivered: {code} {reason}"),
        );
        return Ok(());
    }
    reporter.say(
        "message_did_fail",
        fields,
        &format!("Not delivered: {code} {reason}"),
    );
    Err(refused("the message was not delivered", code, &reason))
}

/// Asks what somebody can do, and says it.
pub(crate) async fn options(args: OptionsArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let to = uri(&args.uri)?;
    let app = start(&args.common, 0, reporter).await?;
    let outcome = answered(&app, &interrupt, app.options(to)).await;
    finish(app.clone()).await;
    let cause = outcome?;
    let (code, reason) = said(&cause);
    let mut fields = Map::new();
    fields.insert("code".to_owned(), code.into());
    fields.insert("reason".to_owned(), reason.clone().into());
    let mut lines = vec![format!("{code} {reason}")];
    for name in [
        "Allow",
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Supported",
        "Allow-Events",
        "Server",
    ] {
        let values: Vec<String> = cause
            .headers()
            .map(|headers| {
                let values = headers.get_all(name);
                values
                    .map(|value| String::from_utf8_lossy(value).into_owned())
                    .collect()
            })
            .unwrap_or_default();
        if !values.is_empty() {
            let key = name.to_lowercase().replace('-', "_");
            fields.insert(key, values.join(", ").into());
            lines.push(format!("{name}: {}", values.join(", ")));
        }
    }
    reporter.say("options_did_answer", Value::Object(fields), &lines.join("\n"));
    if is_success(code) {
        return Ok(());
    }
    Err(refused(
        "the other side does not say what it can do",
        code,
        &reason,
    ))
}

/// Waits for an answer; who calls meanwhile is declined.
async fn answered(
    app: &Application,
    interrupt: &Interrupt,
    answer: impl Future<Output = Result<Cause, Error>>,
) -> Result<Cause, Failure> {
    tokio::select! {
        answer = answer => answer.map_err(failure),
        () = decline(app) => Err(Failure::new(Code::Internal, "the application has stopped")),
        () = interrupt.wait() => Err(Failure::new(Code::NotAnswered, "interrupted")),
    }
}

/// There is nobody here to talk.
pub(crate) async fn decline(app: &Application) {
    while let Some(session) = next_incoming(app).await {
        let _ = Session::reject(&session, StatusCode::TEMPORARILY_UNAVAILABLE).await;
    }
}

/// Status and reason of an answer, or of what stands for it.
pub(crate) fn said(cause: &Cause) -> (u16, String) {
    (cause.status().map_or(0, StatusCode::as_u16), cause.reason())
}

fn is_success(code: u16) -> bool {
    (200..300).contains(&code)
}

fn refused(what: &str, code: u16, reason: &str) -> Failure {
    Failure::new(Code::of_status(code), format_args!("{what} ({code} {reason})"))
}
