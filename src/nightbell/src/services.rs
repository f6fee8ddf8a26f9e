//! The services behind the local gateway, wired to the local store.

mod announcement;
mod posting;
mod resize;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::Uri;
use http::uri::PathAndQuery;
use identity::{KeyRing, Pool, Verifier};
use local::fault::Faults;
use local::gateway::Api;
use local::hosts::Hosts;
use local::pool::{AppClient, UserPool};
use local::pump::Pump;
use local::runtime::{Function, FunctionConfig};
use model::catalogue::Declared;
use model::estate::Project;
use ports::{Clock, Documents, Handler, Invocation};
use telemetry::Telemetry;
use telemetry::xray::Sampling;

use crate::http::problem::Problem;

pub use self::posting::StandIns;

/// The services that this version runs locally.
pub const RUNNING: &[&str] = &["counter", "resize", "announcement", "posting"];

/// What our own code emits: the catalogue that `check` holds alarms and dashboards against.
pub fn declared() -> Vec<Declared> {
    let mut all = counter::declared();
    all.extend(::resize::declared());
    all.extend(::announcement::declared());
    all.extend(::posting::declared());
    all
}

/// The local APIs by service.
#[derive(Clone, Default)]
pub struct Gateway {
    apis: Arc<BTreeMap<String, Arc<Api>>>,
    pictures: Option<Arc<::resize::Platform>>,
    stand_ins: Option<Arc<StandIns>>,
}

/// What the services are built on.
pub struct Ground<'a> {
    /// Their names and addresses.
    pub project: &'a Project,
    /// Their tables and buckets.
    pub store: &'a local::Store,
    /// Their documents.
    pub documents: Arc<dyn Documents>,
    /// Whose tokens count.
    pub users: &'a Arc<UserPool>,
    /// Where their output goes.
    pub pump: &'a Pump,
    /// What may break them.
    pub faults: &'a Faults,
    /// Their time.
    pub clock: Arc<dyn Clock>,
}

impl Ground<'_> {
    /// Who signs in to a service: its app client has the service's name.
    pub fn identity(&self, service: &str) -> Arc<KeyRing> {
        let pool = Pool::new(self.users.issuer(), service);
        Arc::new(KeyRing::new(
            Verifier::new(pool),
            self.users.clone(),
            self.clock.clone(),
        ))
    }
}

/// The tables and queues that the project's services need, made before they start.
///
/// # Errors
/// When a table is there already in another shape, or cannot be made.
pub async fn define_tables(project: &Project, store: &local::Store) -> ports::Result<()> {
    if let Some(table) = resize::table(project) {
        store.tables().define(&table).await?;
    }
    announcement::define(project, store).await?;
    posting::define(project, store).await
}

/// What services need to have running before they start.
pub struct Prepared {
    posting: Option<posting::Ready>,
}

/// Starts what stands in for APIs of others where there are no keys.
///
/// # Errors
/// When a port of loopback cannot be had, or a secret cannot be read.
pub async fn prepare(ground: &Ground<'_>) -> anyhow::Result<Prepared> {
    Ok(Prepared {
        posting: posting::prepare(ground).await?,
    })
}

/// Starts what invokes the services' functions on events, under the caller's log.
///
/// # Errors
/// When a queue or table is missing.
pub async fn host(ground: &Ground<'_>, prepared: &Prepared, hosts: &Hosts) -> anyhow::Result<()> {
    announcement::host(ground, hosts).await?;
    if let Some(ready) = &prepared.posting {
        posting::host(ground, ready, hosts).await?;
    }
    hosts.gauges();
    Ok(())
}

/// A function around a handler, invoked with Lambda's payloads.
fn event_function(
    ground: &Ground<'_>,
    config: FunctionConfig,
    events: Arc<dyn Handler>,
) -> Arc<Function> {
    let take = local::runtime::handler(move |payload| {
        let events = events.clone();
        async move {
            let invocation = Invocation::default();
            let answer = ports::events::invoke(&*events, &payload, &invocation).await;
            Ok(answer?)
        }
    });
    Function::for_events(config, take, ground.pump, ground.clock.clone())
}

/// The app clients of the local user pool, one a service: a sign-in leads back to its pages.
pub fn app_clients(address: SocketAddr) -> Vec<AppClient> {
    let port = address.port();
    WITH_SIGN_IN
        .iter()
        .map(|service| AppClient {
            id: (*service).to_string(),
            redirects: [address.to_string(), format!("localhost:{port}")]
                .iter()
                .map(|host| format!("http://{host}/svc/{service}/"))
                .collect(),
        })
        .collect()
}

