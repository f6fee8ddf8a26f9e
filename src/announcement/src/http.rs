//! The service over HTTP. Reading is open; everything else needs a token of the user pool. Every
//! answer, errors too, may be read by any origin: nothing is let in by a cookie. A leading REST
//! stage in the path is passed over.

mod answer;
mod pages;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use identity::{KeyRing, Principal, group};
use model::Time;
use ports::{Clock, Endpoint, Items, Kind, Queues};
use serde::Deserialize;
use serde_json::{Value, json};
use telemetry::Telemetry;

use crate::calendar::{Standing as Calendar, calendar};
use crate::config::Config;
use crate::event::TOPICS;
use crate::event::{Event, NewEvent};
use crate::fields::FieldError;
use crate::letters::Writer;
use crate::meters::Meters;
use crate::notifier::Outlets;
use crate::register::{Asked, Created, Fresh, Once, Register};
use crate::subscriber::{Channel, Contact, NewSubscription, Standing, Step, Subscription};
use crate::{NAMESPACE, SERVICE, ids};
use answer::{Refused, empty, file, json_answer};

/// What the handlers share.
pub struct Service {
    config: Config,
    register: Register,
    people: Arc<KeyRing>,
    out: Outlets,
    writer: Writer,
    meters: Meters,
    clock: Arc<dyn Clock>,
}

impl Service {
    /// Over its tables, outlets and user pool.
    pub fn new(
        (items, out): (Arc<dyn Items>, Outlets),
        people: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        config: Config,
        telemetry: &Telemetry,
    ) -> Arc<Service> {
        Arc::new(Service {
            register: Register::new(items, config.tables.clone()),
            writer: Writer {
                from: config.from.clone().unwrap_or_default(),
                url: config.url.clone(),
            },
            meters: Meters::new(telemetry),
            people,
            out,
            clock,
            config,
        })
    }

    /// The queues behind it, for whoever shows how full they are.
    pub fn queues(&self) -> &Arc<dyn Queues> {
        &self.out.queues
    }
}

type Shared = Arc<Service>;
type Answer = Result<Response, Refused>;

/// Stages that API Gateway may leave in front of the path.
const STAGES: [&str; 2] = ["/prod", "/Prod"];
/// A body with the longest of all fields is shorter.
const LONGEST_BODY: usize = 64 * 1024;
const PAGE: usize = 20;
const LARGEST_PAGE: usize = 100;
/// Whoever lost the first mail may have another after this time.
const ASK_AGAIN: Duration = Duration::from_secs(3_600);

