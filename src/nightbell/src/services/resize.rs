//! The image platform on this machine: its function, table, bucket and API, named as the project
//! names them. This process stands for its CDN, too: pictures answer under the service's own address.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use local::gateway::Api;
use local::meter::Meter;
use local::runtime::{Function, FunctionConfig};
use model::estate::Project;
use ports::TableSpec;
use resize::{Config, Platform};

use super::{Ground, function_telemetry};

/// The platform and the API in front of it.
pub(super) struct Pictures {
    pub api: Arc<Api>,
    pub platform: Arc<Platform>,
}

/// Its table, if the project has the platform.
pub(super) fn table(project: &Project) -> Option<TableSpec> {
    let name = named(project, "table")?;
    Some(resize::domain::record::table(&name))
}

/// # Errors
/// When the system gives no threads for decoding.
pub(super) fn pictures(ground: &Ground<'_>) -> anyhow::Result<Option<Pictures>> {
    let project = ground.project;
    let names = ["function", "api", "bucket", "table"].map(|key| named(project, key));
    let [Some(function), Some(api), Some(bucket), Some(table)] = names else {
        return Ok(None);
    };
    let mut config = Config::new(&bucket, &table);
    let base = format!("{}/svc/resize", project.console_url);
    config.pictures = format!("{base}/pictures");
    config.links = format!("{base}/short");
    // Everybody on this machine is one client.
    config.uploads.most *= 10;
    config.writes.most *= 10;
    let log = Function::log(&function, ground.pump, &*ground.clock);
    let telemetry = function_telemetry(log, ground.clock.clone());
    let meter = Meter::new(ground.pump, ground.clock.clone());
    let items = meter.items(Arc::new(ground.store.tables()));
    let objects = meter.objects(Arc::new(ground.store.objects()));
    let platform = Platform::new(
        ground.faults.items("resize", items),
        ground.faults.objects("resize", objects),
        ground.clock.clone(),
        config,
        &telemetry,
    )
    .context("start the threads that decode pictures")?;
    let platform = Arc::new(platform);
    let admins = ground.identity("resize");
    let service = resize::router(platform.clone(), admins, &telemetry);
    let function = Function::new(
        FunctionConfig {
            name: function,
            // API Gateway waits no longer.
            timeout: Duration::from_secs(29),
            concurrency: 1_000,
            memory: 1_024,
        },
        service,
        ground.pump,
        ground.clock.clone(),
    );
    let stage = named(project, "stage").unwrap_or_else(|| "prod".into());
    let api = Api::new(&api, &stage, function, ground.pump, ground.clock.clone());
    Ok(Some(Pictures { api, platform }))
}

fn named(project: &Project, key: &str) -> Option<String> {
    project.variables.get(&format!("resize.{key}")).cloned()
}
