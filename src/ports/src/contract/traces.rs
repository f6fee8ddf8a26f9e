//! Traces are found and told of.

use serde_json::{Value, json};

use super::{Case, Outcome, Report, Run, done, same};
use crate::{Kind, TraceFilter, TraceSummary, Traces};

/// The contract of [`Traces`].
pub async fn traces(port: &dyn Traces, run: &Run) {
    let on = On { port, run };
    let mut report = Report::new("traces", run);
    report
        .case(Case::SegmentsInOrder, segments_in_order(&on))
        .await;
    report
        .case(Case::SummaryOfTheRoot, summary_of_the_root(&on))
        .await;
    report.case(Case::FailedTraces, failed_traces(&on)).await;
    report
        .case(Case::TracesByService, traces_by_service(&on))
        .await;
    report.case(Case::InProgress, in_progress(&on)).await;
    report.case(Case::BadSegments, bad_segments(&on)).await;
    report
        .case(Case::UnknownTraceIsEmpty, unknown_trace(&on))
        .await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Traces,
    run: &'a Run,
}

impl On<'_> {
    /// When a trace of the suite starts, in seconds.
    fn start(&self) -> f64 {
        self.run.minutes_ago(3).secs() as f64
    }

    fn trace(&self, what: &str) -> String {
        let own = format!("{}{}", hash(&self.run.name(what)), hash(what));
        format!("1-{:08x}-{}", self.run.minutes_ago(3).secs(), &own[..24])
    }

    /// A finished segment that starts `after` seconds into its trace.
    fn segment(&self, trace: &str, name: &str, after: f64) -> Value {
        json!({
            "trace_id": self.trace(trace),
            "id": &hash(&format!("{}{trace}{name}", self.run.prefix))[..16],
            "name": self.run.name(name),
            "start_time": self.start() + after,
            "end_time": self.start() + after + 0.25,
        })
    }

    async fn put(&self, segments: &[Value]) -> Outcome {
        let documents = segments.iter().map(Value::to_string).collect();
        done("put", self.port.put(documents).await)
    }

    fn filter(&self) -> TraceFilter {
        TraceFilter {
            span: self.run.last_minutes(10),
            failed: false,
            service: None,
            limit: 100,
        }
    }

    /// Looks at the summaries of those of `traces` that the filter lets through.
    async fn summaries(
        &self,
        filter: &TraceFilter,
        traces: &[&str],
    ) -> Result<Vec<TraceSummary>, String> {
        let mine: Vec<String> = traces.iter().map(|t| self.trace(t)).collect();
        let mut got = done("summaries", self.port.summaries(filter).await)?;
        got.retain(|s| mine.contains(&s.id));
        Ok(got)
    }

    async fn expect(&self, filter: TraceFilter, traces: &[&str], want: &[&str]) -> Outcome {
        let want: Vec<String> = want.iter().map(|t| self.trace(t)).collect();
        self.run
            .eventually(async || {
                let got = self.summaries(&filter, traces).await?;
                let got: Vec<String> = got.into_iter().map(|s| s.id).collect();
                same("traces", got, want.clone())
            })
            .await
    }
}