/// The routes of the service.
pub fn router(service: Arc<Service>, telemetry: &Telemetry) -> Router {
    let observed = telemetry.service(NAMESPACE, SERVICE);
    let home = routed(get(pages::home)).layer(observed.route("/").page_view());
    let routes: [(&'static str, MethodRouter<Shared>); 9] = [
        ("/events", get(list).post(create)),
        ("/events/{id}", get(show).delete(cancel)),
        ("/events/{id}/calendar.ics", get(ics)),
        ("/subscriptions", post(subscribe)),
        ("/subscriptions/{id}", get(standing).delete(unsubscribe)),
        (
            "/subscriptions/{id}/confirm",
            get(pages::ask_confirm).post(confirm),
        ),
        (
            "/subscriptions/{id}/unsubscribe",
            get(pages::ask_leave).post(leave),
        ),
        ("/app.css", get(pages::style)),
        ("/app.js", get(pages::script)),
    ];
    let mut all = Router::new().route("/", home.clone());
    for (path, route) in routes {
        all = all.route(path, routed(route).layer(observed.route(path)));
    }
    all = all.route(
        "/config.json",
        routed(get(pages::config)).layer(observed.route("/config.json")),
    );
    let routes = all.clone();
    all = all.fallback(unknown_path.layer(observed.unmatched()));
    for stage in STAGES {
        // A nested `/` is the stage without its last slash.
        all = all
            .nest(stage, routes.clone())
            .route(&format!("{stage}/"), home.clone());
    }
    all.with_state(service)
}

fn routed(route: MethodRouter<Shared>) -> MethodRouter<Shared> {
    route.options(preflight).fallback(wrong_method)
}

#[derive(Deserialize)]
struct Listing {
    limit: Option<String>,
    cursor: Option<String>,
}

async fn list(State(service): State<Shared>, Query(listing): Query<Listing>) -> Answer {
    let limit = match listing.limit.as_deref().map(str::parse::<usize>) {
        None => PAGE,
        Some(Ok(limit)) if (1..=LARGEST_PAGE).contains(&limit) => limit,
        Some(_) => {
            return Err(Refused::field("limit", "expected a number from 1 to 100"));
        }
    };
    let now = service.clock.now();
    let cursor = listing.cursor.as_deref().filter(|c| !c.is_empty());
    let page = match service.register.events(limit, cursor, now).await {
        Err(e) if e.kind == Kind::Invalid && cursor.is_some() => {
            return Err(Refused::field(
                "cursor",
                "expected the `next` of an earlier page",
            ));
        }
        page => page?,
    };
    let events: Vec<Value> = page.events.iter().map(|e| event_json(e, now)).collect();
    Ok(json_answer(
        StatusCode::OK,
        &json!({ "events": events, "next": page.next }),
    ))
}

async fn create(State(service): State<Shared>, request: Request) -> Answer {
    let (headers, body) = service.taken(request).await?;
    let who = service.member(&headers, &[group::PUBLISHER]).await?;
    let key = idempotency_key(&headers)?;
    let now = service.clock.now();
    let new = NewEvent::read(&json_of(&body)?, now).map_err(Refused::Fields)?;
    let once = key.map(|key| Once {
        by: who.subject.clone(),
        key,
        body: body.to_vec(),
    });
    let id = ids::sortable(now, random()?);
    let created = service.register.create(id, new, once.as_ref(), now).await?;
    let (event, replayed) = match created {
        Created::Fresh(event) => {
            service.meters.created(&event.id);
            tracing::info!(event = event.id, by = who.subject, "an event was created");
            (event, false)
        }
        Created::Again(event) => (event, true),
        Created::KeyTaken => {
            return Err(Refused::told(
                StatusCode::UNPROCESSABLE_ENTITY,
                "this Idempotency-Key was used for another request; use a new one",
            ));
        }
    };
    let mut response = json_answer(StatusCode::CREATED, &event_json(&event, now));
    let address = format!("{}/events/{}", service.config.url, event.id);
    answer::set(&mut response, header::LOCATION, &address);
    if replayed {
        let replayed = HeaderName::from_static("idempotency-replayed");
        answer::set(&mut response, replayed, "true");
    }
    Ok(response)
}

async fn show(State(service): State<Shared>, Path(id): Path<String>) -> Answer {
    let event = service.event(&id).await?;
    let shown = event_json(&event, service.clock.now());
    Ok(json_answer(StatusCode::OK, &shown))
}

async fn ics(State(service): State<Shared>, Path(id): Path<String>) -> Answer {
    let event = service.event(&id).await?;
    let text = calendar(&event, Calendar::Confirmed, service.clock.now());
    let mut response = file("text/calendar; charset=utf-8", text);
    let name = "attachment; filename=\"event.ics\"";
    answer::set(&mut response, header::CONTENT_DISPOSITION, name);
    Ok(response)
}

async fn cancel(
    State(service): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let who = service.member(&headers, &[group::PUBLISHER]).await?;
    match service.register.delete(&id).await? {
        Some(event) => {
            tracing::info!(event = event.id, by = who.subject, "an event was deleted");
            Ok(empty(StatusCode::NO_CONTENT))
        }
        None => Err(Refused::nothing("event")),
    }
}

async fn subscribe(State(service): State<Shared>, request: Request) -> Answer {
    let (headers, body) = service.taken(request).await?;
    let groups = [group::SUBSCRIBER, group::PUBLISHER];
    let who = service.member(&headers, &groups).await?;
    let new = NewSubscription::read(&json_of(&body)?).map_err(Refused::Fields)?;
    let channel = service.channel(&new)?;
    let now = service.clock.now();
    let fresh = Fresh {
        id: ids::sortable(now, random()?),
        token: ids::token(random()?),
        channel,
    };
    let made = fresh.id.clone();
    let asked = service.register.ask(new, fresh, &who.subject, now).await?;
    let id = match asked {
        Asked::Confirm(subscription) => {
            service
                .meters
                .subscription(&subscription.id, subscription.standing);
            if let Err(error) = service.ask(&subscription, "first".into()).await {
                // Whoever gets no mail has to be able to ask again at once.
                let id = &subscription.id;
                service.register.step(id, Step::Leave, now).await?;
                return Err(error);
            }
            subscription.id
        }
        Asked::Nothing(known) => {
            let due = known.since + ASK_AGAIN <= now;
            if known.standing == Standing::Pending && due {
                let hour = now.secs() / 3_600;
                service.ask(&known, hour.to_string()).await?;
            }
            // To whom it does not belong it looks like a new one: nobody learns who is subscribed.
            if known.owner == who.subject {
                known.id
            } else {
                made
            }
        }
    };
    let told = json!({
        "id": id,
        "status": "pending",
        "detail": "follow the link in the message that was sent to this address, if it has none already",
    });
    Ok(json_answer(StatusCode::ACCEPTED, &told))
}

async fn standing(
    State(service): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let known = service.own(&id, &headers).await?;
    let shown = json!({
        "id": known.id,
        "status": known.standing.as_str(),
        "channel": known.channel.as_str(),
        "topics": known.topics,
        "since": known.since.to_string(),
    });
    Ok(json_answer(StatusCode::OK, &shown))
}

async fn unsubscribe(
    State(service): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let known = service.own(&id, &headers).await?;
    service.step(&known, Step::Leave).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
}

async fn confirm(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Query(Token { token }): Query<Token>,
) -> Answer {
    let known = service.by_link(&id, &token).await?;
    let after = service.step(&known, Step::Confirm).await?;
    Ok(match after.standing {
        Standing::Confirmed => pages::said(StatusCode::OK, "You will be told of new events."),
        _ => pages::said(
            StatusCode::GONE,
            "This link confirms nothing any more. Subscribe again if you want to be told.",
        ),
    })
}

/// Also what a mail program sends for its button (RFC 8058): no page, no sign-in, no redirect.
async fn leave(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Query(Token { token }): Query<Token>,
) -> Answer {
    let known = service.by_link(&id, &token).await?;
    service.step(&known, Step::Leave).await?;
    let text = "You are unsubscribed and will not be written to.";
    Ok(pages::said(StatusCode::OK, text))
}

async fn preflight() -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    for (name, value) in [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, HEAD, POST, DELETE, OPTIONS",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        answer::set(&mut response, name, value);
    }
    response
}

