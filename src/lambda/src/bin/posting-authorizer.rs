//! The authorizer of the posting path's admin API: tokens of the user pool `USER_POOL_ISSUER`, app
//! client `CLIENT_ID`, group `admin`. The service checks the same again. It needs no rights.

use std::sync::Arc;

use lambda_http::Error;
use lambda_http::lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let telemetry = lambda::telemetry("posting-authorizer")?;
    let people = lambda::posting::people()?;
    run(service_fn(move |event: LambdaEvent<Value>| {
        let (people, telemetry) = (Arc::clone(&people), telemetry.clone());
        async move {
            let answer = lambda::posting::authorize(&people, &event.payload).await;
            telemetry.flush();
            answer.map_err(Error::from)
        }
    }))
    .await
}
