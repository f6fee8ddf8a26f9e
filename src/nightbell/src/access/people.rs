//! People whom a load balancer signed in, and which role each has.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use identity::{Balancer, Denial, Entrance, PemSource, Person};
use model::estate::SignIn;
use ports::Clock;

use super::Role;

/// What a balancer says of the person, signed.
pub const DATA: &str = "x-amzn-oidc-data";
/// How long AWS may take to answer with a key.
const PATIENCE: Duration = Duration::from_secs(5);
/// A key has 178 characters.
const LONGEST: usize = 4 * 1024;

/// The way in for people.
pub struct People {
    entrance: Entrance,
    sign_in: SignIn,
}

/// Why a person is not let in: the status, and why.
pub type Kept = (StatusCode, String);

impl People {
    /// As the project file says, with the keys that AWS publishes.
    ///
    /// # Errors
    /// In words: the balancer has no Region, or the machine no certificates.
    pub fn published(sign_in: &SignIn, clock: Arc<dyn Clock>) -> Result<People, String> {
        let balancer = balancer(sign_in);
        let at = balancer.keys_at().ok_or_else(|| {
            format!(
                "`{}` under `sign_in` is not the ARN of an application load balancer",
                sign_in.load_balancer
            )
        })?;
        let keys = Published::new(at)
            .map_err(|e| format!("cannot reach the keys of load balancers: {e}"))?;
        Ok(People::new(sign_in, Arc::new(keys), clock))
    }

    /// With keys from elsewhere.
    pub fn new(sign_in: &SignIn, keys: Arc<dyn PemSource>, clock: Arc<dyn Clock>) -> People {
        People {
            entrance: Entrance::new(balancer(sign_in), keys, clock),
            sign_in: sign_in.clone(),
        }
    }

    /// Who sends a request, and what they may do; `None` when no balancer says anything.
    pub async fn judge(&self, headers: &HeaderMap) -> Option<Result<(Person, Role), Kept>> {
        let mut said = headers.get_all(DATA).iter();
        let first = said.next()?;
        // Which of two would be the balancer's is anybody's guess.
        let data = match (first.to_str(), said.next()) {
            (Ok(data), None) => data,
            _ => return Some(Err(kept(&Denial::Malformed))),
        };
        Some(match self.entrance.person(data).await {
            Err(denial) => Err(kept(&denial)),
            Ok(person) => match role(&self.sign_in, &person) {
                Some(role) => Ok((person, role)),
                None => Err((
                    StatusCode::FORBIDDEN,
                    format!(
                        "{} is signed in and has no role here; `sign_in.roles` in nightbell.yaml gives one by the claim `{}`",
                        person.name, self.sign_in.claim
                    ),
                )),
            },
        })
    }
}

fn balancer(sign_in: &SignIn) -> Balancer {
    Balancer {
        claim: sign_in.claim.clone(),
        ..Balancer::new(
            sign_in.load_balancer.clone(),
            sign_in.issuer.clone(),
            sign_in.client.clone(),
        )
    }
}

/// The highest role that one of the person's groups gives.
fn role(sign_in: &SignIn, person: &Person) -> Option<Role> {
    let given = [
        (Role::Admin, &sign_in.admin),
        (Role::Responder, &sign_in.responder),
        (Role::Viewer, &sign_in.viewer),
    ];
    let holds = |group: &String| group == "*" || person.groups.contains(group);
    let mut given = given.into_iter();
    given.find_map(|(role, groups)| groups.iter().any(holds).then_some(role))
}

fn kept(denial: &Denial) -> Kept {
    let status = match denial {
        Denial::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNAUTHORIZED,
    };
    (status, denial.to_string())
}

/// The keys that AWS publishes for a Region.
pub struct Published {
    client: reqwest::Client,
    /// Ends with a slash.
    at: String,
}

impl Published {
    /// Those under an address that ends with a slash. Makes no request.
    ///
    /// # Errors
    /// When the machine has no certificates to check AWS by.
    pub fn new(at: impl Into<String>) -> Result<Published, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        Ok(Published {
            client,
            at: at.into(),
        })
    }
}

#[async_trait]
impl PemSource for Published {
    async fn fetch(&self, id: &str) -> Result<Option<String>, String> {
        let fetched = self.get(id).await;
        if let Err(why) = &fetched {
            tracing::warn!(key = id, %why, "a load balancer's key cannot be fetched");
        }
        fetched
    }
}

impl Published {
    async fn get(&self, id: &str) -> Result<Option<String>, String> {
        let url = format!("{}{id}", self.at);
        let told = |e: reqwest::Error| format!("get {url}: {e}");
        let mut answer = self.client.get(&url).send().await.map_err(told)?;
        match answer.status() {
            StatusCode::OK => {}
            // What S3 says of what is not there, to whom may not list.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Ok(None),
            other => return Err(format!("get {url}: it answers {other}")),
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(told)? {
            if body.len() + part.len() > LONGEST {
                return Err(format!("get {url}: it is longer than {LONGEST} bytes"));
            }
            body.extend_from_slice(&part);
        }
        Ok(Some(String::from_utf8_lossy(&body).into_owned()))
    }
}
