//! `rows` of a dashboard: from a service's resources and alarms to native widgets on 24 columns.

use serde_json::{Value as Json, json};

use crate::alarm::AlarmSpec;
use crate::estate::Project;
use crate::report::{Mark, Report, suggest};
use crate::yaml::Node;

/// Columns of a CloudWatch dashboard.
const COLUMNS: u64 = 24;
/// CloudWatch's default height of a widget.
const HEIGHT: u64 = 6;
/// Widgets side by side before a row wraps; narrower than three columns nothing can be read.
const ABREAST: usize = 8;

/// What stands side by side.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) items: Vec<Item>,
    pub(crate) at: Mark,
}

#[derive(Debug)]
pub(crate) enum Item {
    /// Four charts: traffic, errors, latency, saturation.
    Golden { service: String, at: Mark },
    /// The states of a service's alarms, or of all.
    Alarms { service: Option<String>, at: Mark },
    /// CloudWatch's own JSON.
    Widget { node: Node },
}

/// A body, and where in the file its widgets come from.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) body: Json,
    pub(crate) places: Vec<Places>,
}

/// Where a widget stands, and the metrics inside it where they stand there too.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub(crate) widget: Mark,
    pub(crate) metrics: Vec<Mark>,
}

impl Places {
    /// Of a widget that is written out.
    pub(crate) fn of(widget: &Node) -> Places {
        let metrics = widget.get("properties").and_then(|p| p.get("metrics"));
        let metrics = metrics.map(Node::items).unwrap_or_default();
        Places {
            widget: widget.at,
            metrics: metrics.iter().map(|m| m.at).collect(),
        }
    }
}

/// What the layout draws on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) project: &'a Project,
    pub(crate) alarms: &'a [&'a AlarmSpec],
}

/// The native body of the rows.
pub(crate) fn lay_out(rows: &[Row], ground: Ground<'_>, report: &mut Report) -> Laid {
    let mut widgets = Vec::new();
    let mut places = Vec::new();
    let mut y = 0;
    for row in rows {
        let mut made: Vec<Json> = Vec::new();
        for item in &row.items {
            let from = made.len();
            made.extend(ground.widgets(item, report));
            let item_places = match item {
                Item::Golden { at, .. } | Item::Alarms { at, .. } => Places {
                    widget: *at,
                    metrics: Vec::new(),
                },
                Item::Widget { node } => Places::of(node),
            };
            places.extend(std::iter::repeat_n(item_places, made.len() - from));
        }
        for line in made.chunks(ABREAST) {
            y += place(line, y, row.at, &mut widgets, report);
        }
    }
    Laid {
        body: json!({ "widgets": widgets }),
        places,
    }
}

/// Puts the widgets of a line beside each other and returns its height.
fn place(line: &[Json], y: u64, at: Mark, out: &mut Vec<Json>, report: &mut Report) -> u64 {
    let own = |widget: &Json, key: &str| widget.get(key).and_then(Json::as_u64);
    let taken: u64 = line.iter().filter_map(|w| own(w, "width")).sum();
    let free = line.iter().filter(|w| own(w, "width").is_none()).count() as u64;
    if taken + free > COLUMNS {
        report.error_with(
            at,
            format!("the row needs {} columns", taken + free),
            Some(format!(
                "a dashboard has {COLUMNS}; make widgets narrower or begin a new row"
            )),
        );
        out.extend(line.iter().cloned());
        return HEIGHT;
    }
    let (mut x, mut left, mut rest) = (0, COLUMNS - taken, free);
    let mut height = 0;
    for widget in line {
        let width = own(widget, "width").unwrap_or_else(|| {
            // The remainder goes to the first ones, so that the line is full.
            let width = left.div_ceil(rest.max(1));
            left -= width;
            rest -= 1;
            width
        });
        let mut widget = widget.clone();
        if let Some(object) = widget.as_object_mut() {
            let own_height = object
                .get("height")
                .and_then(Json::as_u64)
                .unwrap_or(HEIGHT);
            object.insert("x".into(), x.into());
            object.insert("y".into(), y.into());
            object.insert("width".into(), width.into());
            object.insert("height".into(), own_height.into());
            height = height.max(own_height);
        }
        x += width;
        out.push(widget);
    }
    height
}