async fn unknown_path() -> Refused {
    let detail = "there is nothing here; events are at /events, subscriptions at /subscriptions";
    Refused::told(StatusCode::NOT_FOUND, detail)
}

async fn wrong_method() -> Refused {
    let detail = "this address does not answer that method";
    Refused::told(StatusCode::METHOD_NOT_ALLOWED, detail)
}

impl Service {
    /// The header and the whole body, if it is short enough.
    async fn taken(&self, request: Request) -> Result<(HeaderMap, Bytes), Refused> {
        let (parts, body) = request.into_parts();
        match axum::body::to_bytes(body, LONGEST_BODY).await {
            Ok(body) => Ok((parts.headers, body)),
            Err(_) => Err(Refused::told(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body has more than 64 KiB, or did not arrive whole",
            )),
        }
    }

    async fn member(&self, headers: &HeaderMap, groups: &[&str]) -> Result<Principal, Refused> {
        let authorization = headers.get(header::AUTHORIZATION);
        let authorization = authorization.and_then(|v| v.to_str().ok());
        Ok(self.people.member(authorization, groups).await?)
    }

    async fn event(&self, id: &str) -> Result<Event, Refused> {
        let found = self.register.event(id).await?;
        found.ok_or(Refused::nothing("event"))
    }

    /// The subscription, if it is the caller's own.
    async fn own(&self, id: &str, headers: &HeaderMap) -> Result<Subscription, Refused> {
        let groups = [group::SUBSCRIBER, group::PUBLISHER];
        let who = self.member(headers, &groups).await?;
        let found = self.register.subscription(id).await?;
        found
            .filter(|s| s.owner == who.subject)
            .ok_or(Refused::nothing("subscription"))
    }

