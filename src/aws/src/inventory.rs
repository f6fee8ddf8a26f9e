//! What an account holds, tagged or not: the list APIs of the services that default alarms exist
//! for.

use std::sync::Arc;

use async_trait::async_trait;
use futures::lock::Mutex;
use futures::{StreamExt, TryStreamExt, stream};
use model::observed::{Resource, ResourceKind};
use ports::{Kind, Result};
use serde_json::{Value, json};

use crate::config::Config;
use crate::error::{Error, port_error, unreadable};
use crate::signed::{Service, Signed, encode};
use crate::xml::{self, Leaves};

mod convert;

/// Questions about single resources that are under way at once.
const AT_ONCE: usize = 8;

/// One look at a region.
///
/// Lists that several kinds need (functions, queues, subscriptions) are fetched once and kept, so
/// that all answers are of one moment: make a new one to look again.
#[derive(Debug)]
pub struct Inventory {
    signed: Arc<Signed>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    functions: Option<Arc<Vec<Value>>>,
    queues: Option<Arc<Vec<convert::Queue>>>,
    redrives: Option<Arc<Vec<convert::Redrive>>>,
}

impl Inventory {
    /// Makes no request. Without a region: the configuration's.
    pub fn new(config: &Config, region: Option<&str>) -> Inventory {
        Inventory {
            signed: Arc::new(Signed::new(config.sdk(), region)),
            kept: Mutex::default(),
        }
    }

    async fn functions(&self) -> Result<Arc<Vec<Value>>> {
        let mut kept = self.kept.lock().await;
        if let Some(functions) = &kept.functions {
            return Ok(functions.clone());
        }
        let listed = self
            .rest_pages(
                Service::Lambda,
                "/2015-03-31/functions/",
                Paging {
                    list: "Functions",
                    next: "NextMarker",
                    ask: "Marker",
                    size: ("MaxItems", "50"),
                },
            )
            .await?;
        let sources = self
            .rest_pages(
                Service::Lambda,
                "/2015-03-31/event-source-mappings/",
                Paging {
                    list: "EventSourceMappings",
                    next: "NextMarker",
                    ask: "Marker",
                    size: ("MaxItems", "100"),
                },
            )
            .await?;
        let functions: Vec<Value> = stream::iter(listed)
            .map(|function| self.function(function, &sources))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let functions = Arc::new(functions);
        kept.functions = Some(functions.clone());
        Ok(functions)
    }

    /// The list leaves out concurrency and where failed asynchronous invocations go.
    async fn function(&self, mut function: Value, sources: &[Value]) -> Result<Value> {
        let name = function["FunctionName"].as_str().unwrap_or_default();
        let mut segment = String::new();
        encode(name, &mut segment);
        let subject = name.to_owned();
        let concurrency = self
            .one(
                &format!("/2019-09-30/functions/{segment}/concurrency"),
                &subject,
            )
            .await?;
        let invoke = self
            .one(
                &format!("/2019-09-25/functions/{segment}/event-invoke-config"),
                &subject,
            )
            .await?;
        let reserved = &concurrency["ReservedConcurrentExecutions"];
        if reserved.is_number() {
            function["ReservedConcurrentExecutions"] = reserved.clone();
        }
        let failures = &invoke["DestinationConfig"]["OnFailure"]["Destination"];
        if failures.is_string() {
            function["OnFailure"] = failures.clone();
        }
        let arn = function["FunctionArn"].as_str().unwrap_or_default();
        let feeds: Vec<Value> = sources
            .iter()
            .filter(|s| {
                let to = s["FunctionArn"].as_str().unwrap_or_default();
                // A mapping may name a version or an alias.
                to == arn || to.strip_prefix(arn).is_some_and(|r| r.starts_with(':'))
            })
            .map(|s| s["EventSourceArn"].clone())
            .filter(Value::is_string)
            .collect();
        if !feeds.is_empty() {
            function["EventSourceArns"] = feeds.into();
        }
        Ok(function)
    }

    /// A setting of one function; null where there is none.
    async fn one(&self, path: &str, subject: &str) -> Result<Value> {
        match self.signed.get(Service::Lambda, path, &[]).await {
            Ok(value) => Ok(value),
            Err(error) if error.kind() == Kind::NotFound => Ok(Value::Null),
            Err(error) => Err(port_error("read settings of function", subject, error)),
        }
    }

