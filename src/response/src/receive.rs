//! Messages that carry transitions: EventBridge's "CloudWatch Alarm State Change", and the JSON that
//! an alarm publishes to SNS. Text in, [`Message`] out; nothing is trusted, and whatever is not
//! known is kept.
//!
//! Shapes: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html>
//! for EventBridge; the SNS shape has no page of its own and stands in AWS's samples.

use model::{Arrival, Path, State, Time, Transition};
use serde_json::{Map, Value, json};

/// No message is longer: 256 KiB is what SNS, SQS and EventBridge take.
pub const LONGEST: usize = 256 * 1024;
/// No message is nested deeper.
const DEEPEST: usize = 32;

/// Where an arrival says what keeps the alarm's actions from running.
pub(crate) const SUPPRESSED: &str = "suppressed_by";

/// A transition as a message tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Twelve digits; empty where the message does not say.
    pub account: String,
    /// `eu-central-1`; empty where the message does not say.
    pub region: String,
    /// What changed.
    pub transition: Transition,
    /// What the alarm is.
    pub kind: Kind,
    /// Why its own actions do not run: `ALARM`, `WaitPeriod`, `ExtensionPeriod`.
    pub suppressed_by: Option<String>,
    /// The time series of an alarm on several that this message is about.
    pub contributor: Option<Contributor>,
    /// Everything else that it said, with fields that are not known.
    pub rest: Value,
}

/// What kind of alarm a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One metric, at a fixed threshold.
    Metric,
    /// Metric math, or several metrics.
    Math,
    /// An anomaly detection band.
    Anomaly,
    /// A rule over other alarms.
    Composite,
    /// The message does not say.
    Unsaid,
}

/// One time series of an alarm that watches several.
#[derive(Debug, Clone, PartialEq)]
pub struct Contributor {
    /// CloudWatch's id.
    pub id: String,
    /// Its dimensions and what else tells it apart.
    pub attributes: Map<String, Value>,
}

/// What a text is.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A transition.
    Transition(Box<Message>),
    /// One time series of an alarm on several went from one state to another. The alarm's own state
    /// comes in a message of its own, so this is no transition of it, and evidence at most.
    Contributor(Box<Message>),
    /// Something else that is no fault: an alarm was created, updated or deleted, a test message.
    /// The word says what.
    Other(String),
}

/// Why a text is nothing that can be understood. A lowercase fragment; the message belongs into the
/// dead-letter queue with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poison(pub String);

impl std::fmt::Display for Poison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Poison {}

impl Message {
    /// The name under which the alarm is known: its own in the home account and region, else with
    /// both behind it, so that twins in two places stay two. The same for every path.
    pub fn name(&self, home: &Home<'_>) -> String {
        let away = |have: &str, home: &str| !have.is_empty() && !home.is_empty() && have != home;
        let alarm = &self.transition.alarm;
        match away(&self.account, home.account) || away(&self.region, home.region) {
            false => alarm.clone(),
            true => format!("{alarm} ({}/{})", self.account, self.region),
        }
    }

    /// What [`Engine::receive_over`](crate::Engine::receive_over) takes.
    pub fn arrive(self, path: Path, home: &Home<'_>) -> (Transition, Arrival) {
        let name = self.name(home);
        let mut said = Map::new();
        for (key, text) in [("account", self.account), ("region", self.region)] {
            if !text.is_empty() {
                said.insert(key.into(), text.into());
            }
        }
        if let Some(by) = self.suppressed_by {
            said.insert(SUPPRESSED.into(), by.into());
        }
        if let Some(contributor) = self.contributor {
            let value = json!({ "id": contributor.id, "attributes": contributor.attributes });
            said.insert("contributor".into(), value);
        }
        if !self.rest.is_null() {
            said.insert("rest".into(), self.rest);
        }
        let arrival = Arrival {
            path,
            late: false,
            message: match said.is_empty() {
                true => Value::Null,
                false => Value::Object(said),
            },
        };
        let transition = Transition {
            alarm: name,
            ..self.transition
        };
        (transition, arrival)
    }
}

/// Where the estate's alarms are. An empty word matches everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Home<'h> {
    /// Twelve digits.
    pub account: &'h str,
    /// `eu-central-1`
    pub region: &'h str,
}

/// Reads a message of a queue: EventBridge's event, an alarm's SNS message, or SNS's envelope around
/// either (without raw delivery). The envelope of a queue carries no proof that has to be checked:
/// whoever may write into the queue is decided by its policy.
pub fn parse(text: &str) -> Result<(Path, Received), Poison> {
    let fields = object(text)?;
    if fields.contains_key("detail-type") {
        return Ok((Path::EventBridge, event(fields)?));
    }
    if fields.contains_key("AlarmName") {
        return Ok((Path::Sns, alarm(fields)?));
    }
    if let (Some(Value::String(_)), Some(Value::String(message))) =
        (fields.get("TopicArn"), fields.get("Message"))
    {
        let inner = match object(message) {
            Ok(inner) => inner,
            Err(_) => return Ok((Path::Sns, Received::Other("a message in words".into()))),
        };
        return Ok((Path::Sns, inner_message(inner)?));
    }
    Err(Poison(
        "neither an event of EventBridge nor an alarm's message; is something else subscribed to this queue?"
            .into(),
    ))
}