/// 32 hexadecimal digits that follow from a text (FNV-1a twice): ids need no more than to differ.
fn hash(text: &str) -> String {
    let fnv = |offset: u64| {
        text.bytes().fold(offset, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    format!(
        "{:016x}{:016x}",
        fnv(0xcbf2_9ce4_8422_2325),
        fnv(0x8422_2325_cbf2_9ce4)
    )
}

async fn segments_in_order(on: &On<'_>) -> Outcome {
    let mut late = on.segment("order", "late", 0.5);
    late["parent_id"] = json!("0123456789abcdef");
    let early = on.segment("order", "early", 0.0);
    on.put(&[late.clone(), early.clone()]).await?;
    on.run
        .eventually(async || {
            let got = done("get", on.port.get(&on.trace("order")).await)?;
            let names: Vec<&Value> = got.iter().map(|s| &s["name"]).collect();
            same("names", names, vec![&early["name"], &late["name"]])
        })
        .await
}

async fn summary_of_the_root(on: &On<'_>) -> Outcome {
    let mut root = on.segment("root", "gateway", 0.0);
    root["http"] = json!({
        "request": {"method": "GET", "url": "https://example.org/count"},
        "response": {"status": 200},
    });
    let mut inner = on.segment("root", "handler", 0.25);
    inner["parent_id"] = root["id"].clone();
    on.put(&[root, inner]).await?;
    on.run
        .eventually(async || {
            let got = on.summaries(&on.filter(), &["root"]).await?;
            let [got] = got.as_slice() else {
                return Err(format!("expected one summary, got {got:?}"));
            };
            same("name", got.name.clone(), on.run.name("gateway"))?;
            same("start", got.start, on.run.minutes_ago(3))?;
            same("status", got.status, Some(200))?;
            let request = got.request.clone().unwrap_or_default();
            same("request", request.contains("example.org/count"), true)?;
            same(
                "failures",
                (got.fault, got.error, got.throttle),
                (false, false, false),
            )?;
            match got.duration {
                Some(d) if (d - 0.5).abs() < 0.01 => Ok(()),
                other => Err(format!("duration: expected 0.5 s, got {other:?}")),
            }
        })
        .await
}

async fn failed_traces(on: &On<'_>) -> Outcome {
    let good = on.segment("good", "svc", 0.0);
    let mut fault = on.segment("fault", "svc", 1.0);
    fault["fault"] = json!(true);
    let mut throttled = on.segment("throttled", "svc", 2.0);
    throttled["error"] = json!(true);
    throttled["throttle"] = json!(true);
    on.put(&[good, fault, throttled]).await?;
    let all = ["good", "fault", "throttled"];
    on.expect(on.filter(), &all, &["throttled", "fault", "good"])
        .await?;
    let failed = TraceFilter {
        failed: true,
        ..on.filter()
    };
    on.expect(failed, &all, &["throttled", "fault"]).await
}

async fn traces_by_service(on: &On<'_>) -> Outcome {
    let mut outer = on.segment("calls", "caller", 0.0);
    outer["subsegments"] = json!([{
        "id": "00000000000000aa",
        "name": on.run.name("called"),
        "namespace": "remote",
        "start_time": on.start(),
        "end_time": on.start() + 0.1,
    }]);
    on.put(&[outer, on.segment("other", "caller", 1.0)]).await?;
    let by = |service: &str| TraceFilter {
        service: Some(on.run.name(service)),
        ..on.filter()
    };
    let all = ["calls", "other"];
    on.expect(by("caller"), &all, &["other", "calls"]).await?;
    on.expect(by("called"), &all, &["calls"]).await?;
    on.expect(by("call"), &all, &[]).await
}

async fn in_progress(on: &On<'_>) -> Outcome {
    let whole = on.segment("progress", "slow", 0.0);
    let mut begun = whole.clone();
    if let Some(begun) = begun.as_object_mut() {
        begun.remove("end_time");
        begun.insert("in_progress".into(), json!(true));
    }
    let durations = async |finished: bool| {
        on.run
            .eventually(async || {
                let got = on.summaries(&on.filter(), &["progress"]).await?;
                let got: Vec<bool> = got.iter().map(|s| s.duration.is_some()).collect();
                same("has a duration", got, vec![finished])
            })
            .await
    };
    on.put(&[begun]).await?;
    durations(false).await?;
    on.put(&[whole]).await?;
    durations(true).await
}

async fn bad_segments(on: &On<'_>) -> Outcome {
    let good = on.segment("usable", "svc", 0.0);
    let mut bad = on.segment("unusable", "svc", 0.0);
    if let Some(bad) = bad.as_object_mut() {
        bad.remove("start_time");
    }
    let id = bad["id"].as_str().unwrap_or_default().to_owned();
    let documents = vec![bad.to_string(), good.to_string()];
    match on.port.put(documents).await {
        Err(e) if e.kind == Kind::Invalid && e.to_string().contains(&id) => {}
        other => {
            return Err(format!(
                "expected an `Invalid` that names {id}, got {other:?}"
            ));
        }
    }
    on.expect(on.filter(), &["usable", "unusable"], &["usable"])
        .await
}

async fn unknown_trace(on: &On<'_>) -> Outcome {
    let got = done("get", on.port.get(&on.trace("never")).await)?;
    same("segments", got, Vec::new())
}
