//! What the platform counts beside its requests.

use std::time::Duration;

use model::catalogue::Declared;
use model::{Resolution, Unit};
use telemetry::Telemetry;
use telemetry::emf::{Emf, Record};

use crate::{NAMESPACE, SERVICE};

const BY_SERVICE: &[&[&str]] = &[&["Service"]];
const BY_REASON: &[&[&str]] = &[&["Service"], &["Service", "Reason"]];

const fn metric(
    name: &'static str,
    unit: Unit,
    dimensions: &'static [&'static [&'static str]],
) -> Declared {
    Declared {
        namespace: NAMESPACE,
        name,
        unit,
        resolution: Resolution::Standard,
        dimensions,
    }
}

/// Of each file that was judged: 1 or 0, so that their mean is a rate.
const ACCEPTED: [Declared; 6] = [
    metric("Uploads", Unit::Count, BY_SERVICE),
    metric("DecodeFailures", Unit::Count, BY_REASON),
    metric("BytesIn", Unit::Bytes, BY_SERVICE),
    metric("BytesOut", Unit::Bytes, BY_SERVICE),
    metric("ResizeTime", Unit::Milliseconds, BY_SERVICE),
    metric("Pixels", Unit::Count, BY_SERVICE),
];
const REFUSED: [Declared; 3] = [
    metric("Uploads", Unit::Count, BY_SERVICE),
    metric("DecodeFailures", Unit::Count, BY_REASON),
    metric("BytesIn", Unit::Bytes, BY_SERVICE),
];
const CLICK: [Declared; 1] = [metric("ShortLinkClicks", Unit::Count, BY_SERVICE)];
const REMOVED: [Declared; 1] = [metric("ImagesDeleted", Unit::Count, BY_SERVICE)];
const LIMITED: [Declared; 1] = [metric("RequestsLimited", Unit::Count, BY_SERVICE)];

/// All of them, for the catalogue.
pub fn declared() -> Vec<Declared> {
    let own = ACCEPTED.into_iter().chain(CLICK).chain(REMOVED);
    own.chain(LIMITED).collect()
}

/// The lines, laid out once.
#[derive(Clone)]
pub struct Meters {
    telemetry: Telemetry,
    accepted: Emf<2, 6, 1>,
    refused: Emf<2, 3, 1>,
    click: Emf<1, 1, 1>,
    removed: Emf<1, 1, 1>,
    limited: Emf<1, 1, 1>,
}

/// A file that became an image.
#[derive(Debug, Clone, Copy)]
pub struct Accepted {
    /// Bytes that came.
    pub bytes_in: u64,
    /// Bytes of all sizes.
    pub bytes_out: u64,
    /// Decoding, resizing, encoding; waiting for a worker is no part of it.
    pub took: Duration,
    /// Pixels of the original.
    pub pixels: u64,
}

impl Meters {
    /// Writes to this telemetry.
    pub fn new(telemetry: &Telemetry) -> Meters {
        let sound = "the declarations above keep to the format's limits";
        Meters {
            telemetry: telemetry.clone(),
            accepted: Emf::declare(["Service", "Reason"], ACCEPTED, ["image"]).expect(sound),
            refused: Emf::declare(["Service", "Reason"], REFUSED, ["detail"]).expect(sound),
            click: Emf::declare(["Service"], CLICK, ["link"]).expect(sound),
            removed: Emf::declare(["Service"], REMOVED, ["image"]).expect(sound),
            limited: Emf::declare(["Service"], LIMITED, ["what"]).expect(sound),
        }
    }

    /// A file became an image.
    pub fn accepted(&self, image: &str, a: Accepted) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE, "none"],
            metrics: [
                1.0,
                0.0,
                a.bytes_in as f64,
                a.bytes_out as f64,
                a.took.as_secs_f64() * 1e3,
                a.pixels as f64,
            ],
            properties: [image],
        };
        self.telemetry.line(|out| self.accepted.write(&record, out));
    }

    /// A file was refused. The reason is one of [`crate::codec::Refusal::REASONS`].
    pub fn refused(&self, reason: &str, detail: &str, bytes: u64) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE, reason],
            metrics: [0.0, 1.0, bytes as f64],
            properties: [detail],
        };
        self.telemetry.line(|out| self.refused.write(&record, out));
    }

    /// A short link was followed.
    pub fn clicked(&self, link: &str) {
        self.one(&self.click, link);
    }

    /// An image is gone.
    pub fn removed(&self, image: &str) {
        self.one(&self.removed, image);
    }

    /// A client was told to wait.
    pub fn limited(&self, what: &str) {
        self.one(&self.limited, what);
    }

    fn one(&self, emf: &Emf<1, 1, 1>, property: &str) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE],
            metrics: [1.0],
            properties: [property],
        };
        self.telemetry.line(|out| emf.write(&record, out));
    }
}