    async fn queues(&self) -> Result<Arc<Vec<convert::Queue>>> {
        let mut kept = self.kept.lock().await;
        if let Some(queues) = &kept.queues {
            return Ok(queues.clone());
        }
        let mut urls = Vec::new();
        let mut body = json!({ "MaxResults": 1000 });
        loop {
            let page = self.json(Service::Sqs, "ListQueues", &body).await?;
            let listed = page["QueueUrls"].as_array().into_iter().flatten();
            urls.extend(listed.filter_map(|u| Some(u.as_str()?.to_owned())));
            match page["NextToken"].as_str() {
                Some(token) if !token.is_empty() => body["NextToken"] = token.into(),
                _ => break,
            }
        }
        let queues: Vec<Option<convert::Queue>> = stream::iter(urls)
            .map(|url| async move {
                let body = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
                match self.json(Service::Sqs, "GetQueueAttributes", &body).await {
                    Ok(answer) => Ok(convert::Queue::from(&answer["Attributes"])),
                    // It went away between the two calls.
                    Err(e) if e.kind == Kind::NotFound => Ok(None),
                    Err(e) => Err(e),
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let queues = Arc::new(queues.into_iter().flatten().collect::<Vec<_>>());
        kept.queues = Some(queues.clone());
        Ok(queues)
    }

    /// The queues that subscriptions send to what they could not deliver.
    async fn redrives(&self) -> Result<Arc<Vec<convert::Redrive>>> {
        let mut kept = self.kept.lock().await;
        if let Some(redrives) = &kept.redrives {
            return Ok(redrives.clone());
        }
        let listed = self
            .xml_pages(
                Service::Sns,
                "ListSubscriptions",
                ("Subscriptions", "NextToken"),
            )
            .await?;
        let arns: Vec<String> = listed
            .iter()
            .filter_map(|leaves| Some(leaves.get("SubscriptionArn")?.first()?.clone()))
            // One that waits for its confirmation has no ARN yet.
            .filter(|arn| arn.starts_with("arn:"))
            .collect();
        let redrives: Vec<Option<convert::Redrive>> = stream::iter(arns)
            .map(|arn| async move {
                let answer = self
                    .signed
                    .query(
                        Service::Sns,
                        "GetSubscriptionAttributes",
                        &[("SubscriptionArn", &arn)],
                    )
                    .await;
                match answer {
                    Ok(xml) => convert::Redrive::from(&xml)
                        .map_err(|why| unreadable("read subscription", &arn, why)),
                    Err(e) if e.kind() == Kind::NotFound => Ok(None),
                    Err(e) => Err(port_error("read subscription", &arn, e)),
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let redrives = Arc::new(redrives.into_iter().flatten().collect::<Vec<_>>());
        kept.redrives = Some(redrives.clone());
        Ok(redrives)
    }

    async fn tables(&self) -> Result<Vec<Resource>> {
        let mut names: Vec<String> = Vec::new();
        let mut body = json!({ "Limit": 100 });
        loop {
            let page = self.json(Service::DynamoDb, "ListTables", &body).await?;
            let listed = page["TableNames"].as_array().into_iter().flatten();
            names.extend(listed.filter_map(|n| Some(n.as_str()?.to_owned())));
            match page["LastEvaluatedTableName"].as_str() {
                Some(last) => body["ExclusiveStartTableName"] = last.into(),
                None => break,
            }
        }
        let tables: Vec<Option<Resource>> = stream::iter(names)
            .map(|name| async move {
                let body = json!({ "TableName": name });
                match self.json(Service::DynamoDb, "DescribeTable", &body).await {
                    Ok(answer) => Ok(convert::table(&answer["Table"])),
                    Err(e) if e.kind == Kind::NotFound => Ok(None),
                    Err(e) => Err(e),
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(tables.into_iter().flatten().collect())
    }

    async fn schedules(&self) -> Result<Vec<Resource>> {
        let schedules = self
            .rest_pages(
                Service::Scheduler,
                "/schedules",
                Paging {
                    list: "Schedules",
                    next: "NextToken",
                    ask: "NextToken",
                    size: ("MaxResults", "100"),
                },
            )
            .await?;
        let mut found: Vec<Resource> = schedules.iter().filter_map(convert::schedule).collect();
        let mut body = json!({ "Limit": 100 });
        loop {
            let page = self.json(Service::Events, "ListRules", &body).await?;
            let rules = page["Rules"].as_array().into_iter().flatten();
            found.extend(rules.filter_map(convert::rule));
            match page["NextToken"].as_str() {
                Some(token) if !token.is_empty() => body["NextToken"] = token.into(),
                _ => return Ok(found),
            }
        }
    }

    async fn json(&self, service: Service, operation: &'static str, body: &Value) -> Result<Value> {
        let answer = self.signed.json(service, operation, body).await;
        answer.map_err(|e| listed(operation, e))
    }

    async fn rest_pages(
        &self,
        service: Service,
        path: &'static str,
        paging: Paging,
    ) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut query = vec![paging.size];
            if let Some(token) = &next {
                query.push((paging.ask, token));
            }
            let mut page = self
                .signed
                .get(service, path, &query)
                .await
                .map_err(|e| listed(path, e))?;
            if let Some(Value::Array(list)) = page.get_mut(paging.list).map(Value::take) {
                found.extend(list);
            }
            next = page[paging.next]
                .as_str()
                .filter(|t| !t.is_empty())
                .map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    async fn xml_pages(
        &self,
        service: Service,
        action: &'static str,
        (list, token): (&str, &str),
    ) -> Result<Vec<Leaves>> {
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let parameters: Vec<(&str, &str)> =
                next.iter().map(|value| (token, value.as_str())).collect();
            let xml = self
                .signed
                .query(service, action, &parameters)
                .await
                .map_err(|e| listed(action, e))?;
            let (page, more) =
                xml::members(&xml, list).map_err(|why| unreadable("list", action, why))?;
            found.extend(page);
            next = more;
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}

/// How a REST interface pages: where the list stands, what the next page is called in the answer
/// and in the question, and how many are asked for.
struct Paging {
    list: &'static str,
    next: &'static str,
    ask: &'static str,
    size: (&'static str, &'static str),
}

fn listed(subject: &'static str, error: Error) -> ports::Error {
    port_error("list resources by", subject, error)
}

#[async_trait]
impl ports::Inventory for Inventory {
    async fn resources(&self, kind: ResourceKind) -> Result<Vec<Resource>> {
        match kind {
            ResourceKind::Lambda => {
                let functions = self.functions().await?;
                Ok(functions.iter().filter_map(convert::function).collect())
            }
            ResourceKind::RestApi => {
                let apis = self
                    .rest_pages(
                        Service::ApiGateway,
                        "/restapis",
                        Paging {
                            list: "item",
                            next: "position",
                            ask: "position",
                            size: ("limit", "500"),
                        },
                    )
                    .await?;
                let region = self.signed.region_name();
                Ok(apis
                    .iter()
                    .filter_map(|api| convert::rest_api(api, &region))
                    .collect())
            }
            ResourceKind::HttpApi => {
                let apis = self
                    .rest_pages(
                        Service::ApiGateway,
                        "/v2/apis",
                        Paging {
                            list: "items",
                            next: "nextToken",
                            ask: "nextToken",
                            size: ("maxResults", "100"),
                        },
                    )
                    .await?;
                let region = self.signed.region_name();
                Ok(apis
                    .iter()
                    .filter_map(|api| convert::http_api(api, &region))
                    .collect())
            }
            ResourceKind::Queue | ResourceKind::DeadLetterQueue => {
                let (functions, queues) = (self.functions().await?, self.queues().await?);
                let redrives = self.redrives().await?;
                let all = convert::queues(&queues, &functions, &redrives);
                Ok(all.into_iter().filter(|q| q.kind == kind).collect())
            }
            ResourceKind::Table => self.tables().await,
            ResourceKind::Topic => {
                let topics = self
                    .xml_pages(Service::Sns, "ListTopics", ("Topics", "NextToken"))
                    .await?;
                Ok(topics.iter().filter_map(convert::topic).collect())
            }
            ResourceKind::LoadBalancer => {
                let balancers = self
                    .xml_pages(
                        Service::LoadBalancing,
                        "DescribeLoadBalancers",
                        ("LoadBalancers", "Marker"),
                    )
                    .await?;
                Ok(balancers.iter().filter_map(convert::balancer).collect())
            }
            ResourceKind::TargetGroup => {
                let groups = self
                    .xml_pages(
                        Service::LoadBalancing,
                        "DescribeTargetGroups",
                        ("TargetGroups", "Marker"),
                    )
                    .await?;
                Ok(groups.iter().filter_map(convert::target_group).collect())
            }
            ResourceKind::Schedule => self.schedules().await,
        }
    }
}
