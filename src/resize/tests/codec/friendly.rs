//! What comes out of what is accepted.

use resize::codec::{Engine, Format, Limits, Made, Output, Picture};

use crate::made::{self, ENGINES, at, look, near};

fn read(file: &[u8]) -> Picture {
    Picture::read(file, &Limits::default()).unwrap()
}

fn make(file: &[u8], widths: &[u32], engine: Engine) -> Vec<Made> {
    read(file).make(widths, engine).unwrap()
}

#[test]
fn every_format_becomes_all_its_sizes() {
    let rgb8 = (png::ColorType::Rgb, png::BitDepth::Eight);
    let cases: Vec<(Vec<u8>, Format)> = vec![
        (made::jpeg(800, 600), Format::Jpeg),
        (made::progressive(800, 600), Format::Jpeg),
        (made::grey_jpeg(800, 600, 99), Format::Jpeg),
        (made::png(800, 600, rgb8, &made::rgb(800, 600)), Format::Png),
        (made::png_half_clear(800, 600), Format::Png),
        (made::webp(800, 600), Format::Webp),
        (made::webp_half_clear(800, 600), Format::Webp),
        (made::webp_animated(800, 600), Format::Webp),
        (made::gif_animated(800, 600), Format::Gif),
    ];
    for (file, format) in &cases {
        let picture = read(file);
        assert_eq!(
            (picture.format, picture.width, picture.height),
            (*format, 800, 600)
        );
        for &engine in ENGINES {
            let all = picture.make(&[100, 300, 600], engine).unwrap();
            let sizes: Vec<_> = all.iter().map(|m| (m.asked, m.width, m.height)).collect();
            assert_eq!(sizes, [(600, 600, 450), (300, 300, 225), (100, 100, 75)]);
            for one in &all {
                let (_, _, width, height) = look(&one.body);
                assert_eq!(
                    (width, height),
                    (one.width, one.height),
                    "{format:?} {engine:?}"
                );
                let output = if one.body.starts_with(b"RIFF") {
                    Output::Webp
                } else {
                    Output::Jpeg
                };
                assert_eq!(output, format.output());
            }
        }
    }
}

#[test]
fn the_picture_stays_the_picture() {
    // Two engines, one picture: both show what was painted.
    let file = made::jpeg(1600, 1200);
    for &engine in ENGINES {
        for one in make(&file, &[800, 200], engine) {
            let (data, ..) = look(&one.body);
            let wanted = made::rgb(1600, 1200);
            let scale = 1600 / one.width as usize;
            let mut sum = 0.0;
            for y in 0..one.height as usize {
                for x in 0..one.width as usize {
                    for c in 0..3 {
                        // The mean of the block that the pixel stands for.
                        let block: u32 = (0..scale * scale)
                            .map(|i| {
                                let (px, py) = (x * scale + i % scale, y * scale + i / scale);
                                u32::from(wanted[(py * 1600 + px) * 3 + c])
                            })
                            .sum();
                        let mean = f64::from(block) / (scale * scale) as f64;
                        let got = f64::from(data[(y * one.width as usize + x) * 3 + c]);
                        sum += (got - mean) * (got - mean);
                    }
                }
            }
            let mse = sum / f64::from(one.width * one.height * 3);
            let psnr = 10.0 * (255.0 * 255.0 / mse).log10();
            assert!(psnr > 28.0, "{engine:?} at {}: {psnr:.1} dB", one.width);
        }
    }
}

#[test]
fn a_picture_is_never_enlarged() {
    let file = made::jpeg(250, 100);
    for &engine in ENGINES {
        let all = make(&file, &[100, 300, 600], engine);
        let sizes: Vec<_> = all.iter().map(|m| (m.asked, m.width, m.height)).collect();
        assert_eq!(sizes, [(600, 250, 100), (300, 250, 100), (100, 100, 40)]);
    }
}

#[test]
fn the_smallest_and_the_thinnest_pictures_have_sizes() {
    let check = |file: Vec<u8>, expect: (u32, u32)| {
        for &engine in ENGINES {
            let one = &make(&file, &[100], engine)[0];
            assert_eq!((one.width, one.height), expect);
            let (.., width, height) = look(&one.body);
            assert_eq!((width, height), expect);
        }
    };
    check(made::jpeg(1, 1), (1, 1));
    check(made::png_rgb(1, 1), (1, 1));
    check(made::webp(1, 1), (1, 1));
    check(made::gif_animated(1, 1), (1, 1));
    check(made::png_rgb(16_383, 1), (100, 1));
    check(made::png_rgb(1, 16_383), (1, 16_383));
    check(made::jpeg(3000, 2), (100, 1));
}