impl Ground<'_> {
    fn widgets(&self, item: &Item, report: &mut Report) -> Vec<Json> {
        match item {
            Item::Golden { service, at } => self.golden(service, *at, report),
            Item::Alarms { service, at } => self.alarm_states(service.as_deref(), *at, report),
            Item::Widget { node } => self.native(&node.to_json(), node.at, report),
        }
    }

    fn known(&self, service: &str, at: Mark, report: &mut Report) -> bool {
        let known = self.project.services.iter().any(|s| s == service);
        if !known {
            let names = self.project.services.iter().map(String::as_str);
            report.error_with(
                at,
                format!("there is no service `{service}`"),
                Some(suggest(service, names, "there are")),
            );
        }
        known
    }

    fn native(&self, json: &Json, at: Mark, report: &mut Report) -> Vec<Json> {
        let mut widget = json.clone();
        let Some(object) = widget.as_object_mut() else {
            report.error(at, "a widget is a mapping with `type` and `properties`");
            return Vec::new();
        };
        for key in ["x", "y"] {
            if object.contains_key(key) {
                report.error_with(
                    at,
                    format!("`{key}` is the layout's"),
                    Some("remove it, or write the whole dashboard as `body`".into()),
                );
            }
        }
        if object.get("type").and_then(Json::as_str).is_none() {
            report.error_with(
                at,
                "a widget needs a `type`",
                Some("metric, text, log, alarm or explorer".into()),
            );
        }
        let metric = object.get("type").and_then(Json::as_str) == Some("metric");
        if let Some(properties) = object.get_mut("properties").and_then(Json::as_object_mut)
            && metric
        {
            properties
                .entry("region")
                .or_insert_with(|| self.project.region.clone().into());
        }
        vec![widget]
    }

    fn alarm_states(&self, service: Option<&str>, at: Mark, report: &mut Report) -> Vec<Json> {
        if let Some(service) = service
            && !self.known(service, at, report)
        {
            return Vec::new();
        }
        let account = self.account();
        let arns: Vec<String> = self
            .alarms
            .iter()
            .filter(|a| service.is_none_or(|s| a.service == s))
            .map(|a| {
                let region = a.region.as_deref().unwrap_or(&self.project.region);
                format!("arn:aws:cloudwatch:{region}:{account}:alarm:{}", a.name)
            })
            .collect();
        // An alarm widget takes 1 to 100 ARNs.
        if arns.is_empty() {
            report.error_with(
                at,
                "no alarm to show",
                Some("remove the item until the service has alarms".into()),
            );
        }
        let title = service.map_or_else(|| "alarms".to_string(), |s| format!("{s}: alarms"));
        arns.chunks(100)
            .map(
                |arns| json!({ "type": "alarm", "properties": { "title": title, "alarms": arns } }),
            )
            .collect()
    }

    /// The estate's account, from the first ARN that the project names; local mode's otherwise.
    fn account(&self) -> &str {
        self.project
            .variables
            .values()
            .filter(|v| v.starts_with("arn:"))
            .filter_map(|arn| arn.split(':').nth(4))
            .find(|account| account.len() == 12)
            .unwrap_or("000000000000")
    }

    fn golden(&self, service: &str, at: Mark, report: &mut Report) -> Vec<Json> {
        if !self.known(service, at, report) {
            return Vec::new();
        }
        let signals = Signals::of(service, self.project);
        let charts = [
            ("traffic", signals.traffic),
            ("errors", signals.errors),
            ("latency", signals.latency),
            ("saturation", signals.saturation),
        ];
        if charts.iter().all(|(_, metrics)| metrics.is_empty()) {
            report.error_with(
                at,
                format!("`{service}` has no resource with golden signals"),
                Some("under `services` it needs a function, api, table, queue, load_balancer or group".into()),
            );
        }
        charts
            .into_iter()
            .filter(|(_, metrics)| !metrics.is_empty())
            .map(|(signal, metrics)| {
                json!({ "type": "metric", "properties": {
                    "title": format!("{service}: {signal}"),
                    "region": self.project.region,
                    "view": "timeSeries",
                    "period": 60,
                    "metrics": metrics,
                }})
            })
            .collect()
    }
}

