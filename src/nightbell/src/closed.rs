//! Metrics of an account through a cache: a period that is over is fetched and paid for once.
//!
//! GetMetricData costs by the metric and request. What is asked again and again (a dashboard that
//! is open, an alarm's chart) differs from the time before by its newest periods only; a period
//! whose end lies long enough back does not change any more and is kept, also where it has no data.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::{Datum, MetricId, Span, Time};
use ports::{Clock, MetricFilter, Metrics, Point, Result, Series, SeriesQuery, Spared};

/// Data may arrive for so long after its period; CloudWatch says that most takes two minutes.
const LATE: Duration = Duration::from_secs(5 * 60);
/// Series and points that are kept; the series that was asked longest ago goes first.
const SERIES: usize = 2_000;
const POINTS: usize = 1_000_000;

/// [`Metrics`] that remembers what is over.
pub struct Closed {
    inner: Arc<dyn Metrics>,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
    asked: AtomicU64,
    spared: AtomicU64,
    calls: AtomicU64,
    periods: AtomicU64,
}

#[derive(Default)]
struct Kept {
    series: HashMap<String, Periods>,
    points: usize,
    turn: u64,
}

/// Closed periods of one series by their start, and whether they have data.
#[derive(Default)]
struct Periods {
    at: BTreeMap<i64, Option<Point>>,
    messages: Vec<String>,
    used: u64,
}

/// What is left to fetch of a query.
struct Left {
    key: String,
    /// None: everything is known.
    span: Option<Span>,
}

impl Closed {
    /// In front of an adapter.
    pub fn new(inner: Arc<dyn Metrics>, clock: Arc<dyn Clock>) -> Closed {
        Closed {
            inner,
            clock,
            kept: Mutex::default(),
            asked: AtomicU64::new(0),
            spared: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            periods: AtomicU64::new(0),
        }
    }

    fn left(&self, query: &SeriesQuery) -> Left {
        let key = key(query);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn += 1;
        let turn = kept.turn;
        let Some(periods) = kept.series.get_mut(&key) else {
            return Left {
                key,
                span: Some(query.span),
            };
        };
        periods.used = turn;
        let missing = |at: &i64| !periods.at.contains_key(at);
        let first = starts(query).find(missing);
        let last = starts(query).filter(missing).last();
        Left {
            key,
            // From the first that is missing to the last: one request is one request.
            span: first.zip(last).map(|(first, last)| {
                let end = Time::from_millis(last + length(query));
                Span::new(Time::from_millis(first), end.min(query.span.end))
            }),
        }
    }

    /// Takes in what was fetched and answers the whole.
    fn whole(&self, query: &SeriesQuery, left: &Left, fetched: Option<Series>) -> Series {
        let closed = (self.clock.now() - LATE).millis();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        let periods = kept.series.entry(left.key.clone()).or_default();
        periods.used = kept.turn;
        let mut fresh: BTreeMap<i64, Point> = BTreeMap::new();
        if let Some(series) = fetched {
            periods.messages = series.messages;
            fresh = series.points.iter().map(|p| (p.at.millis(), *p)).collect();
        }
        let fetched = |at: i64| {
            left.span
                .is_some_and(|s| at >= s.start.millis() && at < s.end.millis())
        };
        let mut points = Vec::new();
        for at in starts(query) {
            let known = periods.at.get(&at).copied();
            let point = match (fetched(at), known) {
                (false, Some(known)) => {
                    self.periods.fetch_add(1, Ordering::Relaxed);
                    known
                }
                _ => fresh.get(&at).copied(),
            };
            points.extend(point);
            if fetched(at) && at + length(query) <= closed && periods.at.insert(at, point).is_none()
            {
                kept.points += 1;
            }
        }
        let messages = periods.messages.clone();
        while kept.series.len() > SERIES || kept.points > POINTS {
            let oldest = kept.series.iter().min_by_key(|(_, p)| p.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            if let Some(gone) = kept.series.remove(&oldest) {
                kept.points -= gone.at.len();
            }
        }
        Series { points, messages }
    }
}

/// Periods that begin at other moments are other periods.
fn key(query: &SeriesQuery) -> String {
    let anchor = query.span.start.millis().rem_euclid(length(query));
    format!("{:?}+{anchor}", query.stat)
}

fn length(query: &SeriesQuery) -> i64 {
    i64::from(query.stat.period.max(1)) * 1_000
}

/// The starts of a query's periods.
fn starts(query: &SeriesQuery) -> impl Iterator<Item = i64> + use<> {
    let (step, end) = (length(query), query.span.end.millis());
    std::iter::successors(Some(query.span.start.millis()), move |at| Some(at + step))
        .take_while(move |at| *at < end)
}

#[async_trait]
impl Metrics for Closed {
    async fn put(&self, data: Vec<Datum>) -> Result<()> {
        self.inner.put(data).await
    }

