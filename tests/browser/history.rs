//! Fills a data folder with the last hours of a quiet site, so that the pictures in docs/ have
//! something to show: visitors in waves, and one short failure that is long over.
//!
//! `cargo run -p tests --example history -- FOLDER`, then `nightbell up --data FOLDER`.
#![allow(
    clippy::unwrap_used,
    reason = "what cannot go on has failed, as in a test"
)]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../e2e/world.rs"]
mod world;

use std::time::{Duration, SystemTime};

use local::SteppedClock;
use model::Time;
use ports::Clock;

const MINUTE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_secs(10);
const PAST: Duration = Duration::from_secs(3 * 3600);
/// When the failure began and ended, in minutes since the start.
const BROKEN: [usize; 2] = [64, 69];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let folder = std::env::args()
        .nth(1)
        .expect("the folder to fill is the argument");
    let now = || {
        Time::EPOCH
            + SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
    };
    let clock = SteppedClock::new((now() - PAST).floor_to(MINUTE));
    let world = world::World::start_at(folder.as_ref(), clock).await;
    // Until the present, which moves on meanwhile.
    for minute in 0.. {
        if world.clock.now() + MINUTE > now() {
            break;
        }
        if minute == BROKEN[0] {
            world.break_counter("1h").await;
        }
        if minute == BROKEN[1] {
            world.mend_counter().await;
        }
        for step in 0..6 {
            world.visits(visitors(minute, step)).await;
            world.step(STEP).await;
        }
    }
    world.stop().await;
}

/// Visitors in ten seconds: slow waves and some unrest, the same in every run.
fn visitors(minute: usize, step: u64) -> usize {
    let minutes = minute as f64;
    let wave = 5.0 + 2.0 * (minutes / 29.0).sin() + (minutes / 7.0).sin();
    // SplitMix64 of the step's number.
    let mut z = (minute as u64 * 6 + step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    wave as usize + ((z ^ (z >> 27)) % 4) as usize
}