/// Reads what an SNS envelope holds, after the envelope was verified.
pub fn parse_message(message: &str) -> Result<Received, Poison> {
    match object(message) {
        Ok(fields) => inner_message(fields),
        Err(_) if message.len() <= LONGEST => Ok(Received::Other("a message in words".into())),
        Err(poison) => Err(poison),
    }
}

fn inner_message(fields: Map<String, Value>) -> Result<Received, Poison> {
    if fields.contains_key("detail-type") {
        return event(fields);
    }
    if fields.contains_key("AlarmName") {
        return alarm(fields);
    }
    Ok(Received::Other("a message that is no alarm's".into()))
}

fn object(text: &str) -> Result<Map<String, Value>, Poison> {
    if text.len() > LONGEST {
        return Err(Poison(format!(
            "{} bytes long; no message is longer than {LONGEST}",
            text.len()
        )));
    }
    let value: Value = serde_json::from_str(text).map_err(|e| Poison(format!("not JSON ({e})")))?;
    if depth(&value) > DEEPEST {
        return Err(Poison(format!("nested deeper than {DEEPEST}")));
    }
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(Poison("JSON, and no object".into())),
    }
}

fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// `source`, `detail-type`, `account`, `region`, `time`, `resources`, `detail`.
fn event(mut fields: Map<String, Value>) -> Result<Received, Poison> {
    let source = take_text(&mut fields, "source").unwrap_or_default();
    let detail_type = take_text(&mut fields, "detail-type").unwrap_or_default();
    if source != "aws.cloudwatch" {
        return Ok(Received::Other(format!("an event of {source}")));
    }
    match detail_type.as_str() {
        "CloudWatch Alarm State Change" | "CloudWatch Alarm Contributor State Change" => {}
        other => return Ok(Received::Other(other.to_string())),
    }
    let account = take_text(&mut fields, "account").unwrap_or_default();
    let region = take_text(&mut fields, "region").unwrap_or_default();
    let time = take_text(&mut fields, "time");
    let Some(Value::Object(mut detail)) = fields.remove("detail") else {
        return Err(Poison("an alarm event without `detail`".into()));
    };
    let alarm = take_text(&mut detail, "alarmName")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Poison("an alarm event without `detail.alarmName`".into()))?;
    let Some(Value::Object(mut now)) = detail.remove("state") else {
        return Err(Poison("an alarm event without `detail.state`".into()));
    };
    let mut before = match detail.remove("previousState") {
        Some(Value::Object(before)) => before,
        _ => Map::new(),
    };
    let to = state(&take_text(&mut now, "value").unwrap_or_default())?;
    let from = match take_text(&mut before, "value") {
        Some(word) => state(&word)?,
        // The first event of an alarm.
        None => State::InsufficientData,
    };
    let at = take_text(&mut now, "timestamp").or(time);
    let at = at.as_deref().and_then(timestamp);
    let at = at.ok_or_else(|| Poison("an alarm event without a time that can be read".into()))?;
    let configuration = detail.get("configuration");
    let kind = kind_of_configuration(configuration);
    let contributor = contributor(detail.remove("alarmContributor"));
    let suppressed_by = take_text(&mut now, "actionsSuppressedBy");
    let reason = take_text(&mut now, "reason").unwrap_or_default();
    let reason_data = reason_data(now.remove("reasonData"));
    let mut rest = fields;
    rest.remove("version");
    rest.remove("resources");
    put(&mut rest, "detail", detail);
    put(&mut rest, "state", now);
    put(&mut rest, "previousState", before);
    Ok(received(Message {
        account,
        region,
        transition: Transition {
            alarm,
            from,
            to,
            at,
            reason,
            reason_data,
        },
        kind,
        suppressed_by,
        contributor,
        rest: Value::Object(rest),
    }))
}