    async fn get(&self, queries: &[SeriesQuery]) -> Result<Vec<Series>> {
        let left: Vec<Left> = queries.iter().map(|query| self.left(query)).collect();
        let wanted: Vec<SeriesQuery> = queries
            .iter()
            .zip(&left)
            .filter_map(|(query, left)| {
                Some(SeriesQuery {
                    stat: query.stat.clone(),
                    span: left.span?,
                })
            })
            .collect();
        let spared = queries.len() - wanted.len();
        self.asked
            .fetch_add(queries.len() as u64, Ordering::Relaxed);
        self.spared.fetch_add(spared as u64, Ordering::Relaxed);
        let fetched = match wanted.is_empty() {
            true => {
                self.calls
                    .fetch_add(u64::from(!queries.is_empty()), Ordering::Relaxed);
                Vec::new()
            }
            false => self.inner.get(&wanted).await?,
        };
        let mut fetched = fetched.into_iter();
        Ok(queries
            .iter()
            .zip(&left)
            .map(|(query, left)| {
                let own = left.span.and_then(|_| fetched.next());
                self.whole(query, left, own)
            })
            .collect())
    }

    async fn list(&self, filter: &MetricFilter) -> Result<Vec<MetricId>> {
        self.inner.list(filter).await
    }

    fn spared(&self) -> Option<Spared> {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Some(Spared {
            asked: read(&self.asked),
            metrics: read(&self.spared),
            calls: read(&self.calls),
            periods: read(&self.periods),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use local::SteppedClock;
    use model::{MetricStat, Stat};
    use proptest::prelude::*;

    /// Every third minute has data, its number; asked spans are written down.
    #[derive(Default)]
    struct Source(Mutex<Vec<Span>>);

    #[async_trait]
    impl Metrics for Source {
        async fn put(&self, _: Vec<Datum>) -> Result<()> {
            Ok(())
        }

        async fn get(&self, queries: &[SeriesQuery]) -> Result<Vec<Series>> {
            let mut asked = self.0.lock().unwrap();
            Ok(queries
                .iter()
                .map(|query| {
                    asked.push(query.span);
                    let points = starts(query)
                        .filter(|at| at / 60_000 % 3 != 0)
                        .map(|at| Point {
                            at: Time::from_millis(at),
                            value: at as f64,
                            samples: None,
                        });
                    Series {
                        points: points.collect(),
                        messages: Vec::new(),
                    }
                })
                .collect())
        }

        async fn list(&self, _: &MetricFilter) -> Result<Vec<MetricId>> {
            Ok(Vec::new())
        }
    }

    fn query(from: i64, until: i64) -> SeriesQuery {
        SeriesQuery {
            stat: MetricStat {
                metric: MetricId::new("A", "b", []),
                stat: Stat::Sum,
                period: 60,
                unit: None,
                region: None,
            },
            span: Span::new(Time::from_secs(from * 60), Time::from_secs(until * 60)),
        }
    }

    #[tokio::test]
    async fn a_closed_period_is_fetched_once_and_the_others_each_time() {
        let clock = SteppedClock::new(Time::from_secs(100 * 60));
        let source = Arc::new(Source::default());
        let closed = Closed::new(source.clone(), Arc::new(clock.clone()));
        let ask = async |from, until| {
            closed.get(&[query(from, until)]).await.unwrap();
            let mut asked = source.0.lock().unwrap();
            std::mem::take(&mut *asked)
                .iter()
                .map(|s| (s.start.secs() / 60, s.end.secs() / 60))
                .collect::<Vec<_>>()
        };
        assert_eq!(ask(40, 100).await, [(40, 100)]);
        // The last five minutes may still change.
        assert_eq!(ask(40, 100).await, [(95, 100)]);
        clock.advance_by(Duration::from_secs(60));
        assert_eq!(ask(41, 101).await, [(95, 101)]);
        assert_eq!(ask(50, 90).await, []);
        assert_eq!(ask(30, 60).await, [(30, 40)]);
        let spared = closed.spared().unwrap();
        assert_eq!((spared.asked, spared.metrics, spared.calls), (5, 1, 1));
        assert_eq!(spared.periods, 55 + 54 + 40 + 20);
    }

    proptest! {
        #[test]
        fn with_the_cache_or_without_the_answers_are_the_same(
            asks in proptest::collection::vec((0i64..200, 1i64..60, 0u64..400), 1..30)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let clock = SteppedClock::new(Time::from_secs(100 * 60));
                let closed = Closed::new(Arc::new(Source::default()), Arc::new(clock.clone()));
                for (from, length, step) in asks {
                    clock.advance_by(Duration::from_secs(step));
                    let asked = [query(from, from + length)];
                    let expect = Source::default().get(&asked).await.unwrap();
                    assert_eq!(closed.get(&asked).await.unwrap(), expect);
                }
            });
        }
    }
}
