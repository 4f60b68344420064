//! The `offhook` program: call, chat, send files, share desktops, register, write, publish and subscribe from a terminal or a script.

mod answer;
mod args;
mod call;
mod chat;
mod desktop;
mod devices;
mod exit;
mod files;
mod follow;
mod interrupt;
mod lines;
mod media;
mod message;
mod orders;
mod place;
mod progress;
mod register;
mod report;
mod room;
mod session;
mod setup;
mod subscribe;

use args::{Cli, Command};
use clap::Parser;
use exit::{Code, Failure};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Only what the user asked for appears: OFFHOOK_LOG=debug shows the layers at work.
    let filter = tracing_subscriber::EnvFilter::try_from_env("OFFHOOK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return leave(&Failure::new(
                Code::Internal,
                format_args!("cannot start: {error}"),
            ));
        }
    };
    let outcome = runtime.block_on(async {
        match Cli::parse().command {
            Command::Call(args) => call::run(args).await,
            Command::Answer(args) => Box::pin(answer::run(args)).await,
            Command::Session(args) => session::run(args).await,
            Command::Chat(args) => chat::run(args).await,
            Command::SendFile(args) => files::send(args).await,
            Command::ReceiveFiles(args) => files::receive(args).await,
            Command::ShareDesktop(args) => desktop::share(args).await,
            Command::ViewDesktop(args) => desktop::view(args).await,
            Command::Devices(args) => devices::run(&args),
            Command::Register(args) => register::run(args).await,
            Command::Message(args) => message::message(args).await,
            Command::Options(args) => message::options(args).await,
            Command::Subscribe(args) => subscribe::subscribe(args).await,
            Command::Publish(args) => subscribe::publish(args).await,
        }
    });
    // A resolver or a prompt may still wait for the system; nothing of theirs is needed any more.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => leave(&failure),
    }
}

fn leave(failure: &Failure) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "offhook: {}", failure.message);
    failure.code.into()
}
