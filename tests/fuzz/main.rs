//! The fuzz targets without a fuzzer: each is run on its seeds and on a few thousand mutations of
//! them, the same ones at every run. `FUZZ_SEED` makes other ones, `FUZZ_SECONDS` more of them (for
//! each target), `FUZZ_TARGET` picks one target.

mod harness;
mod starts;

use harness::generate::Random;
use harness::{TARGETS, Target};
use std::path::Path;
use std::time::{Duration, Instant};

/// Of each target, unless told otherwise: all of them take some seconds.
const TIME: Duration = Duration::from_millis(1200);
/// Mutations of one target at most, so that a fast machine and a slow one do the same most of the
/// time.
const MUTATIONS_MAX: usize = 20_000;

#[test]
fn every_target_withstands_mutations_of_its_seeds() {
    let variable = |name| std::env::var(name).ok();
    let number = |name| variable(name).map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("FUZZ_SEED").unwrap_or(1);
    let seconds = number("FUZZ_SECONDS");
    let only = variable("FUZZ_TARGET");
    println!("FUZZ_SEED={seed}");
    for target in TARGETS {
        if only.as_ref().is_some_and(|only| only != target.name) {
            continue;
        }
        let began = Instant::now();
        let most = match seconds {
            None => (TIME, MUTATIONS_MAX),
            Some(seconds) => (Duration::from_secs(seconds), usize::MAX),
        };
        let count = run(target, seed, |count| {
            count < most.1 && began.elapsed() < most.0
        });
        println!(
            "{:14} {count:8} inputs in {:?}",
            target.name,
            began.elapsed()
        );
    }
}

#[test]
fn every_target_has_its_file() {
    let mut files: Vec<String> = std::fs::read_dir("tests/fuzz/targets")
        .expect("tests run at the root")
        .map(|entry| entry.expect("a readable entry").path())
        .map(|path| path.file_stem().expect("a name").display().to_string())
        .collect();
    files.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    names.sort();
    assert_eq!(files, names);
}

/// `FUZZ_INPUT` is a file that libFuzzer has left, of the target `FUZZ_TARGET`.
#[test]
fn a_given_input_passes() {
    if let Ok(path) = std::env::var("FUZZ_INPUT") {
        let target = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the input's target");
        harness::run(&target, &std::fs::read(path).expect("a readable input"));
    }
}

/// What `tests/fuzz/run` begins with.
#[test]
#[ignore = "writes into tests/fuzz/corpus"]
fn seeds_become_corpora() {
    for target in TARGETS {
        let corpus = Path::new("tests/fuzz/corpus").join(target.name);
        std::fs::create_dir_all(&corpus).expect("room for a directory");
        for (at, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(corpus.join(format!("seed-{at}")), seed).expect("room for a file");
        }
    }
}

/// Runs a target on its seeds, and on mutations while `go_on`; returns how many inputs that were.
fn run(target: &Target, seed: u64, go_on: impl Fn(usize) -> bool) -> usize {
    let seeds = (target.seeds)();
    let mut random = Random::new(seed);
    let mut count = 0;
    for input in &seeds {
        attempt(target, input);
        count += 1;
    }
    while go_on(count) {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, &seeds, &mut random);
        }
        attempt(target, &input);
        count += 1;
    }
    count
}

/// Runs a target on an input, and shows the input if the target fails.
fn attempt(target: &Target, input: &[u8]) {
    struct Show<'a>(&'a Target, &'a [u8]);
    impl Drop for Show<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let hex: String = self.1.iter().map(|byte| format!("{byte:02x}")).collect();
                println!("target {} failed on {hex}", self.0.name);
            }
        }
    }
    let show = Show(target, input);
    harness::run(target.name, input);
    drop(show);
}

/// Changes an input in one of the ways that find most.
fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    const ABSURD: [&[u8]; 7] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x80, 0, 0, 0],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff],
        &[0; 8],
        &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xff],
    ];
    let at = random.below(input.len() + 1);
    let rest = input.len() - at;
    match random.below(8) {
        0 if rest > 0 => input[at] ^= 1 << random.below(8),
        1 if rest > 0 => input[at] = random.next() as u8,
        2 => input.truncate(at),
        3 => {
            let count = random.below(rest.min(16) + 1);
            input.drain(at..at + count);
        }
        4 => {
            let count = random.below(16);
            let bytes: Vec<u8> = (0..count).map(|_| random.next() as u8).collect();
            input.splice(at..at, bytes);
        }
        5 => {
            let absurd = ABSURD[random.below(ABSURD.len())];
            let count = absurd.len().min(rest);
            input[at..at + count].copy_from_slice(&absurd[..count]);
        }
        6 => {
            // The end of another seed.
            let other = &seeds[random.below(seeds.len())];
            input.truncate(at);
            input.extend(&other[random.below(other.len() + 1)..]);
        }
        _ => {
            let count = random.below(rest.min(32) + 1);
            let again = input[at..at + count].to_vec();
            input.splice(at..at, again);
        }
    }
}
