//! Who somebody is: tokens of a Cognito user pool, or of the local pool that stands for one, and
//! people whom a load balancer signed in ([`Entrance`]).
//!
//! A gateway's authorizer checks tokens too; a service that acts on them checks again, so that a
//! route that was configured wrongly opens nothing. [`Verifier`] is the rule, pure and with `now`
//! as an argument; [`KeyRing`] holds the pool's public keys and fetches them again when a token
//! names one that it has not seen.
//!
//! The rules are those of
//! <https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html>:
//! the signature by a key of the pool, `exp`, `iss`, `token_use`, and `aud` (id tokens) or
//! `client_id` (access tokens).

mod balancer;
mod keys;
mod token;

pub use balancer::{Balancer, BalancerKey, Denial, Entrance, PemSource, Person};
pub use keys::{KeyRing, KeySource, PublicKey};
pub use token::{Pool, Principal, Refusal, TokenUse, Verifier, bearer};

/// Lets callers name what they may do: the groups of the shipped estate's pool.
pub mod group {
    /// Administers the posting path and the image platform.
    pub const ADMIN: &str = "admin";
    /// Publishes and removes events.
    pub const PUBLISHER: &str = "publisher";
    /// Manages subscriptions.
    pub const SUBSCRIBER: &str = "subscriber";
}
