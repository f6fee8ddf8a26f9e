//! What the service counts beside its requests.

use std::time::Duration;

use model::catalogue::Declared;
use model::{Resolution, Unit};
use telemetry::Telemetry;
use telemetry::emf::{Emf, Record};

use crate::subscriber::{Channel, Standing};
use crate::{NAMESPACE, SERVICE};

const BY_SERVICE: &[&[&str]] = &[&["Service"]];
const BY_STATE: &[&[&str]] = &[&["Service"], &["Service", "State"]];
const BY_CHANNEL: &[&[&str]] = &[&["Service"], &["Service", "Channel"]];

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

const CREATED: [Declared; 1] = [metric("EventsCreated", Unit::Count, BY_SERVICE)];
/// One for each subscription that comes to a state.
const SUBSCRIPTIONS: [Declared; 1] = [metric("Subscriptions", Unit::Count, BY_STATE)];
/// Of each page of a fan-out; both always, so that their quotient is a rate.
const NOTIFIED: [Declared; 2] = [
    metric("NotificationsSent", Unit::Count, BY_CHANNEL),
    metric("NotificationsFailed", Unit::Count, BY_CHANNEL),
];
const FANNED_OUT: [Declared; 1] = [metric("FanOutTime", Unit::Milliseconds, BY_SERVICE)];
const STREAM: [Declared; 1] = [metric("StreamAge", Unit::Milliseconds, BY_SERVICE)];

/// All of them, for the catalogue.
pub fn declared() -> Vec<Declared> {
    let own = CREATED.into_iter().chain(SUBSCRIPTIONS).chain(NOTIFIED);
    own.chain(FANNED_OUT).chain(STREAM).collect()
}

/// The lines, laid out once.
#[derive(Clone)]
pub struct Meters {
    telemetry: Telemetry,
    created: Emf<1, 1, 1>,
    subscriptions: Emf<2, 1, 1>,
    notified: Emf<2, 2, 1>,
    fanned_out: Emf<1, 1, 1>,
    stream: Emf<1, 1, 1>,
}

impl Meters {
    /// Writes to this telemetry.
    pub fn new(telemetry: &Telemetry) -> Meters {
        let sound = "the declarations above keep to the format's limits";
        Meters {
            telemetry: telemetry.clone(),
            created: Emf::declare(["Service"], CREATED, ["event"]).expect(sound),
            subscriptions: Emf::declare(["Service", "State"], SUBSCRIPTIONS, ["subscription"])
                .expect(sound),
            notified: Emf::declare(["Service", "Channel"], NOTIFIED, ["event"]).expect(sound),
            fanned_out: Emf::declare(["Service"], FANNED_OUT, ["event"]).expect(sound),
            stream: Emf::declare(["Service"], STREAM, ["event"]).expect(sound),
        }
    }

    /// An event was created.
    pub fn created(&self, event: &str) {
        self.one(&self.created, 1.0, event);
    }

    /// A subscription came to a state.
    pub fn subscription(&self, id: &str, standing: Standing) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE, standing.as_str()],
            metrics: [1.0],
            properties: [id],
        };
        self.telemetry
            .line(|out| self.subscriptions.write(&record, out));
    }

    /// So many were told by a channel, and so many could not be.
    pub fn notified(&self, event: &str, channel: Channel, (sent, failed): (u64, u64)) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE, channel.as_str()],
            metrics: [sent as f64, failed as f64],
            properties: [event],
        };
        self.telemetry.line(|out| self.notified.write(&record, out));
    }

    /// Everybody was told, so long after the change.
    pub fn fanned_out(&self, event: &str, took: Duration) {
        self.one(&self.fanned_out, took.as_secs_f64() * 1e3, event);
    }

    /// A change reached its function so long after it was made.
    pub fn stream_age(&self, event: &str, age: Duration) {
        self.one(&self.stream, age.as_secs_f64() * 1e3, event);
    }

    fn one(&self, emf: &Emf<1, 1, 1>, value: f64, property: &str) {
        let record = Record {
            at: self.telemetry.now(),
            dimensions: [SERVICE],
            metrics: [value],
            properties: [property],
        };
        self.telemetry.line(|out| emf.write(&record, out));
    }
}
