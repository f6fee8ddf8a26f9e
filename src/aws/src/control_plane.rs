//! Alarms and dashboards as things that are made, changed and removed: CloudWatch's control plane,
//! with the tagging API, SNS's topics and CloudTrail beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use model::observed::{ActionRecord, ObservedAlarm, ObservedDashboard, ObservedTopic, Tags, Trail};
use model::{State, Time};
use ports::{Kind, Result, Switch};
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::error::{Error, invalid, port_error, unreadable};
use crate::signed::{Service, Signed};

mod convert;

/// `DescribeAlarms`, `DeleteAlarms`, `EnableAlarmActions`: at most this many a call.
const ALARMS_A_CALL: usize = 100;
/// CloudTrail keeps 90 days of events and answers 50 a page; the newest page tells who it was.
const TRAIL_PAGE: usize = 50;

/// The control plane of one region.
///
/// Bodies travel as JSON exactly as they are desired and observed (see [`crate::signed`]): a key
/// that this program does not know is neither hidden nor lost.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    signed: Arc<Signed>,
}

impl ControlPlane {
    /// Makes no request. Without a region: the configuration's.
    pub fn new(config: &Config, region: Option<&str>) -> ControlPlane {
        ControlPlane {
            signed: Arc::new(Signed::new(config.sdk(), region)),
        }
    }

    async fn cloudwatch(&self, call: &Call<'_>, body: &Value) -> Result<Value> {
        self.json(Service::CloudWatch, call, body).await
    }

    async fn json(&self, service: Service, call: &Call<'_>, body: &Value) -> Result<Value> {
        let answer = self.signed.json(service, call.api, body).await;
        answer.map_err(|e| call.failed(e))
    }

    /// Every page of an operation: asked with `NextToken` until none comes back.
    async fn pages(
        &self,
        call: &Call<'_>,
        mut body: Value,
        mut take: impl FnMut(Value) -> std::result::Result<(), String>,
    ) -> Result<()> {
        loop {
            let mut page = self.cloudwatch(call, &body).await?;
            let next = page
                .get_mut("NextToken")
                .map(Value::take)
                .filter(|t| t.as_str().is_some_and(|t| !t.is_empty()));
            take(page).map_err(|why| unreadable(call.operation, call.subject, why))?;
            match next {
                Some(token) => body["NextToken"] = token,
                None => return Ok(()),
            }
        }
    }
}

/// What is called, for the request and for errors.
struct Call<'a> {
    api: &'static str,
    operation: &'static str,
    subject: &'a str,
}

impl Call<'_> {
    fn failed(&self, error: Error) -> ports::Error {
        port_error(self.operation, self.subject, error)
    }
}

const fn call<'a>(api: &'static str, operation: &'static str, subject: &'a str) -> Call<'a> {
    Call {
        api,
        operation,
        subject,
    }
}

#[async_trait]
impl ports::ControlPlane for ControlPlane {
    async fn alarms(&self) -> Result<Vec<ObservedAlarm>> {
        let mut found = Vec::new();
        let asked = json!({
            "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
            "MaxRecords": ALARMS_A_CALL,
        });
        let call = call("DescribeAlarms", "describe alarms", "all");
        self.pages(&call, asked, |page| convert::take_alarms(page, &mut found))
            .await?;
        Ok(found)
    }

    async fn tagged(&self, key: &str, value: &str) -> Result<BTreeMap<String, Tags>> {
        let subject = format!("{key}={value}");
        let call = call("GetResources", "list tagged alarms", &subject);
        let mut body = json!({
            "ResourceTypeFilters": ["cloudwatch:alarm"],
            "ResourcesPerPage": 100,
            "TagFilters": [{ "Key": key, "Values": [value] }],
        });
        let mut found = BTreeMap::new();
        loop {
            let page = self.json(Service::Tagging, &call, &body).await?;
            convert::take_tagged(&page, &mut found)
                .map_err(|why| unreadable(call.operation, &subject, why))?;
            match page["PaginationToken"].as_str() {
                Some(token) if !token.is_empty() => body["PaginationToken"] = token.into(),
                _ => return Ok(found),
            }
        }
    }

    async fn tags(&self, arn: &str) -> Result<Tags> {
        let call = call("ListTagsForResource", "list tags of", arn);
        let answer = self
            .cloudwatch(&call, &json!({ "ResourceARN": arn }))
            .await?;
        Ok(convert::from_tags(&answer["Tags"]))
    }

    async fn put_alarm(&self, body: &Map<String, Value>, tags: &Tags) -> Result<()> {
        let name = body.get("AlarmName").and_then(Value::as_str);
        let name = name.ok_or_else(|| invalid("put alarm", "?", "its body has no AlarmName"))?;
        let api = match body.contains_key("AlarmRule") {
            true => "PutCompositeAlarm",
            false => "PutMetricAlarm",
        };
        let mut body = body.clone();
        if !tags.is_empty() {
            body.insert("Tags".into(), convert::to_tags(tags));
        }
        let call = call(api, "put alarm", name);
        self.cloudwatch(&call, &Value::Object(body)).await?;
        Ok(())
    }