#[test]
fn a_camera_held_any_way_gives_an_upright_picture() {
    // As stored: red on the left, blue on the right. Where red is seen tells the orientation.
    let (w, h) = (64u16, 32u16);
    let data: Vec<u8> = (0..u32::from(w) * u32::from(h))
        .flat_map(|i| match i % u32::from(w) < 32 {
            true => [230, 20, 20],
            false => [20, 20, 230],
        })
        .collect();
    let mut plain = Vec::new();
    jpeg_encoder::Encoder::new(&mut plain, 95)
        .encode(&data, w, h, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    let check = |orientation: u16, size: (u32, u32), red: (u32, u32)| {
        let file = made::with_exif(&plain, orientation);
        let picture = read(&file);
        assert_eq!((picture.width, picture.height), size, "{orientation}");
        for &engine in ENGINES {
            let one = &picture.make(&[size.0], engine).unwrap()[0];
            let (.., width, height) = look(&one.body);
            assert_eq!((width, height), size, "{orientation} {engine:?}");
            let seen = at(&one.body, red.0, red.1);
            assert!(near(&seen, &[230, 20, 20], 40), "{orientation}: {seen:?}");
        }
        // The cleaned original is turned the same way.
        assert_eq!(read(&picture.clean).clean, picture.clean);
        let (w, h) = (read(&picture.clean).width, read(&picture.clean).height);
        assert_eq!((w, h), size, "{orientation}");
    };
    check(1, (64, 32), (8, 16));
    check(2, (64, 32), (56, 16));
    check(3, (64, 32), (56, 16));
    check(4, (64, 32), (8, 16));
    check(5, (32, 64), (16, 8));
    check(6, (32, 64), (16, 8));
    check(7, (32, 64), (16, 56));
    check(8, (32, 64), (16, 56));
}

#[test]
fn nothing_is_left_of_place_and_device() {
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x>SecretCam42</x>".as_slice();
    let iptc = b"Photoshop 3.0\08BIM SecretCam42".as_slice();
    let jpeg = made::with_exif(&made::jpeg(120, 90), 6);
    let jpeg = made::with_segments(&jpeg, &[(0xe1, xmp), (0xed, iptc), (0xfe, b"SecretCam42")]);
    let mut trailing = jpeg.clone();
    trailing.extend_from_slice(b"SecretCam42 and a whole film");
    let png = made::with_chunk(&made::png_rgb(120, 90), b"eXIf", &made::exif(6));
    let png = made::with_chunk(&png, b"tEXt", b"Comment\0SecretCam42");
    let png = made::with_chunk(&png, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0SecretCam42");
    let webp = made::webp_with_exif(&made::webp(120, 90), (120, 90), 6);
    for (name, file, turned) in [
        ("jpeg", jpeg, true),
        ("jpeg with a tail", trailing, true),
        ("png", png, true),
        ("webp", webp, true),
        ("gif", made::gif_animated(90, 120), false),
    ] {
        let has = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|w| w == word);
        assert!(
            has(&file, b"SecretCam42") || has(&file, b"GPS 51.5 N"),
            "{name}"
        );
        let picture = read(&file);
        assert_eq!((picture.width, picture.height), (90, 120), "{name}");
        let mut all = vec![picture.clean.clone()];
        for &engine in ENGINES {
            all.extend(
                picture
                    .make(&[90, 30], engine)
                    .unwrap()
                    .into_iter()
                    .map(|m| m.body),
            );
        }
        for bytes in all {
            for word in [
                b"SecretCam42".as_slice(),
                b"GPS 51.5 N",
                b"whole film",
                b"xap/1.0",
                b"\x88\x25",
            ] {
                assert!(
                    !has(&bytes, word) || word == b"\x88\x25",
                    "{name} still says {word:?}"
                );
            }
        }
        // Pixels and orientation are what they were; and what is clean stays as it is.
        let again = read(&picture.clean);
        assert_eq!(again.clean, picture.clean, "{name}");
        assert_eq!(
            (again.width, again.height),
            (90, 120),
            "{name}: turned {turned}"
        );
        assert_eq!(
            again.make(&[90], Engine::Pure).unwrap(),
            picture.make(&[90], Engine::Pure).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn transparency_stays_in_webp_and_is_white_in_jpeg() {
    for &engine in ENGINES {
        let jpeg = &make(&made::png_half_clear(200, 100), &[100], engine)[0].body;
        assert!(near(&at(jpeg, 90, 25), &[255, 255, 255], 4), "{engine:?}");
        assert!(near(&at(jpeg, 10, 25), &[200, 0, 0], 12), "{engine:?}");
        let webp = &make(&made::webp_half_clear(200, 100), &[100], engine)[0].body;
        assert_eq!(at(webp, 90, 25)[3], 0);
        let solid = at(webp, 10, 25);
        assert!(near(&solid, &[200, 0, 0, 255], 12), "{solid:?}");
    }
}

#[test]
fn the_first_frame_of_what_moves_is_shown() {
    for (file, format) in [
        (made::gif_animated(60, 40), Format::Gif),
        (made::webp_animated(60, 40), Format::Webp),
    ] {
        let picture = read(&file);
        assert!(picture.animated, "{format:?}");
        for &engine in ENGINES {
            let body = &picture.make(&[30], engine).unwrap()[0].body;
            let seen = at(body, 15, 10);
            assert!(near(&seen[..3], &[220, 0, 0], 12), "{format:?}: {seen:?}");
        }
    }
    assert!(!read(&made::webp(60, 40)).animated);
}

#[test]
fn sixteen_bits_grey_and_palettes_are_read() {
    use png::BitDepth::{Eight, One, Sixteen};
    use png::ColorType::{Grayscale, GrayscaleAlpha, Rgb, Rgba};
    let check = |kind, pixel: &[u8], expect: [u8; 3]| {
        let file = made::png(40, 40, kind, &pixel.repeat(1600));
        for &engine in ENGINES {
            let body = &make(&file, &[20], engine)[0].body;
            let seen = at(body, 10, 10);
            assert!(near(&seen, &expect, 6), "{kind:?} {engine:?}: {seen:?}");
        }
    };
    check(
        (Rgb, Sixteen),
        &[0x80, 0xff, 0x40, 0x00, 0x20, 0x00],
        [128, 64, 32],
    );
    check(
        (Rgba, Sixteen),
        &[200, 0, 0, 0, 0, 0, 0xff, 0xff],
        [200, 0, 0],
    );
    check((Grayscale, Eight), &[90], [90, 90, 90]);
    check((Grayscale, Sixteen), &[90, 7], [90, 90, 90]);
    check((GrayscaleAlpha, Eight), &[0, 0], [255, 255, 255]);
    let bits = made::png(8, 8, (Grayscale, One), &[0xff; 8]);
    let body = &make(&bits, &[8], Engine::Pure)[0].body;
    assert!(near(&at(body, 4, 4), &[255, 255, 255], 4));
}

#[test]
fn inks_become_light() {
    let check = |inks: [u8; 4], expect: [u8; 3]| {
        for &engine in ENGINES {
            let body = &make(&made::cmyk(64, 64, inks), &[32], engine)[0].body;
            let seen = at(body, 16, 16);
            assert!(near(&seen, &expect, 12), "{inks:?} {engine:?}: {seen:?}");
        }
    };
    check([0, 0, 0, 0], [255, 255, 255]);
    check([0, 0, 0, 255], [0, 0, 0]);
    check([255, 0, 0, 0], [0, 255, 255]);
    check([0, 255, 0, 127], [128, 0, 128]);
}

#[test]
fn colours_mean_the_same_after_their_profile_is_gone() {
    // Display P3's pure green lies outside of sRGB; its grey is the same grey.
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let in_p3 = |rgb: [u8; 3]| {
        let mut plain = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut plain, 98);
        encoder.add_icc_profile(&p3).unwrap();
        let data = rgb.repeat(64 * 64);
        encoder
            .encode(&data, 64, 64, jpeg_encoder::ColorType::Rgb)
            .unwrap();
        plain
    };
    for &engine in ENGINES {
        let grey = &make(&in_p3([120, 120, 120]), &[32], engine)[0].body;
        assert!(near(&at(grey, 9, 9), &[120, 120, 120], 4));
        let rose = &make(&in_p3([200, 100, 100]), &[32], engine)[0].body;
        let seen = at(rose, 9, 9);
        // 200, 100, 100 in Display P3 is 215, 94, 96 in sRGB, give or take.
        assert!(seen[0] > 208 && seen[1] < 98, "{engine:?}: {seen:?}");
        // The profile is gone with the need for it.
        assert!(!rose.windows(11).any(|w| w == b"ICC_PROFILE"));
    }
    // The original keeps it: its pixels are in it.
    let kept = read(&in_p3([1, 2, 3])).clean;
    assert!(kept.windows(11).any(|w| w == b"ICC_PROFILE"));
    // One that is none is passed over.
    let broken = made::with_segments(
        &made::jpeg(64, 64),
        &[(0xe2, b"ICC_PROFILE\0\x01\x01nonsense")],
    );
    assert_eq!(
        make(&broken, &[32], Engine::Pure),
        make(&made::jpeg(64, 64), &[32], Engine::Pure)
    );
}
