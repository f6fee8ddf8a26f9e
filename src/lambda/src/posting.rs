//! What the functions of the posting path share, and the authorizer in front of its API.

use std::sync::Arc;

use ::posting::upstream::RealPauses;
use ::posting::{Config, Generator, Poster, Service, Stand};
use aws::{S3, SecretsManager, Sqs};
use identity::{KeyRing, Pool, Verifier, group};
use lambda_http::Error;
use serde_json::{Value, json};
use telemetry::Telemetry;

use crate::clock::WallClock;
use crate::keys::HttpKeys;
use crate::lately::{Late, LateTables};

/// What draws: reads what [`Config::from_vars`] names.
///
/// # Errors
/// Which variable is missing.
pub fn generator(telemetry: &Telemetry) -> Result<Arc<Generator>, Error> {
    Ok(Arc::new(Generator::new(stand(), config()?, telemetry)))
}

/// What posts: reads what [`Config::from_vars`] names.
///
/// # Errors
/// Which variable is missing.
pub fn poster(telemetry: &Telemetry) -> Result<Arc<Poster>, Error> {
    Ok(Arc::new(Poster::new(stand(), config()?, telemetry)))
}

/// The gallery's API. Reads `USER_POOL_ISSUER` and `CLIENT_ID` beside what [`Config::from_vars`]
/// names.
///
/// # Errors
/// Which variable is missing.
pub fn service(telemetry: &Telemetry) -> Result<Arc<Service>, Error> {
    Ok(Service::new(stand(), people()?, config()?, telemetry))
}

/// Who people are: the pool of `USER_POOL_ISSUER`, the app client `CLIENT_ID`.
///
/// # Errors
/// Which variable is missing.
pub fn people() -> Result<Arc<KeyRing>, Error> {
    let needed = |name: &str| {
        let found = std::env::var(name).ok().filter(|v| !v.is_empty());
        found.ok_or_else(|| format!("{name} is needed"))
    };
    let (issuer, client) = (needed("USER_POOL_ISSUER")?, needed("CLIENT_ID")?);
    let keys = HttpKeys::new(&issuer);
    Ok(Arc::new(KeyRing::new(
        Verifier::new(Pool::new(issuer, client)),
        Arc::new(keys),
        Arc::new(WallClock),
    )))
}

/// What a TOKEN authorizer of a REST API answers: a policy for the whole stage, so that API Gateway
/// may remember it for the token. A token that is none is answered 401 by API Gateway itself, which
/// wants to hear exactly `Unauthorized`; one of the wrong group gets 403.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html>
///
/// # Errors
/// `Unauthorized`.
pub async fn authorize(people: &KeyRing, event: &Value) -> Result<Value, &'static str> {
    let token = event["authorizationToken"].as_str();
    let who = people.principal(token).await.map_err(|refused| {
        tracing::info!(%refused, "a token is not accepted");
        "Unauthorized"
    })?;
    let effect = if who.is_in(group::ADMIN) {
        "Allow"
    } else {
        "Deny"
    };
    // arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH
    let method = event["methodArn"].as_str().unwrap_or_default();
    let stage: Vec<&str> = method.splitn(3, '/').take(2).collect();
    Ok(json!({
        "principalId": who.subject,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke", "Effect": effect, "Resource": format!("{}/*", stage.join("/")),
            }],
        },
        "context": { "username": who.username },
    }))
}

fn config() -> Result<Config, Error> {
    Ok(Config::from_vars(|name| std::env::var(name).ok())?)
}

fn stand() -> Stand {
    Stand {
        items: Arc::new(LateTables::default()),
        objects: Arc::new(Late::<S3>::default()),
        queues: Arc::new(Late::<Sqs>::default()),
        secrets: Arc::new(Late::<SecretsManager>::default()),
        clock: Arc::new(WallClock),
        pauses: Arc::new(RealPauses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use identity::KeySource;

    struct NoKeys;

    #[async_trait]
    impl KeySource for NoKeys {
        async fn fetch(&self) -> Result<Value, String> {
            Ok(json!({ "keys": [] }))
        }
    }

    #[tokio::test]
    async fn without_a_token_of_the_pool_nobody_is_let_through() {
        let verifier = Verifier::new(Pool::new("https://pool.example.org", "posting"));
        let people = KeyRing::new(verifier, Arc::new(NoKeys), Arc::new(WallClock));
        for token in [
            json!(null),
            json!(""),
            json!("Bearer x"),
            json!("Bearer a.b.c"),
        ] {
            let event = json!({
                "type": "TOKEN", "authorizationToken": token,
                "methodArn": "arn:aws:execute-api:us-east-1:000000000000:a1/prod/GET/api/admin/jobs",
            });
            assert_eq!(authorize(&people, &event).await, Err("Unauthorized"));
        }
    }
}