    async fn delete_alarms(&self, names: &[String]) -> Result<()> {
        several("DeleteAlarms", "delete alarms", names, self).await
    }

    async fn switch_actions(&self, names: &[String], on: Switch) -> Result<()> {
        let (api, operation) = match on {
            Switch::On => ("EnableAlarmActions", "enable actions of"),
            Switch::Off => ("DisableAlarmActions", "disable actions of"),
        };
        several(api, operation, names, self).await
    }

    async fn tag(&self, arn: &str, tags: &Tags) -> Result<()> {
        let call = call("TagResource", "tag", arn);
        let body = json!({ "ResourceARN": arn, "Tags": convert::to_tags(tags) });
        self.cloudwatch(&call, &body).await?;
        Ok(())
    }

    async fn untag(&self, arn: &str, keys: &[String]) -> Result<()> {
        let call = call("UntagResource", "untag", arn);
        let body = json!({ "ResourceARN": arn, "TagKeys": keys });
        self.cloudwatch(&call, &body).await?;
        Ok(())
    }

    async fn dashboards(&self) -> Result<Vec<ObservedDashboard>> {
        let mut found = Vec::new();
        let call = call("ListDashboards", "list dashboards", "all");
        self.pages(&call, json!({}), |page| {
            convert::take_dashboards(&page, &mut found)
        })
        .await?;
        Ok(found)
    }

    async fn dashboard(&self, name: &str) -> Result<Option<String>> {
        let call = call("GetDashboard", "get dashboard", name);
        match self
            .cloudwatch(&call, &json!({ "DashboardName": name }))
            .await
        {
            Ok(answer) => match answer["DashboardBody"].as_str() {
                Some(body) => Ok(Some(body.to_owned())),
                None => Err(unreadable(call.operation, name, "it has no body")),
            },
            Err(e) if e.kind == Kind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    async fn put_dashboard(&self, name: &str, body: &str) -> Result<Vec<String>> {
        let call = call("PutDashboard", "put dashboard", name);
        let asked = json!({ "DashboardName": name, "DashboardBody": body });
        let answer = self.cloudwatch(&call, &asked).await?;
        Ok(convert::messages(&answer))
    }

    async fn delete_dashboards(&self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let call = call("DeleteDashboards", "delete dashboards", &names[0]);
        self.cloudwatch(&call, &json!({ "DashboardNames": names }))
            .await?;
        Ok(())
    }

    async fn topics(&self, arns: &[String]) -> Result<Vec<ObservedTopic>> {
        let mut found = Vec::new();
        for arn in arns {
            let call = call("GetTopicAttributes", "read topic", arn);
            let answer = self
                .signed
                .query(Service::Sns, call.api, &[("TopicArn", arn)])
                .await
                .map_err(|e| call.failed(e));
            match answer {
                Ok(xml) => found.push(
                    convert::from_topic(arn, &xml)
                        .map_err(|why| unreadable(call.operation, arn, why))?,
                ),
                Err(e) if e.kind == Kind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    async fn set_state(&self, name: &str, state: State, reason: &str) -> Result<()> {
        let call = call("SetAlarmState", "set state of", name);
        let body = json!({
            "AlarmName": name, "StateValue": state.as_str(), "StateReason": reason,
        });
        self.cloudwatch(&call, &body).await?;
        Ok(())
    }

    async fn actions(&self, since: Time) -> Result<Vec<ActionRecord>> {
        let mut found = Vec::new();
        let call = call("DescribeAlarmHistory", "describe alarm history", "actions");
        let asked = json!({
            "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
            "HistoryItemType": "Action",
            "StartDate": convert::to_seconds(since),
            "MaxRecords": 100,
            "ScanBy": "TimestampAscending",
        });
        self.pages(&call, asked, |page| {
            convert::take_actions(&page, &mut found)
        })
        .await?;
        Ok(found)
    }

    async fn trail(&self, name: &str) -> Result<Vec<Trail>> {
        let call = call("LookupEvents", "look up changes of", name);
        let body = json!({
            "LookupAttributes": [{ "AttributeKey": "ResourceName", "AttributeValue": name }],
            "MaxResults": TRAIL_PAGE,
        });
        let answer = self.json(Service::CloudTrail, &call, &body).await?;
        Ok(convert::from_trail(&answer))
    }
}

/// One call about several alarms.
async fn several(
    api: &'static str,
    operation: &'static str,
    names: &[String],
    plane: &ControlPlane,
) -> Result<()> {
    let Some(first) = names.first() else {
        return Ok(());
    };
    if names.len() > ALARMS_A_CALL {
        return Err(invalid(
            operation,
            first,
            format!("{} names; CloudWatch takes {ALARMS_A_CALL}", names.len()),
        ));
    }
    let call = call(api, operation, first);
    plane
        .cloudwatch(&call, &json!({ "AlarmNames": names }))
        .await?;
    Ok(())
}