/// The metrics of a service's four golden signals.
#[derive(Default)]
struct Signals {
    traffic: Vec<Json>,
    errors: Vec<Json>,
    latency: Vec<Json>,
    saturation: Vec<Json>,
}

impl Signals {
    fn of(service: &str, project: &Project) -> Signals {
        let resources = Resources { service, project };
        let mut signals = Signals::default();
        let line = |namespace: &str, name: &str, dimensions: &[(&str, &str)], stat: &str| -> Json {
            let mut metric: Vec<Json> = vec![namespace.into(), name.into()];
            for (name, value) in dimensions {
                metric.extend([Json::from(*name), Json::from(*value)]);
            }
            metric.push(json!({ "stat": stat }));
            Json::Array(metric)
        };
        let apis = resources.all("api", "apis");
        for api in &apis {
            let mut dimensions = vec![("ApiName", *api)];
            dimensions.extend(resources.one("stage").map(|stage| ("Stage", stage)));
            let api = |name: &str, stat: &str| line("AWS/ApiGateway", name, &dimensions, stat);
            signals.traffic.push(api("Count", "Sum"));
            signals
                .errors
                .extend([api("5XXError", "Sum"), api("4XXError", "Sum")]);
            signals
                .latency
                .extend([api("Latency", "p50"), api("Latency", "p99")]);
        }
        for function in resources.all("function", "functions") {
            let function = |name: &str, stat: &str| {
                line("AWS/Lambda", name, &[("FunctionName", function)], stat)
            };
            signals.traffic.push(function("Invocations", "Sum"));
            signals.errors.push(function("Errors", "Sum"));
            signals.latency.push(function("Duration", "p99"));
            signals.saturation.extend([
                function("ConcurrentExecutions", "Maximum"),
                function("Throttles", "Sum"),
            ]);
        }
        for balancer in resources.all("load_balancer", "load_balancers") {
            let balancer = |name: &str, stat: &str| {
                line(
                    "AWS/ApplicationELB",
                    name,
                    &[("LoadBalancer", balancer)],
                    stat,
                )
            };
            signals.traffic.push(balancer("RequestCount", "Sum"));
            signals
                .errors
                .push(balancer("HTTPCode_Target_5XX_Count", "Sum"));
            signals.latency.push(balancer("TargetResponseTime", "p99"));
        }
        for queue in resources.all("queue", "queues") {
            let queue =
                |name: &str, stat: &str| line("AWS/SQS", name, &[("QueueName", queue)], stat);
            signals.traffic.push(queue("NumberOfMessagesSent", "Sum"));
            signals.saturation.extend([
                queue("ApproximateNumberOfMessagesVisible", "Maximum"),
                queue("ApproximateAgeOfOldestMessage", "Maximum"),
            ]);
        }
        for queue in resources.all("dlq", "dlqs") {
            let name = "ApproximateNumberOfMessagesVisible";
            signals
                .errors
                .push(line("AWS/SQS", name, &[("QueueName", queue)], "Maximum"));
        }
        for table in resources.all("table", "tables") {
            let table = |name: &str| line("AWS/DynamoDB", name, &[("TableName", table)], "Sum");
            signals.saturation.extend([
                table("ConsumedWriteCapacityUnits"),
                table("WriteThrottleEvents"),
            ]);
        }
        for group in resources.all("group", "groups") {
            let dimensions = [("AutoScalingGroupName", group)];
            signals
                .saturation
                .push(line("AWS/EC2", "CPUUtilization", &dimensions, "Average"));
        }
        signals
    }
}

struct Resources<'a> {
    service: &'a str,
    project: &'a Project,
}

impl<'a> Resources<'a> {
    fn one(&self, kind: &str) -> Option<&'a str> {
        let key = format!("{}.{kind}", self.service);
        self.project.variables.get(&key).map(String::as_str)
    }

    /// `function: f` and `functions: { a: f }` alike.
    fn all(&self, one: &str, many: &str) -> Vec<&'a str> {
        let prefix = format!("{}.{many}.", self.service);
        let several = self.project.variables.range(prefix.clone()..);
        let several = several
            .take_while(|(key, _)| key.starts_with(&prefix))
            .map(|(_, value)| value.as_str());
        self.one(one).into_iter().chain(several).collect()
    }
}
