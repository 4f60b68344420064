//! From a choice to an open device: sound cards, files and pipes, in any combination.

#[cfg(feature = "device")]
use super::card::{AudioDevice, DeviceHandle};
use super::choice::{DeviceChoice, DeviceError, DeviceEvent, DeviceOptions, Direction};
use super::file::{FileDevice, FileHandle};
use super::lasting::{DeviceSource, OpenDevice};
use super::ring::DeviceStats;
use crate::pace::ClockReading;
use crate::port::{AudioPort, Produced, Role, Tick};
use std::path::Path;

#[cfg(feature = "device")]
use super::beside::OpenCard;

#[cfg(feature = "device")]
type Card = (AudioDevice, DeviceHandle);

/// Without the feature `device` there is none.
#[cfg(not(feature = "device"))]
type Card = (crate::NullDevice, std::convert::Infallible);

/// A microphone and a loudspeaker that were opened together.
struct Pair {
    card: Option<Box<dyn AudioPort>>,
    files: FileDevice,
}

/// What keeps the devices of [`DeviceOptions`] open.
#[derive(Debug)]
pub struct OpenPair {
    #[cfg(feature = "device")]
    card: Option<OpenCard>,
    files: FileHandle,
}

/// Files and pipes go on when the card beside them is lost, which comes back alone: a pair that has some never fails.
impl DeviceSource for DeviceOptions {
    type Open = OpenPair;

    fn open(&mut self) -> Result<(Box<dyn AudioPort>, OpenPair), DeviceError> {
        let card = self.open_card()?;
        let rate = card
            .as_ref()
            .map_or(self.sample_rate, |(port, _)| port.sample_rate());
        let (input, output) = (self.file(Direction::Input), self.file(Direction::Output));
        let (files, file_handle) = FileDevice::open(input, output, rate)?;
        #[cfg(feature = "device")]
        let (card, handle) = OpenCard::place(card, self, files.role(), rate)?;
        #[cfg(not(feature = "device"))]
        let card = card.map(|(port, _)| Box::new(port) as Box<dyn AudioPort>);
        let open = OpenPair {
            #[cfg(feature = "device")]
            card: handle,
            files: file_handle,
        };
        Ok((Box::new(Pair { card, files }), open))
    }
}

impl DeviceOptions {
    fn file(&self, direction: Direction) -> Option<&Path> {
        match self.choice(direction) {
            DeviceChoice::File(path) => Some(path),
            _ => None,
        }
    }

    fn wants_card(&self, direction: Direction) -> bool {
        matches!(
            self.choice(direction),
            DeviceChoice::Default | DeviceChoice::Named(_)
        )
    }

    #[cfg(feature = "device")]
    fn open_card(&self) -> Result<Option<Card>, DeviceError> {
        let wanted = self.wants_card(Direction::Input) || self.wants_card(Direction::Output);
        wanted.then(|| AudioDevice::open(self)).transpose()
    }

    #[cfg(not(feature = "device"))]
    fn open_card(&self) -> Result<Option<Card>, DeviceError> {
        let mut directions = [Direction::Input, Direction::Output].into_iter();
        let wanted = directions.find(|&direction| self.wants_card(direction));
        let Some(direction) = wanted else {
            return Ok(None);
        };
        let device = match self.choice(direction) {
            DeviceChoice::Named(name) => name.clone(),
            _ => "default".to_owned(),
        };
        Err(DeviceError::NoCards { direction, device })
    }
}

impl AudioPort for Pair {
    fn sample_rate(&self) -> u32 {
        self.files.sample_rate()
    }

    fn role(&self) -> Role {
        let (card, files) = (
            self.card.as_ref().map_or(Role::NONE, AudioPort::role),
            self.files.role(),
        );
        Role {
            producer: card.producer || files.producer,
            consumer: card.consumer || files.consumer,
        }
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        match &mut self.card {
            Some(card) if !self.files.role().producer => card.produce(tick, frame),
            _ => self.files.produce(tick, frame),
        }
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if let Some(card) = &mut self.card {
            card.consume(tick, frame);
        }
        self.files.consume(tick, frame);
    }

    fn clock(&self) -> Option<ClockReading> {
        self.card.as_ref()?.clock()
    }
}

impl OpenPair {
    /// What was lost so far: between the card's clock and the mixer's, or by pipes where there is no card.
    pub fn stats(&self) -> DeviceStats {
        #[cfg(feature = "device")]
        if let Some(card) = &self.card {
            return card.stats();
        }
        self.files.stats()
    }
}

impl OpenDevice for OpenPair {
    fn poll_event(&mut self) -> Option<DeviceEvent> {
        #[cfg(feature = "device")]
        if let Some(event) = self.card.as_mut().and_then(OpenCard::poll_event) {
            return Some(event);
        }
        self.files.poll_event()
    }

    fn progress(&self) -> u64 {
        #[cfg(feature = "device")]
        if let Some(OpenCard::Alone(card)) = &self.card {
            return card.progress();
        }
        self.files.progress()
    }

    #[cfg(feature = "device")]
    fn waits_for(&self) -> Direction {
        match &self.card {
            Some(OpenCard::Alone(card)) => card.waits_for(),
            _ => self.files.waits_for(),
        }
    }
}

#[cfg(feature = "device")]
impl OpenDevice for DeviceHandle {
    fn poll_event(&mut self) -> Option<DeviceEvent> {
        Self::poll_event(self)
    }

    fn progress(&self) -> u64 {
        self.rounds().over()
    }

    fn waits_for(&self) -> Direction {
        self.rounds().waits_for().unwrap_or(Direction::Output)
    }
}