/// `AlarmName`, `NewStateValue`, `OldStateValue`, `StateChangeTime`, `Region` in words, `AlarmArn`
/// (newer messages), `Trigger` or `AlarmRule`.
fn alarm(mut fields: Map<String, Value>) -> Result<Received, Poison> {
    let name = take_text(&mut fields, "AlarmName")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Poison("an alarm's message without `AlarmName`".into()))?;
    let to = state(&take_text(&mut fields, "NewStateValue").unwrap_or_default())?;
    let from = match take_text(&mut fields, "OldStateValue") {
        Some(word) => state(&word)?,
        None => State::InsufficientData,
    };
    let at = take_text(&mut fields, "StateChangeTime");
    let at = at
        .as_deref()
        .and_then(timestamp)
        .ok_or_else(|| Poison("an alarm's message without a `StateChangeTime`".into()))?;
    let reason = take_text(&mut fields, "NewStateReason").unwrap_or_default();
    let reason_data = reason_data(fields.remove("NewStateReasonData"));
    // `Region` is a name in words ("US East (N. Virginia)"); only the ARN has the code.
    let arn = take_text(&mut fields, "AlarmArn").unwrap_or_default();
    let mut parts = arn.split(':').skip(3);
    let region = parts.next().unwrap_or_default().to_string();
    let account = take_text(&mut fields, "AWSAccountId")
        .or_else(|| parts.next().map(String::from))
        .unwrap_or_default();
    let contributor = contributor(fields.remove("AlarmContributor"));
    let suppressed_by = take_text(&mut fields, "ActionsSuppressedBy");
    let kind = match (fields.contains_key("AlarmRule"), fields.get("Trigger")) {
        (true, _) => Kind::Composite,
        (false, Some(trigger)) => kind_of_trigger(trigger),
        (false, None) => Kind::Unsaid,
    };
    Ok(received(Message {
        account,
        region,
        transition: Transition {
            alarm: name,
            from,
            to,
            at,
            reason,
            reason_data,
        },
        kind,
        suppressed_by,
        contributor,
        rest: Value::Object(fields),
    }))
}

fn received(message: Message) -> Received {
    match message.contributor.is_some() {
        true => Received::Contributor(Box::new(message)),
        false => Received::Transition(Box::new(message)),
    }
}

fn kind_of_configuration(configuration: Option<&Value>) -> Kind {
    let Some(Value::Object(configuration)) = configuration else {
        return Kind::Unsaid;
    };
    if configuration.contains_key("alarmRule") {
        return Kind::Composite;
    }
    let Some(Value::Array(metrics)) = configuration.get("metrics") else {
        return Kind::Unsaid;
    };
    kind_of_metrics(metrics, "expression")
}

fn kind_of_trigger(trigger: &Value) -> Kind {
    let Value::Object(trigger) = trigger else {
        return Kind::Unsaid;
    };
    match trigger.get("Metrics") {
        Some(Value::Array(metrics)) => kind_of_metrics(metrics, "Expression"),
        _ if trigger.contains_key("MetricName") => Kind::Metric,
        _ => Kind::Unsaid,
    }
}

fn kind_of_metrics(metrics: &[Value], key: &str) -> Kind {
    let expressions: Vec<&str> = metrics
        .iter()
        .filter_map(|metric| metric.get(key)?.as_str())
        .collect();
    let band = |e: &&str| e.trim_start().starts_with("ANOMALY_DETECTION_BAND");
    match (expressions.iter().any(band), metrics.len()) {
        (true, _) => Kind::Anomaly,
        (false, 1) if expressions.is_empty() => Kind::Metric,
        _ => Kind::Math,
    }
}

fn contributor(value: Option<Value>) -> Option<Contributor> {
    let Some(Value::Object(mut fields)) = value else {
        return None;
    };
    let id = ["id", "contributorId", "ContributorId"];
    let attributes = [
        "attributes",
        "contributorAttributes",
        "ContributorAttributes",
    ];
    Some(Contributor {
        id: id.iter().find_map(|key| take_text(&mut fields, key))?,
        attributes: attributes
            .iter()
            .find_map(|key| match fields.remove(*key) {
                Some(Value::Object(attributes)) => Some(attributes),
                _ => None,
            })
            .unwrap_or_default(),
    })
}

/// The reason's data is JSON in a string; what is none stays the string.
fn reason_data(value: Option<Value>) -> Value {
    match value {
        Some(Value::String(text)) => match serde_json::from_str::<Value>(&text) {
            Ok(value) if depth(&value) <= DEEPEST => value,
            _ => Value::String(text),
        },
        Some(value) => value,
        None => Value::Null,
    }
}

fn state(word: &str) -> Result<State, Poison> {
    word.parse().map_err(|_| {
        Poison(format!(
            "`{}` is no state of an alarm; there are OK, ALARM and INSUFFICIENT_DATA",
            word.chars().take(40).collect::<String>().escape_debug()
        ))
    })
}

/// `2019-10-02T17:04:40.985+0000`, and RFC 3339.
fn timestamp(text: &str) -> Option<Time> {
    if let Some(time) = Time::parse(text) {
        return Some(time);
    }
    // An offset without a colon is ISO 8601's basic form, which RFC 3339 does not have.
    let (rest, offset) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let (hours, minutes) = offset.split_at_checked(3)?;
    Time::parse(&format!("{rest}{hours}:{minutes}"))
}

fn take_text(fields: &mut Map<String, Value>, key: &str) -> Option<String> {
    match fields.get(key) {
        Some(Value::String(_)) => match fields.remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn put(into: &mut Map<String, Value>, key: &str, fields: Map<String, Value>) {
    if !fields.is_empty() {
        into.insert(key.into(), Value::Object(fields));
    }
}
