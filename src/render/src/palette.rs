//! Colours: eight series colours, one word each for the rest, light and dark both designed.
//!
//! A picture names CSS custom properties (`var(--series-1, #2563b8)`), so one picture serves both
//! schemes and takes the page's colours; where no page defines them the fallbacks are the light
//! ones. The series colours keep a contrast of 3:1 against either background and stay apart under
//! the common colour-vision deficiencies (a test computes both). Red and amber are not among
//! them: they mean ALARM and INSUFFICIENT_DATA.

/// How a picture is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Theme {
    /// For a page that defines the custom properties: nothing but `var(--name, fallback)`.
    #[default]
    Page,
    /// For a file of its own: the same, and an embedded style that follows
    /// `prefers-color-scheme`.
    Standalone,
    /// Plain light colours, for what knows no custom properties (rasterisers, mail).
    Light,
    /// Plain dark colours.
    Dark,
}

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ink {
    /// `--series-1` to `--series-8`; the index counts from 0 and wraps around.
    Series(usize),
    /// `--grid`: grid lines, barely there.
    Grid,
    /// `--axis`: axis lines and tick labels.
    Axis,
    /// `--threshold`: limits and what stands above them.
    Threshold,
    /// `--breach`: the tint of breaching spans.
    Breach,
    /// `--text`
    Text,
    /// `--text-2`: the quieter grey.
    Text2,
    /// `--rule`: frames.
    Rule,
    /// `--bg`
    Background,
    /// `--alarm`: ALARM and faults.
    Alarm,
    /// `--late`: INSUFFICIENT_DATA, throttles, errors of the caller.
    Late,
}

struct Tone {
    name: &'static str,
    light: &'static str,
    dark: &'static str,
}

const fn tone(name: &'static str, light: &'static str, dark: &'static str) -> Tone {
    Tone { name, light, dark }
}

/// In the order of [`Ink`], the eight series first.
const TONES: &[Tone] = &[
    tone("series-1", "#2563b8", "#6ea8f7"),
    tone("series-2", "#b45a0b", "#e58b36"),
    tone("series-3", "#009185", "#77e8a9"),
    tone("series-4", "#8b3c8b", "#ac6aa4"),
    tone("series-5", "#769956", "#b4cb5e"),
    tone("series-6", "#d366ad", "#f29ac4"),
    tone("series-7", "#3c495c", "#d6dceb"),
    tone("series-8", "#726657", "#a3937a"),
    tone("grid", "#eceef1", "#23272e"),
    tone("axis", "#667080", "#8f98a6"),
    tone("threshold", "#c02a2a", "#f27b76"),
    tone("breach", "#c02a2a", "#f27b76"),
    tone("text", "#1a1f27", "#e8ebef"),
    tone("text-2", "#566070", "#a2abb8"),
    tone("rule", "#dde1e6", "#2d323b"),
    tone("bg", "#ffffff", "#14171c"),
    tone("alarm", "#c02a2a", "#f27b76"),
    tone("late", "#8f5f00", "#e0ab3d"),
];

/// How many series colours there are before they repeat.
pub const SERIES: usize = 8;

impl Ink {
    fn tone(self) -> &'static Tone {
        let at = match self {
            Ink::Series(i) => i % SERIES,
            Ink::Grid => 8,
            Ink::Axis => 9,
            Ink::Threshold => 10,
            Ink::Breach => 11,
            Ink::Text => 12,
            Ink::Text2 => 13,
            Ink::Rule => 14,
            Ink::Background => 15,
            Ink::Alarm => 16,
            Ink::Late => 17,
        };
        &TONES[at]
    }

    /// The value of a `fill` or `stroke`.
    pub fn paint(self, theme: Theme) -> String {
        let tone = self.tone();
        match theme {
            Theme::Page | Theme::Standalone => format!("var(--{}, {})", tone.name, tone.light),
            Theme::Light => tone.light.into(),
            Theme::Dark => tone.dark.into(),
        }
    }
}

/// `:root { … }` for light and, under `prefers-color-scheme: dark`, for dark: every custom
/// property that the pictures of this crate name.
pub fn css() -> String {
    rules(":root")
}

/// The same for the root of a standalone picture.
pub(crate) fn standalone_css() -> String {
    rules("svg")
}

fn rules(selector: &str) -> String {
    let list = |pick: fn(&Tone) -> &'static str| {
        TONES
            .iter()
            .map(|t| format!("--{}:{};", t.name, pick(t)))
            .collect::<String>()
    };
    format!(
        "{selector}{{{}}}@media (prefers-color-scheme:dark){{{selector}{{{}}}}}",
        list(|t| t.light),
        list(|t| t.dark)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linear RGB, 0 to 1.
    fn linear(hex: &str) -> [f64; 3] {
        [1, 3, 5].map(|at| {
            let value = u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let c = f64::from(value) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        })
    }

    /// WCAG's contrast ratio.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |hex: &str| {
            let [r, g, b] = linear(hex);
            0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
        };
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    /// What an eye sees: nothing missing, then protanopia, deuteranopia, tritanopia after
    /// Machado, Oliveira and Fernandes (2009), severity 1.
    const EYES: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    ];

    /// OKLab after Ottosson (2020), where distance is about difference as seen.
    fn seen(hex: &str, eye: &[[f64; 3]; 3]) -> [f64; 3] {
        let c = linear(hex);
        let dot = |row: [f64; 3], v: [f64; 3]| row[0] * v[0] + row[1] * v[1] + row[2] * v[2];
        let rgb = [0, 1, 2].map(|i| dot(eye[i], c).clamp(0.0, 1.0));
        let lms = [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
        .map(|row| dot(row, rgb).cbrt());
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
        .map(|row| dot(row, lms))
    }

    #[test]
    fn series_colours_stay_apart_for_every_eye_in_both_schemes() {
        for pick in [|t: &Tone| t.light, |t: &Tone| t.dark] {
            for (e, eye) in EYES.iter().enumerate() {
                let series: Vec<[f64; 3]> =
                    TONES[..SERIES].iter().map(|t| seen(pick(t), eye)).collect();
                for (i, a) in series.iter().enumerate() {
                    for (j, b) in series.iter().enumerate().skip(i + 1) {
                        let apart: f64 = (0..3).map(|k| (a[k] - b[k]).powi(2)).sum();
                        let apart = apart.sqrt();
                        assert!(apart > 0.078, "eye {e}: {} and {}: {apart}", i + 1, j + 1);
                    }
                }
            }
        }
    }

    #[test]
    fn contrast_is_aa_in_both_schemes() {
        let background = Ink::Background.tone();
        for tone in TONES {
            let least = match tone.name {
                // Lines and areas, WCAG 1.4.11.
                name if name.starts_with("series") => 3.0,
                // Text, WCAG 1.4.3.
                "axis" | "threshold" | "text" | "text-2" | "alarm" | "late" => 4.5,
                // What carries no meaning of its own.
                _ => 1.0,
            };
            for (colour, on) in [(tone.light, background.light), (tone.dark, background.dark)] {
                let got = contrast(colour, on);
                assert!(got >= least, "{} {colour} on {on}: {got}", tone.name);
            }
        }
    }
}