/// The services that know people by their tokens.
const WITH_SIGN_IN: &[&str] = &["posting", "resize", "announcement"];

impl Gateway {
    /// The APIs of the services that the project names.
    ///
    /// # Errors
    /// When a service cannot start here.
    pub fn new(ground: &Ground<'_>, prepared: &Prepared) -> anyhow::Result<Gateway> {
        let mut apis = BTreeMap::new();
        if let Some(api) = counter_api(ground) {
            apis.insert("counter".to_string(), api);
        }
        if let Some(api) = announcement::api(ground) {
            apis.insert("announcement".to_string(), api);
        }
        let ready = prepared.posting.as_ref();
        if let Some(api) = ready.and_then(|ready| posting::api(ground, ready)) {
            apis.insert("posting".to_string(), api);
        }
        let pictures = resize::pictures(ground)?.map(|pictures| {
            apis.insert("resize".to_string(), pictures.api);
            pictures.platform
        });
        Ok(Gateway {
            apis: Arc::new(apis),
            pictures,
            stand_ins: ready.map(|ready| ready.stand_ins.clone()),
        })
    }

    /// What stands in for OpenAI and X, where the project has the posting path.
    pub fn stand_ins(&self) -> Option<&Arc<StandIns>> {
        self.stand_ins.as_ref()
    }

    /// The image platform, where the project has one.
    pub fn pictures(&self) -> Option<&Arc<::resize::Platform>> {
        self.pictures.as_ref()
    }

    /// The services that run, by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.apis.keys().map(String::as_str)
    }

    /// The functions behind the APIs.
    pub fn functions(&self) -> impl Iterator<Item = Arc<Function>> {
        self.apis.values().map(|api| api.function.clone())
    }

    /// The API of a service.
    pub fn api(&self, service: &str) -> Option<&Arc<Api>> {
        self.apis.get(service)
    }
}

/// `/svc/{service}`: the page's own links are relative, so it needs its slash.
pub async fn slash(Path(service): Path<String>) -> Redirect {
    let safe: String = service
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    Redirect::permanent(&format!("/svc/{safe}/"))
}

/// `/svc/{service}/...`: hands the request on with the rest of its path.
pub async fn enter(State(gateway): State<Gateway>, mut request: Request) -> Response {
    let path = request
        .uri()
        .path()
        .strip_prefix("/svc/")
        .unwrap_or_default();
    let (service, rest) = path.split_once('/').unwrap_or((path, ""));
    let Some(api) = gateway.api(service).cloned() else {
        return Problem::not_found(format!(
            "there is no local service `{}`",
            service.escape_debug()
        ))
        .into_response();
    };
    let inner = match request.uri().query() {
        Some(query) => format!("/{rest}?{query}"),
        None => format!("/{rest}"),
    };
    let Ok(inner) = inner.parse::<PathAndQuery>() else {
        return Problem::bad_request("the path is not one").into_response();
    };
    *request.uri_mut() = Uri::from(inner);
    // The path's parts as our own router read them are none of the service's.
    request.extensions_mut().clear();
    api.handle(request).await
}

/// The counter: its function, its table and its API, named as the project names them.
fn counter_api(ground: &Ground<'_>) -> Option<Arc<Api>> {
    let named = |key: &str| {
        ground
            .project
            .variables
            .get(&format!("counter.{key}"))
            .cloned()
    };
    let (function, api) = (named("function")?, named("api")?);
    let table = named("table")?;
    let log = Function::log(&function, ground.pump, &*ground.clock);
    let telemetry = function_telemetry(log, ground.clock.clone());
    let config =
        counter::Config::from_vars(|name| (name == "TABLE_NAME").then(|| table.clone())).ok()?;
    let documents = ground.faults.documents("counter", ground.documents.clone());
    let service = counter::router(documents, config, &telemetry);
    let function = Function::new(
        FunctionConfig {
            name: function,
            timeout: Duration::from_secs(10),
            concurrency: 1_000,
            memory: 128,
        },
        service,
        ground.pump,
        ground.clock.clone(),
    );
    let stage = named("stage").unwrap_or_else(|| "prod".into());
    Some(Api::new(
        &api,
        &stage,
        function,
        ground.pump,
        ground.clock.clone(),
    ))
}

/// A function's lines go to its own log stream.
fn function_telemetry(log: local::pump::Stream, clock: Arc<dyn Clock>) -> Telemetry {
    Telemetry::builder()
        .lines(Arc::new(log))
        .sampling(Sampling::Always)
        .clock(Arc::new(move || clock.now()))
        .parts()
        .0
}
