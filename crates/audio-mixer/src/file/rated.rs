//! A sound that changes its rate between a file and a port.

use crate::resample::Resampler;

/// A sound that comes in at one rate and goes out at another, without delay.
pub(super) struct Rated {
    from: u64,
    to: u64,
    /// Samples that came in.
    taken: u64,
    /// Samples that went out.
    given: u64,
    /// Where the rates differ.
    resampling: Option<Resampling>,
}

struct Resampling {
    resampler: Resampler,
    /// What is not a whole chunk yet.
    waiting: Vec<i16>,
    chunk_in: usize,
    frame: Vec<i16>,
    /// What the filter gives before the sound begins, still to be left out.
    early: usize,
}

impl Rated {
    /// `None` if the relation of the rates, in hertz, cannot be resampled.
    pub(super) fn new(from: u32, to: u32) -> Option<Self> {
        let mut resampling = None;
        if from != to {
            if from == 0 || to == 0 {
                return None;
            }
            let (chunk_in, chunk_out) = chunk(from, to);
            let resampler = Resampler::new(chunk_in, chunk_out)?;
            resampling = Some(Resampling {
                early: resampler.delay(),
                resampler,
                waiting: Vec::with_capacity(chunk_in),
                chunk_in,
                frame: vec![0; chunk_out],
            });
        }
        Some(Self {
            from: from.into(),
            to: to.into(),
            taken: 0,
            given: 0,
            resampling,
        })
    }

    /// How many samples came in.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many samples go out for those that came in.
    pub(super) fn len(&self) -> u64 {
        self.taken * self.to / self.from
    }

    /// Takes a sample, and adds to `out` what is ready by it.
    pub(super) fn take(&mut self, sample: i16, out: &mut Vec<i16>) {
        self.taken += 1;
        match &mut self.resampling {
            None => {
                self.given += 1;
                out.push(sample);
            }
            Some(resampling) => {
                resampling.waiting.push(sample);
                if resampling.waiting.len() == resampling.chunk_in {
                    self.given += resampling.process(out);
                }
            }
        }
    }

    /// Adds what is still inside: nothing more will come in.
    pub(super) fn finish(&mut self, out: &mut Vec<i16>) {
        let len = self.len();
        let Some(resampling) = &mut self.resampling else {
            return;
        };
        while self.given < len {
            self.given += resampling.process(out);
        }
        out.truncate(out.len() - (self.given - len) as usize);
        self.given = len;
    }
}

impl Resampling {
    /// A whole chunk, or what there is of one and silence behind it; gives how many samples it adds.
    fn process(&mut self, out: &mut Vec<i16>) -> u64 {
        self.waiting.resize(self.chunk_in, 0);
        self.resampler.process(&self.waiting, &mut self.frame);
        self.waiting.clear();
        let early = self.early.min(self.frame.len());
        self.early -= early;
        out.extend_from_slice(&self.frame[early..]);
        (self.frame.len() - early) as u64
    }
}

/// The smallest chunks of at least 10 ms or so that keep the relation of the two rates exactly.
fn chunk(from: u32, to: u32) -> (usize, usize) {
    let (mut a, mut b) = (from, to);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (from, to) = ((from / a) as usize, (to / a) as usize);
    let times = 480_usize.div_ceil(from.max(to));
    (from * times, to * times)
}
