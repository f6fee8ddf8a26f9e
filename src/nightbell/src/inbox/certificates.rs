//! The certificates of SNS: fetched by one of those who ask at the same time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use envelope::{Address, Certificates};
use model::Time;
use ports::Clock;

use super::{Reach, lock};

/// What came of a fetch holds for this long, a failure too: whoever sends much that does not verify
/// makes no traffic of it. SNS tries again after 20 seconds.
const HOLDS: Duration = Duration::from_secs(5);
/// So many fetches are remembered. More addresses in that time are nothing that SNS does; the oldest
/// is forgotten first, at the cost of fetching it twice.
const FLIGHTS: usize = 32;

/// What came of a fetch, and when.
type Outcome = Option<(Time, Result<Arc<[u8]>, String>)>;
/// Whoever holds it fetches; the others wait for what comes of it.
type Flight = Arc<tokio::sync::Mutex<Outcome>>;

/// Certificates that verified a message, and fetches of others.
#[derive(Default)]
pub(super) struct Fetched {
    good: Mutex<Certificates>,
    flights: Mutex<VecDeque<(Address, Flight)>>,
}

impl Fetched {
    /// The file at an address, at hand or fetched.
    pub(super) async fn get(
        &self,
        reach: &dyn Reach,
        address: &Address,
        clock: &dyn Clock,
    ) -> Result<Arc<[u8]>, String> {
        if let Some(file) = lock(&self.good).get(address) {
            return Ok(file.into());
        }
        let flight = self.flight(address);
        let mut outcome = flight.lock().await;
        let now = clock.now();
        if let Some((at, outcome)) = &*outcome
            && now < *at + HOLDS
        {
            return outcome.clone();
        }
        let fetched = reach.certificate(address).await.map(Arc::from);
        *outcome = Some((clock.now(), fetched.clone()));
        fetched
    }

    /// Keeps a file with which a message verified.
    pub(super) fn keep(&self, address: Address, file: &[u8]) {
        let mut good = lock(&self.good);
        if good.get(&address) != Some(file) {
            good.keep(address, file.to_vec());
        }
    }

    fn flight(&self, address: &Address) -> Flight {
        let mut flights = lock(&self.flights);
        if let Some((_, flight)) = flights.iter().find(|(known, _)| known == address) {
            return flight.clone();
        }
        if flights.len() >= FLIGHTS {
            flights.pop_front();
        }
        let flight = Flight::default();
        flights.push_back((address.clone(), flight.clone()));
        flight
    }
}
