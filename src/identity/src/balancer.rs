//! People whom a load balancer signed in: what it says of them in the header `x-amzn-oidc-data`.
//!
//! The rules are those of
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html>:
//! the signature (ES256) by the key that the header names, `signer` as the balancer that we stand
//! behind, `exp`, and `iss` and `client` as that balancer is configured. Whoever reaches us past
//! the balancer can send the header too, but has no key to sign it with; whoever stands behind a
//! balancer of their own has a key, but not our `signer`.
//!
//! A balancer writes base64url with its padding and signs the text as it stands, which is no JWT
//! by the letter of RFC 7515; so the three parts are taken apart here.

mod keys;

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use model::Time;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use keys::{Entrance, PemSource};

/// A balancer gives up on longer ones itself, at 11 KB of claims.
const LONGEST: usize = 16 * 1024;
/// Shown in lists and lines of a log, so never longer.
const LONGEST_NAME: usize = 128;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The balancer that we stand behind, and whose people count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balancer {
    /// Its ARN: `arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID`.
    pub arn: String,
    /// `iss`, as its listener is configured.
    pub issuer: String,
    /// The client that it is to the issuer.
    pub client: String,
    /// The claim that says what a person belongs to: a text, or a list of texts.
    pub claim: String,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// Somebody whom the balancer signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `sub`: never given to another person.
    pub subject: String,
    /// `email`, else `preferred_username`, `name` or `sub`: for people and audit lists.
    pub name: String,
    /// What the configured claim says.
    pub groups: Vec<String>,
    /// When the balancer has to say it again.
    pub expires: Time,
}

/// Why nobody is let in. It says nothing that helps to make a header that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// It is not what a balancer sends.
    Malformed,
    /// It is signed by another algorithm than ES256; `none` is one.
    Algorithm(String),
    /// Another balancer signed it, or nobody says who.
    Signer,
    /// Another issuer signed the person in.
    Issuer,
    /// The person was signed in for another client.
    Client,
    /// It has ended.
    Expired,
    /// The region's balancers have no such key.
    UnknownKey,
    /// The signature is not that of the named key.
    Signature,
    /// The keys cannot be had at present.
    KeysUnavailable,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Denial::Malformed => "x-amzn-oidc-data is not what a load balancer sends",
            Denial::Algorithm(name) => {
                return write!(
                    f,
                    "x-amzn-oidc-data is signed by `{}`, not by ES256",
                    name.escape_debug()
                );
            }
            Denial::Signer => "x-amzn-oidc-data is signed by another load balancer",
            Denial::Issuer => "another issuer signed the person in",
            Denial::Client => "the person was signed in for another client",
            Denial::Expired => {
                "what the load balancer says of the person has expired; load the page again"
            }
            Denial::UnknownKey => "x-amzn-oidc-data names a key that no load balancer has",
            Denial::Signature => "the signature of x-amzn-oidc-data is wrong",
            Denial::KeysUnavailable => "the load balancer's keys cannot be fetched; try again",
        })
    }
}

impl std::error::Error for Denial {}

/// What stands before the first dot; believed only once the signature is.
#[derive(Deserialize)]
struct Head {
    alg: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    signer: String,
    #[serde(default)]
    iss: String,
    #[serde(default)]
    client: String,
    exp: Option<f64>,
    /// Extensions that must be understood (RFC 7515, 4.1.11): we understand none.
    crit: Option<Value>,
}

/// The public key of a balancer: a point of the curve P-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalancerKey {
    x: String,
    y: String,
}

impl BalancerKey {
    /// From the `PUBLIC KEY` in PEM that AWS answers with.
    pub fn of_pem(text: &str) -> Option<BalancerKey> {
        // SubjectPublicKeyInfo: id-ecPublicKey, prime256v1, and a bit string with an uncompressed point.
        const BEFORE: [u8; 27] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
        ];
        let (_, rest) = text.split_once("-----BEGIN PUBLIC KEY-----")?;
        let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).ok()?;
        let point = der.strip_prefix(&BEFORE).filter(|p| p.len() == 64)?;
        let (x, y) = point.split_at(32);
        Some(BalancerKey {
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        })
    }
}

impl Balancer {
    /// The balancer of this ARN: groups in the claim `groups`, a minute of leeway.
    pub fn new(
        arn: impl Into<String>,
        issuer: impl Into<String>,
        client: impl Into<String>,
    ) -> Balancer {
        Balancer {
            arn: arn.into(),
            issuer: issuer.into(),
            client: client.into(),
            claim: "groups".into(),
            leeway: Duration::from_secs(60),
        }
    }

    /// The partition, region and account of its ARN; `None` where it is not one of an
    /// application load balancer.
    fn region(&self) -> Option<(&str, &str)> {
        let mut parts = self.arn.splitn(6, ':');
        let right = parts.next() == Some("arn");
        let partition = parts.next()?;
        let ours = parts.next() == Some("elasticloadbalancing");
        let region = parts.next()?;
        let _account = parts.next()?;
        let app = parts.next()?.starts_with("loadbalancer/app/");
        let named = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        (right && ours && app && named(partition) && named(region)).then_some((partition, region))
    }

