//! Every committed input of every target is run again: what was once found stays found, and the seeds keep their
//! invariants. No libFuzzer needed.

use offhook_fuzz::TARGETS;
use std::path::Path;

#[test]
fn every_target_survives_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let folder = corpus.join(name);
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{name} has no corpus at {}: {error}", folder.display()));
        let mut inputs = 0;
        for entry in entries {
            let path = entry.expect("a corpus folder can be listed").path();
            let input = std::fs::read(&path).expect("a corpus file can be read");
            // The harness prints this line only when the target panics.
            println!("{name}: {}", path.display());
            target(&input);
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has an empty corpus");
    }
}

#[test]
fn every_target_survives_nothing_noise_and_cut_inputs() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        target(b"");
        target(&[0; 64]);
        target(&[0xff; 64]);
        let Some(entry) = std::fs::read_dir(corpus.join(name))
            .ok()
            .and_then(|mut entries| entries.next())
        else {
            continue;
        };
        let input = std::fs::read(entry.expect("a corpus folder can be listed").path()).expect("readable");
        for length in (0..input.len()).step_by(1 + input.len() / 200) {
            target(&input[..length]);
        }
    }
}
