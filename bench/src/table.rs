//! Measuring several programs that do the same, and printing who took how long.

use std::time::{Duration, Instant};

/// One line: who, and the work done once.
pub struct Contender<'a> {
    pub name: &'static str,
    pub work: Box<dyn FnMut() + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &'static str, work: impl FnMut() + 'a) -> Self {
        Self { name, work: Box::new(work) }
    }
}

/// How often each contender has its turn. The least of all turns is what the work takes where nobody disturbs.
const TURNS: usize = 300;
/// How often it is tried how much work fits into a turn.
const TRIALS: usize = 10;
/// How long a turn takes.
const TURN: Duration = Duration::from_millis(2);

/// Prints nanoseconds, allocations and the ratio to the first contender, which is ours.
pub fn print(title: &str, mut contenders: Vec<Contender<'_>>) {
    let rounds: Vec<u32> = contenders.iter_mut().map(|c| rounds_per_turn(&mut c.work)).collect();
    let mut best = vec![f64::INFINITY; contenders.len()];
    for _ in 0..TURNS {
        for (index, contender) in contenders.iter_mut().enumerate() {
            let begin = Instant::now();
            for _ in 0..rounds[index] {
                (contender.work)();
            }
            let each = begin.elapsed().as_nanos() as f64 / f64::from(rounds[index]);
            best[index] = best[index].min(each);
        }
    }
    println!("\n## {title}\n\n| | ns | allocations | times ours |\n|---|---|---|---|");
    for (index, contender) in contenders.iter_mut().enumerate() {
        let allocations = allocation_counter::measure(|| (contender.work)()).count_total;
        let ratio = best[index] / best[0];
        println!("| {} | {:.0} | {allocations} | {ratio:.1} |", contender.name, best[index]);
    }
}

/// The most that fit: who was disturbed at one trial was not at another.
fn rounds_per_turn(work: &mut dyn FnMut()) -> u32 {
    (0..TRIALS).map(|_| rounds_in_turn(work)).max().unwrap_or(1)
}

fn rounds_in_turn(work: &mut dyn FnMut()) -> u32 {
    let begin = Instant::now();
    let mut rounds = 0;
    while begin.elapsed() < TURN {
        work();
        rounds += 1;
    }
    rounds.max(1)
}