    /// Where the keys of its region stand, without the key's id at the end.
    pub fn keys_at(&self) -> Option<String> {
        let (partition, region) = self.region()?;
        Some(match partition {
            "aws-us-gov" => {
                format!("https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}/")
            }
            "aws-cn" => {
                format!("https://s3.{region}.amazonaws.com.cn/aws-elb-public-keys-prod-{region}/")
            }
            _ => format!("https://public-keys.auth.elb.{region}.amazonaws.com/"),
        })
    }

    /// The id of the key that a header says it was signed with.
    ///
    /// # Errors
    /// `Malformed`, `Algorithm`, or `Signer`: no key is fetched on the word of a stranger.
    pub fn key_id(&self, data: &str) -> Result<String, Denial> {
        self.head(data).map(|(head, _)| head.kid)
    }

    /// Who it is, at `now`, by the key that the header names.
    ///
    /// # Errors
    /// The first rule that does not hold, the signature before everything that it covers.
    pub fn verify(&self, data: &str, key: &BalancerKey, now: Time) -> Result<Person, Denial> {
        let (head, parts) = self.head(data)?;
        let decoding =
            DecodingKey::from_ec_components(&key.x, &key.y).map_err(|_| Denial::UnknownKey)?;
        // The library takes no padding in a signature; what is signed keeps its own.
        let signature = parts.signature.trim_end_matches('=');
        let signed = parts.signed.as_bytes();
        let right = jsonwebtoken::crypto::verify(signature, signed, &decoding, Algorithm::ES256);
        if !right.map_err(|_| Denial::Signature)? {
            return Err(Denial::Signature);
        }
        let claims = LENIENT
            .decode(parts.claims)
            .map_err(|_| Denial::Malformed)?;
        let claims: Map<String, Value> =
            serde_json::from_slice(&claims).map_err(|_| Denial::Malformed)?;
        self.judge(&head, &claims, now)
    }

    fn judge(&self, head: &Head, claims: &Map<String, Value>, now: Time) -> Result<Person, Denial> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        // The claims repeat the issuer where the person's own tokens do.
        if head.iss != self.issuer || text("iss").is_some_and(|iss| iss != self.issuer) {
            return Err(Denial::Issuer);
        }
        if head.client != self.client {
            return Err(Denial::Client);
        }
        let end = head.exp.ok_or(Denial::Malformed)?;
        let end = match claims.get("exp") {
            None | Some(Value::Null) => end,
            Some(value) => end.min(value.as_f64().ok_or(Denial::Malformed)?),
        };
        let at = now.millis() as f64 / 1_000.0;
        // No comparison with NaN holds, so this is written as what must hold.
        if !(end.is_finite() && end + self.leeway.as_secs_f64() > at) {
            return Err(Denial::Expired);
        }
        let subject = text("sub")
            .filter(|s| !s.is_empty())
            .ok_or(Denial::Malformed)?;
        // An address that nobody proved may be anybody's; it neither names nor admits a person.
        let doubtful = match claims.get("email_verified") {
            None => false,
            Some(Value::String(text)) => text != "true",
            Some(value) => value != &Value::Bool(true),
        };
        let shown = |name: &&str| text(name).filter(|t| !t.trim().is_empty());
        let name = ["email", "preferred_username", "name"]
            .iter()
            .filter(|name| !(doubtful && **name == "email"))
            .find_map(shown)
            .unwrap_or(subject);
        let groups = match claims.get(&self.claim) {
            _ if doubtful && self.claim == "email" => Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => {
                let texts = all.iter().filter_map(Value::as_str);
                texts.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        let name = name.chars().filter(|c| !c.is_control());
        Ok(Person {
            subject: subject.to_owned(),
            name: name.take(LONGEST_NAME).collect(),
            groups,
            expires: Time::from_secs(end as i64),
        })
    }

    fn head<'d>(&self, data: &'d str) -> Result<(Head, Parts<'d>), Denial> {
        if data.len() > LONGEST {
            return Err(Denial::Malformed);
        }
        let (signed, signature) = data.rsplit_once('.').ok_or(Denial::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(Denial::Malformed)?;
        if claims.contains('.') {
            return Err(Denial::Malformed);
        }
        let head = LENIENT.decode(head).map_err(|_| Denial::Malformed)?;
        let head: Head = serde_json::from_slice(&head).map_err(|_| Denial::Malformed)?;
        if head.alg != "ES256" {
            return Err(Denial::Algorithm(head.alg.chars().take(16).collect()));
        }
        if head.crit.is_some() {
            return Err(Denial::Malformed);
        }
        if head.signer != self.arn {
            return Err(Denial::Signer);
        }
        // It becomes a part of an address.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if head.kid.is_empty() || head.kid.len() > 64 || !head.kid.bytes().all(plain) {
            return Err(Denial::Malformed);
        }
        let parts = Parts {
            signed,
            claims,
            signature,
        };
        Ok((head, parts))
    }
}

struct Parts<'d> {
    signed: &'d str,
    claims: &'d str,
    signature: &'d str,
}
