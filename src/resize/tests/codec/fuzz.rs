//! A bounded fuzz loop over the decode path: whatever comes, the answer is a picture or a reason,
//! never a panic, and no more pixels than were said.

use resize::codec::{Engine, Limits, Picture};

use crate::made::{self, ENGINES};

/// `NIGHTBELL_FUZZ=100000` makes it longer.
fn rounds() -> usize {
    let said = std::env::var("NIGHTBELL_FUZZ").ok();
    said.and_then(|n| n.parse().ok()).unwrap_or(1_500)
}

fn corpus() -> Vec<Vec<u8>> {
    vec![
        made::jpeg(40, 30),
        made::progressive(40, 30),
        made::grey_jpeg(17, 9, 5),
        made::cmyk(16, 16, [1, 2, 3, 4]),
        made::with_exif(&made::jpeg(24, 16), 6),
        made::png_rgb(40, 30),
        made::png_half_clear(20, 10),
        made::with_chunk(&made::png_rgb(8, 8), b"eXIf", &made::exif(3)),
        made::webp(40, 30),
        made::webp_half_clear(20, 10),
        made::webp_animated(20, 10),
        made::webp_with_exif(&made::webp(24, 16), (24, 16), 8),
        made::gif_animated(20, 10),
    ]
}

#[test]
fn whatever_comes_is_a_picture_or_a_reason() {
    let corpus = corpus();
    let limits = Limits {
        bytes: 1 << 20,
        pixels: 1_000_000,
        side: 4_000,
        memory: 64 << 20,
    };
    let mut random = fastrand::Rng::with_seed(20_260_101);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..rounds() {
        let mut file = corpus[random.usize(..corpus.len())].clone();
        for _ in 0..random.usize(1..6) {
            mutate(&mut random, &mut file, &corpus);
        }
        let engine = ENGINES[round % ENGINES.len()];
        match Picture::read(&file, &limits) {
            Ok(picture) => {
                assert!(u64::from(picture.width) * u64::from(picture.height) <= limits.pixels);
                match picture.make(&[24, 8], engine) {
                    Ok(all) => {
                        accepted += 1;
                        assert!(all.iter().all(|m| m.width <= picture.width));
                        // What was cleaned is accepted as it is.
                        let again = Picture::read(&picture.clean, &limits).unwrap();
                        assert_eq!(again.clean, picture.clean, "round {round}");
                    }
                    Err(_) => refused += 1,
                }
            }
            Err(_) => refused += 1,
        }
    }
    // A loop that refuses everything at the door would test nothing behind it.
    assert!(
        accepted > rounds() / 20 && refused > rounds() / 20,
        "{accepted} / {refused}"
    );
}

fn mutate(random: &mut fastrand::Rng, file: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    if file.is_empty() {
        return;
    }
    let at = random.usize(..file.len());
    match random.u8(..8) {
        0..=2 => file[at] ^= 1 << random.u8(..8),
        3 => {
            file[at] = *random
                .choice(&[0x00, 0xff, 0x7f, 0x80, 0xd8, 0xd9, 0xda])
                .unwrap()
        }
        4 => {
            let end = (at + random.usize(1..64)).min(file.len());
            file.drain(at..end);
        }
        5 => {
            let end = (at + random.usize(1..64)).min(file.len());
            let piece = file[at..end].to_vec();
            file.splice(at..at, piece);
        }
        6 => {
            let other = &corpus[random.usize(..corpus.len())];
            let from = random.usize(..other.len());
            let to = (from + random.usize(1..200)).min(other.len());
            file.splice(at..at, other[from..to].iter().copied());
        }
        _ => file.truncate(at.max(1)),
    }
}

#[test]
fn the_corpus_itself_is_accepted() {
    for file in corpus() {
        let picture = Picture::read(&file, &Limits::default()).unwrap();
        picture.make(&[24], Engine::default()).unwrap();
    }
}
