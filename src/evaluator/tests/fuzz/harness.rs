//! What the fuzz targets share: a corpus, mutations of it, and what counts as new.
//!
//! `tests/corpus/NAME/` holds small inputs, one a file: the examples of the documents, and whatever
//! once went wrong. All of them are judged at every run. Then mutations of them are, for
//! `NIGHTBELL_FUZZ_SECONDS` of CPU time (2 without it). A judge answers with a *signature* of what
//! it saw; an input with a new one joins the corpus of the run, and, where `NIGHTBELL_FUZZ_KEEP`
//! names a folder, is kept there for the next. An input that fails is kept there, too: copy it to
//! `tests/corpus/NAME/` with the fix.

#![allow(
    clippy::print_stdout,
    reason = "what a run tried is what it has to say"
)]

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cpu_time::ThreadTime;

/// Inputs that a run keeps in memory.
const MOST_INPUTS: usize = 4_000;
/// Inputs that are kept in the folder: no more are read and written.
const MOST_KEPT: usize = 1_000;
/// Characters that a kept input has at most; mutations may be longer.
const LONGEST_KEPT: usize = 400;

/// The generator of Marsaglia's "Xorshift RNGs" with 64 bits.
pub struct Random(u64);

impl Random {
    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What is fuzzed.
pub struct Target<'a> {
    /// The folder of its corpus.
    pub name: &'a str,
    /// Pieces that a mutation puts in: the words of the grammar, and what breaks them.
    pub pieces: &'a [&'a str],
    /// Characters of an input at most.
    pub longest: usize,
    /// Makes an input from nothing.
    pub grow: fn(&mut Random) -> String,
}

/// What a judge saw.
pub struct Seen {
    /// Whether the input was read, not refused.
    pub read: bool,
    /// What tells it apart from others.
    pub signature: u64,
}

impl Seen {
    /// An input that was read; `what` tells which kind of thing it is.
    pub fn read(what: impl Hash) -> Seen {
        Seen {
            read: true,
            signature: hash((true, what)),
        }
    }

    /// An input that was refused, with words that may quote it.
    pub fn refused(words: &str) -> Seen {
        Seen {
            read: false,
            signature: hash((false, shape(words))),
        }
    }
}

/// Judges the corpus, and then mutations of it until the time is over.
pub fn run(target: &Target<'_>, judge: impl Fn(&str) -> Seen) {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut inputs = texts(&committed.join(target.name));
    assert!(!inputs.is_empty(), "no corpus of {}", target.name);
    let keep =
        std::env::var_os("NIGHTBELL_FUZZ_KEEP").map(|at| PathBuf::from(at).join(target.name));
    let mut kept = 0;
    if let Some(keep) = &keep {
        std::fs::create_dir_all(keep).expect("the folder can be made");
        let before = texts(keep);
        kept = before.len();
        inputs.extend(before.into_iter().take(MOST_KEPT));
    }
    let mut known = HashSet::new();
    let judged = |text: &str| match catch_unwind(AssertUnwindSafe(|| judge(text))) {
        Ok(seen) => seen,
        Err(panic) => {
            if let Some(keep) = &keep {
                let path = keep.join(format!("failed-{:016x}.txt", hash(text)));
                std::fs::write(path, text).expect("the folder takes files");
            }
            println!("{} failed on {text:?}", target.name);
            resume_unwind(panic);
        }
    };
    for text in &inputs {
        known.insert(judged(text).signature);
    }
    let seconds = std::env::var("NIGHTBELL_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(2);
    let (end, began) = (Duration::from_secs(seconds), ThreadTime::now());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut runs, mut read, mut found) = (0u64, 0u64, 0u64);
    while began.elapsed() < end {
        let text = match random.below(4) {
            0 => (target.grow)(&mut random),
            _ => mutated(&inputs, target, &mut random),
        };
        let seen = judged(&text);
        runs += 1;
        read += u64::from(seen.read);
        if !known.insert(seen.signature) {
            continue;
        }
        found += 1;
        let small = text.chars().count() <= LONGEST_KEPT;
        if let (Some(keep), true) = (&keep, small && kept < MOST_KEPT) {
            let path = keep.join(format!("{:016x}.txt", hash(&text)));
            std::fs::write(path, &text).expect("the folder takes files");
            kept += 1;
        }
        match inputs.len() < MOST_INPUTS {
            true => inputs.push(text),
            false => {
                let old = random.below(inputs.len());
                inputs[old] = text;
            }
        }
    }
    println!(
        "{}: {} inputs at the end, {runs} tried, {read} of them read, {found} new",
        target.name,
        inputs.len()
    );
    // Mutations that are never read would test only the refusals.
    assert!(seconds == 0 || read * 50 > runs, "{read} of {runs} read");
}

/// The texts of a folder, in the order of their names.
fn texts(folder: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read(path).expect("a file of the corpus can be read");
        // Editors end a file with a line's end, which is none of the input.
        String::from_utf8_lossy(&text)
            .trim_end_matches('\n')
            .to_owned()
    };
    files.iter().map(read).collect()
}

fn mutated(inputs: &[String], target: &Target<'_>, random: &mut Random) -> String {
    let mut chars: Vec<char> = inputs[random.below(inputs.len())].chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(chars.len() + 1);
        match random.below(7) {
            0 => {
                let end = (at + 1 + random.below(8)).min(chars.len());
                chars.drain(at..end);
            }
            1 => {
                let end = (at + random.below(40)).min(chars.len());
                let copy: Vec<char> = chars[at..end].to_vec();
                for _ in 0..=random.below(20) {
                    chars.splice(at..at, copy.iter().copied());
                }
            }
            2 if at < chars.len() => chars[at] = char::from(random.below(128) as u8),
            3 if at < chars.len() => {
                let other = random.below(chars.len());
                chars.swap(at, other);
            }
            4 => {
                // The head of one and the tail of another.
                let other: Vec<char> = inputs[random.below(inputs.len())].chars().collect();
                let from = random.below(other.len() + 1);
                chars.truncate(at);
                chars.extend_from_slice(&other[from..]);
            }
            _ => {
                let piece = random.pick(target.pieces);
                chars.splice(at..at, piece.chars());
            }
        }
        chars.truncate(target.longest);
    }
    chars.into_iter().collect()
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Words without what was found, without what they quote, which may hold quotes itself, and without
/// digits.
#[allow(dead_code, reason = "not every target has refusals of its own")]
pub fn shape(words: &str) -> String {
    let words = words.split(", found").next().unwrap_or_default();
    let before = words.split('`').next().unwrap_or_default();
    let after = words.rsplit('`').next().unwrap_or_default();
    let plain = before.chars().chain(after.chars());
    plain.filter(|c| !c.is_ascii_digit()).collect()
}

/// The distinct words of capital letters and operators in a text: what a thing is made of.
#[allow(dead_code, reason = "not every target has a grammar of words")]
pub fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_uppercase() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    words.extend(text.matches(['+', '-', '*', '/', '^', '<', '>', '=', '!', '[', '%']));
    words.sort_unstable();
    words.dedup();
    words
}