    /// The subscription that a link belongs to.
    async fn by_link(&self, id: &str, token: &str) -> Result<Subscription, Refused> {
        let found = self.register.subscription(id).await?;
        found.filter(|s| s.knows(token)).ok_or(Refused::Link)
    }

    async fn step(&self, known: &Subscription, step: Step) -> Result<Subscription, Refused> {
        let now = self.clock.now();
        if known.channel == Channel::Topic && step == Step::Leave {
            self.leave_topic(known).await?;
        }
        let after = self.register.step(&known.id, step, now).await?;
        // Its time to confirm is over.
        let after = after.ok_or(Refused::Link)?;
        if after.standing != known.standing {
            self.meters.subscription(&after.id, after.standing);
        }
        Ok(after)
    }

    /// One way each: phones by text message, addresses by our own mail where we have a sender, and
    /// by the topic else.
    fn channel(&self, new: &NewSubscription) -> Result<Channel, Refused> {
        match &new.contact {
            Contact::Phone(_) => Ok(Channel::Text),
            Contact::Email(_) if self.config.from.is_some() => Ok(Channel::Mail),
            Contact::Email(_) => Ok(Channel::Topic),
        }
    }

    /// Sends the link to confirm, or lets SNS send its own.
    async fn ask(&self, subscription: &Subscription, attempt: String) -> Result<(), Refused> {
        let key = format!("confirm/{}/{attempt}", subscription.token);
        match (&subscription.contact, subscription.channel) {
            (Contact::Phone(number), _) => {
                let text = self.writer.confirmation_text(subscription);
                self.out.texts.text(number, &text, &key).await?;
            }
            (Contact::Email(address), Channel::Topic) => {
                let topic = self.config.topic.clone().unwrap_or_default();
                let endpoint = Endpoint::Email(address.clone());
                let filter = json!({ TOPICS: subscription.topics }).to_string();
                let filter = Some(filter.as_str()).filter(|_| !subscription.topics.is_empty());
                self.out
                    .subscriptions
                    .subscribe(&topic, &endpoint, filter)
                    .await?;
            }
            (Contact::Email(_), _) => {
                let letter = self.writer.confirmation(subscription, key);
                self.out.mail.send(&letter).await?;
            }
        }
        Ok(())
    }

    async fn leave_topic(&self, known: &Subscription) -> Result<(), Refused> {
        let Some(topic) = &self.config.topic else {
            return Ok(());
        };
        for there in self.out.subscriptions.list(topic).await? {
            if let (Endpoint::Email(address), Some(arn)) = (&there.endpoint, &there.arn)
                && address.eq_ignore_ascii_case(known.contact.address())
            {
                self.out.subscriptions.unsubscribe(arn).await?;
            }
        }
        Ok(())
    }
}

fn json_of(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|e| {
        Refused::Fields(vec![FieldError {
            field: "body".into(),
            detail: format!("expected JSON: {e}"),
        }])
    })
}

/// `Idempotency-Key`: 1 to 255 visible characters.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = key.to_str().ok();
    let text =
        text.filter(|t| (1..=255).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic()));
    match text {
        Some(text) => Ok(Some(text.to_string())),
        None => Err(Refused::field(
            "Idempotency-Key",
            "expected 1 to 255 visible characters",
        )),
    }
}

fn event_json(event: &Event, now: Time) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    value["past"] = event.date.is_past(now).into();
    value["spelled"] = event.date.spell().into();
    value["calendar"] = format!("events/{}/calendar.ics", event.id).into();
    value
}

fn random<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(e) => Err(ports::Error::new("draw", "an id", Kind::Unavailable)
            .because(e.to_string())
            .into()),
    }
}

/// A value that may be shown to any origin.
const ANY: HeaderValue = HeaderValue::from_static("*");
