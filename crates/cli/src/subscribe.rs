//! `offhook subscribe` and `offhook publish`: state that others tell, and state of ours.

use crate::args::{PublishArgs, SubscribeArgs};
use crate::exit::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::message::{decline, said};
use crate::report::Reporter;
use crate::setup::{failure, finish, start, uri};
use offhook::{Body, Publication, PublicationEvent, Subscription, SubscriptionEvent};
use serde_json::json;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long the other side gets to agree to the end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Subscribes and prints what is told, until it ends.
pub(crate) async fn subscribe(args: SubscribeArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let to = uri(&args.uri)?;
    let app = start(&args.common, 0, reporter).await?;
    let expires = Duration::from_secs(u64::from(args.expires));
    let outcome = match app.subscribe(to, &args.event, expires).await {
        Ok(mut subscription) => {
            let is_over = tokio::select! {
                outcome = listen(&mut subscription, reporter) => Some(outcome),
                () = leaving(args.duration, &interrupt) => None,
                () = decline(&app) => None,
            };
            match is_over {
                Some(outcome) => outcome,
                None => end_subscription(subscription, reporter).await,
            }
        }
        Err(error) => Err(failure(error)),
    };
    finish(app).await;
    outcome
}

/// Publishes and stays, until it shall end.
pub(crate) async fn publish(args: PublishArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    if args.common.account.is_none() {
        return Err(Failure::new(
            Code::Usage,
            "publish needs --account sip:user@domain",
        ));
    }
    let bytes = std::fs::read(&args.file).map_err(|error| {
        let message = format!("cannot read {}: {error}", args.file.display());
        Failure::new(Code::Usage, message)
    })?;
    let app = start(&args.common, 0, reporter).await?;
    let expires = Duration::from_secs(u64::from(args.expires));
    let body = Body::new(args.content_type.clone(), bytes);
    let outcome = match app.publish(&args.event, body, expires).await {
        Ok(mut publication) => {
            let is_over = tokio::select! {
                outcome = watch(&mut publication, reporter) => Some(outcome),
                () = leaving(args.duration, &interrupt) => None,
                () = decline(&app) => None,
            };
            match is_over {
                Some(outcome) => outcome,
                None => end_publication(publication, reporter).await,
            }
        }
        Err(error) => Err(failure(error)),
    };
    finish(app).await;
    outcome
}

async fn leaving(duration: Option<f64>, interrupt: &Interrupt) {
    let time_is_up = async {
        match duration {
            Some(seconds) => sleep(Duration::from_secs_f64(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time_is_up => {}
        () = interrupt.wait() => {}
    }
}

async fn end_subscription(mut subscription: Subscription, reporter: Reporter) -> Result<(), Failure> {
    let failed = |error| Failure::new(Code::Subscription, error);
    subscription.unsubscribe().await.map_err(failed)?;
    match timeout(END_PATIENCE, listen(&mut subscription, reporter)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::new(Code::Subscription, "the notifier does not let go")),
    }
}

/// Reports until the subscription is over, or fails in a way that a script should know of.
async fn listen(subscription: &mut Subscription, reporter: Reporter) -> Result<(), Failure> {
    while let Some(event) = subscription.next_event().await {
        match event {
            SubscriptionEvent::StateChanged { state, cause, .. } => {
                let (code, reason) = said(&cause);
                let fields = json!({ "state": state.to_string(), "code": code, "reason": reason });
                reporter.say("subscription_changed_state", fields, &state.to_string());
            }
            SubscriptionEvent::Notified { body, event, .. } => {
                let text = body
                    .as_ref()
                    .map(|body| String::from_utf8_lossy(&body.bytes).into_owned());
                let content_type = body.map(|body| body.content_type);
                let sentence = text.clone().unwrap_or_default();
                let fields =
                    json!({ "event_package": event.package(), "content_type": content_type, "body": text });
                reporter.say("subscription_got_notify", fields, &sentence);
            }
            SubscriptionEvent::Ended {
                cause,
                reason,
                again_after,
            } => {
                let again = again_after.map(|wait| wait.as_secs());
                let fields = json!({ "reason": reason, "again_after": again });
                let why = reason.clone().unwrap_or_else(|| cause.reason());
                reporter.say("subscription_did_end", fields, &format!("Ended: {why}"));
                let (code, words) = said(&cause);
                if code >= 300 {
                    let message = format!("the subscription failed ({code} {words})");
                    return Err(Failure::new(kind(code, Code::Subscription), message));
                }
                if again_after.is_none() {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

async fn end_publication(mut publication: Publication, reporter: Reporter) -> Result<(), Failure> {
    let failed = |error| Failure::new(Code::Publication, error);
    publication.unpublish().await.map_err(failed)?;
    match timeout(END_PATIENCE, watch(&mut publication, reporter)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::new(Code::Publication, "the server does not let go")),
    }
}

/// Reports until the state is taken back, or fails in a way that a script should know of.
async fn watch(publication: &mut Publication, reporter: Reporter) -> Result<(), Failure> {
    while let Some(event) = publication.next_event().await {
        match event {
            PublicationEvent::Succeeded { expires, .. } => {
                let seconds = expires.as_secs();
                let fields = json!({ "expires": seconds });
                reporter.say(
                    "publication_did_succeed",
                    fields,
                    &format!("Published for {seconds} s"),
                );
            }
            PublicationEvent::Failed { cause, .. } => {
                let (code, reason) = said(&cause);
                let fields = json!({ "code": code, "reason": reason });
                reporter.say(
                    "publication_did_fail",
                    fields,
                    &format!("Not published: {code} {reason}"),
                );
                let message = format!("the server refused the publication ({code} {reason})");
                return Err(Failure::new(kind(code, Code::Publication), message));
            }
            PublicationEvent::Ended => {
                reporter.say("publication_did_end", json!({}), "No longer published");
                return Ok(());
            }
            PublicationEvent::NotEnded { cause } => {
                let message = format!("the server did not confirm the end: {}", cause.reason());
                return Err(Failure::new(Code::Publication, message));
            }
            _ => {}
        }
    }
    Ok(())
}

fn kind(code: u16, otherwise: Code) -> Code {
    match Code::of_status(code) {
        Code::Credentials => Code::Credentials,
        _ => otherwise,
    }
}
