//! Files that want something else than to be shown.

use resize::codec::{Limits, Picture, Refusal};

use crate::made::{self, ENGINES};

/// Refused, for this reason, before or while it is decoded; by every engine.
fn check(name: &str, file: &[u8], reason: &str) {
    for &engine in ENGINES {
        let outcome = Picture::read(file, &Limits::default()).and_then(|p| p.make(&[100], engine));
        match outcome {
            Ok(_) => panic!("{name} was accepted by {engine:?}; expected {reason}"),
            Err(refusal) => {
                assert_eq!(refusal.reason(), reason, "{name} {engine:?}: {refusal}");
                assert!(Refusal::REASONS.contains(&refusal.reason()));
                assert!(!refusal.to_string().is_empty());
            }
        }
    }
}

#[test]
fn what_is_no_picture_is_refused_whatever_its_name() {
    check("nothing", b"", "empty");
    check("text", b"hello.jpg", "unknown-format");
    check(
        "a page",
        b"<html><script>alert(1)</script>",
        "unknown-format",
    );
    check(
        "a drawing",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "unknown-format",
    );
    check("an archive", b"PK\x03\x04", "unknown-format");
    check("a bitmap", b"BM\x3a\0\0\0", "unknown-format");
    check("another RIFF", b"RIFF\x04\0\0\0WAVE", "unknown-format");
    check("a beginning", b"\xff\xd8\xff", "truncated");
    check("an end after the beginning", b"\xff\xd8\xff\xd9", "broken");
    check("a PNG's signature", b"\x89PNG\r\n\x1a\n", "truncated");
    check("a GIF's signature", b"GIF89a", "truncated");
    check("a WebP's signature", b"RIFF\x04\0\0\0WEBP", "broken");
    check("zeros", &[0; 1000], "unknown-format");
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_was_cut() {
    for (name, file) in [
        ("jpeg", made::jpeg(200, 150)),
        ("progressive", made::progressive(200, 150)),
        ("png", made::png_rgb(200, 150)),
        ("webp", made::webp(200, 150)),
        ("gif", made::gif_animated(200, 150)),
    ] {
        for tenth in 1..10 {
            let cut = &file[..file.len() * tenth / 10];
            for &engine in ENGINES {
                let outcome =
                    Picture::read(cut, &Limits::default()).and_then(|p| p.make(&[100], engine));
                assert!(outcome.is_err(), "{name} cut at {tenth}0 %");
            }
        }
        check(name, &file[..file.len() - 1], "truncated");
    }
}

#[test]
fn data_that_is_missing_inside_harms_nobody() {
    // The end is there, half of the pixels are not. libjpeg-turbo refuses that; zune-jpeg tells it
    // of progressive pictures only, and shows grey for what a baseline picture lacks.
    for file in [made::jpeg(400, 300), made::progressive(400, 300)] {
        let end = file.len() - 2;
        let hollow = [&file[..end / 2], &file[end..]].concat();
        for &engine in ENGINES {
            let picture = Picture::read(&hollow, &Limits::default()).unwrap();
            match picture.make(&[100], engine) {
                Ok(made) => {
                    assert_eq!(engine, resize::codec::Engine::Pure);
                    assert_eq!((made[0].width, made[0].height), (100, 75));
                }
                Err(refusal) => assert_eq!(refusal.reason(), "broken"),
            }
        }
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let limits = Limits::default();
    // A PNG of a few bytes that says it has 900 million pixels.
    let small = made::png_rgb(1, 1);
    let says = |width: u32, height: u32| {
        let mut file = small.clone();
        file[16..20].copy_from_slice(&width.to_be_bytes());
        file[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32fast::hash(&file[12..29]);
        file[29..33].copy_from_slice(&crc.to_be_bytes());
        file
    };
    check("30,000 x 30,000", &says(30_000, 30_000), "side-too-long");
    check("10,000 x 10,000", &says(10_000, 10_000), "too-many-pixels");
    check("4 billion x 1", &says(u32::MAX, 1), "side-too-long");
    check("0 x 0", &says(0, 0), "broken");
    check("more pixels than there are", &says(4000, 4000), "broken");
    // Real pixels, all the same: 50 MB out of a few kB are within the limits and still bounded.
    let flat = vec![0u8; 30_000];
    let wide = made::png(
        30_000,
        1,
        (png::ColorType::Grayscale, png::BitDepth::Eight),
        &flat,
    );
    check("30,000 x 1", &wide, "side-too-long");
    // A progressive JPEG keeps all its coefficients.
    let tight = Limits {
        memory: 20 << 20,
        ..limits
    };
    let refused = Picture::read(&made::progressive(2000, 1500), &tight).unwrap_err();
    assert_eq!(refused.reason(), "too-much-memory");
    let refused = Picture::read(
        &made::jpeg(800, 600),
        &Limits {
            bytes: 1000,
            ..limits
        },
    );
    assert_eq!(refused.unwrap_err().reason(), "too-many-bytes");
    // JPEG says its size in 16 bits.
    let mut jpeg = made::jpeg(64, 64);
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    check("65,535 x 65,535", &jpeg, "truncated");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x10, 0, 0x10, 0]);
    check("4,096 x 4,096 of 64 x 64", &jpeg, "truncated");
}

#[test]
fn endless_passes_are_refused() {
    let file = made::progressive(16, 16);
    let scan = file.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    let end = file.len() - 2;
    let mut long = file[..end].to_vec();
    for _ in 0..200 {
        long.extend_from_slice(&file[scan..end]);
    }
    long.extend_from_slice(&[0xff, 0xd9]);
    check("2,000 scans", &long, "broken");
}

#[test]
fn a_file_that_is_two_things_is_stored_as_the_picture_alone() {
    // Both a picture and a page, an archive, a program.
    let payload = b"<script>alert(document.domain)</script>PK\x05\x06";
    let jpeg = made::with_segments(&made::jpeg(50, 50), &[(0xfe, payload), (0xe5, payload)]);
    let png = made::with_chunk(&made::png_rgb(50, 50), b"zzZz", payload);
    let mut files = vec![jpeg, png, made::webp(50, 50), made::gif_animated(50, 50)];
    for file in &mut files {
        file.extend_from_slice(payload);
        let picture = Picture::read(file, &Limits::default()).unwrap();
        let clean = &picture.clean;
        assert!(
            !clean.windows(8).any(|w| w == b"<script>"),
            "{:?}",
            picture.format
        );
        assert!(
            !clean.windows(4).any(|w| w == b"PK\x05\x06"),
            "{:?}",
            picture.format
        );
        assert!(picture.make(&[50], ENGINES[0]).is_ok());
    }
}

#[test]
fn a_wrong_checksum_and_a_second_size_are_refused() {
    let mut png = made::png_rgb(60, 60);
    let middle = png.len() / 2;
    png[middle] ^= 0xff;
    check("a flipped byte", &png, "broken");
    let mut twice = made::jpeg(60, 60);
    let frame = twice.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let length = 2 + usize::from(twice[frame + 3]);
    let again = twice[frame..frame + length].to_vec();
    twice.splice(frame..frame, again);
    check("two frames", &twice, "broken");
    let inside = made::with_segments(&made::jpeg(60, 60), &[]);
    let inside = [&inside[..2], &inside[..]].concat();
    check("a picture inside", &inside, "broken");
}

#[test]
fn what_is_not_read_is_said() {
    let jpeg = made::jpeg(60, 60);
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    for (marker, word) in [
        (0xc3, "lossless"),
        (0xc9, "arithmetic"),
        (0xc5, "hierarchical"),
    ] {
        let mut file = jpeg.clone();
        file[frame + 1] = marker;
        let refusal = Picture::read(&file, &Limits::default()).unwrap_err();
        assert_eq!(refusal.reason(), "unsupported");
        assert!(refusal.to_string().contains(word), "{refusal}");
    }
    let mut deep = jpeg;
    deep[frame + 4] = 12;
    check("12 bits", &deep, "unsupported");
}

#[test]
fn a_canvas_that_differs_from_its_picture_is_refused_or_bounded() {
    // VP8X says 10 x 10, the bitstream 120 x 90.
    let file = made::webp_with_exif(&made::webp(120, 90), (10, 10), 1);
    check("a small canvas", &file, "broken");
    let file = made::webp_with_exif(&made::webp(120, 90), (16_384, 90), 1);
    check("a large canvas", &file, "side-too-long");
    // A GIF's frame that stands outside of its screen.
    let mut gif = made::gif_animated(20, 20);
    let frame = gif.iter().position(|b| *b == 0x2c).unwrap();
    gif[frame + 1..frame + 3].copy_from_slice(&60_000u16.to_le_bytes());
    check("a frame outside", &gif, "broken");
}
