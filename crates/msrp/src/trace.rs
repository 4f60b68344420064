//! What passes on a connection, chunk by chunk, for logs: switched on and off at run time, and without cost when off.

use crate::chunk::{Continuation, Head, Limits, TransactionId};
use crate::framer::{Frame, Framer};
use crate::outbound::Burst;
use bytes::{Buf, Bytes};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Sees each chunk of a session as it passes. Give one to [`MsrpSession::set_tracer`](crate::MsrpSession::set_tracer).
pub trait ChunkTracer: fmt::Debug + Send {
    /// Something passed.
    fn trace(&mut self, direction: Direction, traced: Traced<'_>);
}

/// One that several sessions, or an application, share.
impl<T: ChunkTracer + ?Sized> ChunkTracer for Arc<Mutex<T>> {
    fn trace(&mut self, direction: Direction, traced: Traced<'_>) {
        // One that panicked is seen on, as it was.
        let mut tracer = self.lock().unwrap_or_else(PoisonError::into_inner);
        tracer.trace(direction, traced);
    }
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// A part of a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Traced<'a> {
    /// A chunk begins.
    NewChunk(&'a Head),
    /// Bytes of its body.
    Data(&'a TransactionId, &'a Bytes),
    /// It ends.
    End(&'a TransactionId, Continuation),
}

/// A tracer at work.
#[derive(Debug)]
pub(crate) struct Tracing {
    tracer: Box<dyn ChunkTracer>,
    /// The chunk that is being received. `None` when tracing began in the middle of one, which is not told.
    receiving: Option<TransactionId>,
    /// Reads what we write once more: only while somebody wants to see it.
    sent: Option<Framer>,
    sending: Option<TransactionId>,
}

impl Tracing {
    pub(crate) fn new(tracer: Box<dyn ChunkTracer>) -> Self {
        Self {
            tracer,
            receiving: None,
            sent: None,
            sending: None,
        }
    }

    pub(crate) fn received(&mut self, frame: &Frame) {
        tell(&mut *self.tracer, Direction::Received, &mut self.receiving, frame);
    }

    /// `between_chunks`: the bytes begin with a chunk.
    pub(crate) fn sent(&mut self, mut bytes: Burst, between_chunks: bool) {
        if self.sent.is_none() && between_chunks {
            self.sent = Some(Framer::new(Limits::default()));
        }
        let Some(framer) = &mut self.sent else { return };
        while bytes.has_remaining() {
            let len = bytes.chunk().len();
            framer.input().extend_from_slice(bytes.chunk());
            bytes.advance(len);
        }
        while let Ok(Some(frame)) = framer.next_frame() {
            tell(&mut *self.tracer, Direction::Sent, &mut self.sending, &frame);
        }
    }
}

fn tell(
    tracer: &mut dyn ChunkTracer,
    direction: Direction,
    current: &mut Option<TransactionId>,
    frame: &Frame,
) {
    match (frame, &*current) {
        (Frame::Head(head), _) => {
            *current = Some(*head.transaction_id());
            tracer.trace(direction, Traced::NewChunk(head));
        }
        (Frame::Body(data), Some(id)) => tracer.trace(direction, Traced::Data(id, data)),
        (Frame::End(flag), Some(id)) => {
            tracer.trace(direction, Traced::End(id, *flag));
            *current = None;
        }
        (_, None) => {}
    }
}
