//! Decode -> three sizes -> encode: images a second, CPU time, peak memory, bytes.
//!
//! `--corpus DIR` reads a folder (benches/peers makes one and runs sharp on it); without it, and with
//! `--tiny`, a few pictures are made here. `--dump DIR` writes the results instead of measuring.
#![allow(clippy::print_stdout, reason = "a benchmark's result")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use cpu_time::ProcessTime;
use resize::codec::{Engine, Limits, Made, Output, Picture};

const WIDTHS: [u32; 3] = [1600, 800, 200];

struct Options {
    corpus: Option<PathBuf>,
    dump: Option<PathBuf>,
    in_flight: usize,
    rounds: usize,
    engine: Engine,
}

fn main() {
    let options = options();
    let files = corpus(options.corpus.as_deref());
    if let Some(folder) = &options.dump {
        for (name, file) in &files {
            for one in make(file, options.engine) {
                std::fs::write(folder.join(format!("{name}_{}.jpg", one.asked)), &one.body)
                    .unwrap();
            }
        }
        return;
    }
    let bytes = AtomicU64::new(0);
    let mut rates = Vec::new();
    let cpu = ProcessTime::now();
    for _ in 0..options.rounds {
        bytes.store(0, Ordering::Relaxed);
        let next = AtomicUsize::new(0);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..options.in_flight {
                scope.spawn(|| {
                    while let Some((_, file)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        for one in make(file, options.engine) {
                            bytes.fetch_add(one.body.len() as u64, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        rates.push(files.len() as f64 / begun.elapsed().as_secs_f64());
    }
    let cpu = cpu.elapsed().as_secs_f64() * 1e3 / (options.rounds * files.len()) as f64;
    rates.sort_by(f64::total_cmp);
    println!(
        "{{\"peer\":\"nightbell:{:?}\",\"in_flight\":{},\"img_s_med\":{:.2},\"min\":{:.2},\"max\":{:.2},\"cpu_ms_img\":{cpu:.1},\"out_kB\":{},\"rss_MB\":{}}}",
        options.engine,
        options.in_flight,
        rates[rates.len() / 2],
        rates[0],
        rates[rates.len() - 1],
        bytes.load(Ordering::Relaxed) / 1000,
        peak_megabytes(),
    );
}

/// What an upload does: the container is read and cleaned, too. The peer's files are all JPEG, so
/// that WebP's encoder is not compared with itself.
fn make(file: &[u8], engine: Engine) -> Vec<Made> {
    let picture = Picture::read(file, &Limits::default()).unwrap();
    picture.make_as(&WIDTHS, engine, Output::Jpeg).unwrap()
}

fn options() -> Options {
    let mut options = Options {
        corpus: None,
        dump: None,
        in_flight: 2,
        rounds: 3,
        engine: Engine::default(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap();
        match argument.as_str() {
            "--corpus" => options.corpus = Some(value().into()),
            "--dump" => options.dump = Some(value().into()),
            "--in-flight" => options.in_flight = value().parse().unwrap(),
            "--rounds" => options.rounds = value().parse().unwrap(),
            "--pure" => options.engine = Engine::Pure,
            "--tiny" => options.rounds = 1,
            // cargo's own.
            "--bench" => {}
            other => panic!("{other}: no such option"),
        }
    }
    options
}

fn corpus(folder: Option<&Path>) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = folder else {
        return (0..4u8)
            .map(|seed| (format!("made-{seed}"), made(seed)))
            .collect();
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| {
            p.extension()
                .is_some_and(|e| e == "jpg" || e == "png" || e == "webp")
        })
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|p| {
            (
                p.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(p).unwrap(),
            )
        })
        .collect()
}

/// A picture with some detail.
fn made(seed: u8) -> Vec<u8> {
    let (width, height) = (1024u16, 768u16);
    let data: Vec<u8> = (0..u32::from(width) * u32::from(height))
        .flat_map(|i| {
            let noise = (i.wrapping_mul(2_654_435_761) >> 27) as u8;
            let (x, y) = (i % u32::from(width), i / u32::from(width));
            [
                (x / 5) as u8 + noise,
                (y / 4) as u8 + noise,
                seed * 60 + noise,
            ]
        })
        .collect();
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 90)
        .encode(&data, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    out
}

/// The most that was resident; 0 where the system does not tell.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
