//! A signing key of the local pool.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

/// An RSA key with its id.
#[derive(Clone)]
pub(super) struct SigningKey {
    id: String,
    pair: Arc<KeyPair>,
}

impl SigningKey {
    pub(super) fn generate() -> Result<SigningKey, String> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|e| e.to_string())?;
        Ok(SigningKey {
            id: super::random_text(12),
            pair: Arc::new(pair),
        })
    }

    /// As it stands in the table.
    pub(super) fn write(&self) -> Value {
        let der: Result<Pkcs8V1Der<'_>, _> = self.pair.as_der();
        let der = der.expect("a key that was made or read can be written");
        json!({ "id": self.id, "pkcs8": BASE64.encode(der.as_ref()) })
    }

    pub(super) fn read(stored: &Value) -> Result<SigningKey, String> {
        let text = |name: &str| stored.get(name).and_then(Value::as_str);
        let (Some(id), Some(der)) = (text("id"), text("pkcs8")) else {
            return Err("a key without id or bytes".into());
        };
        let der = BASE64.decode(der).map_err(|e| e.to_string())?;
        let pair = KeyPair::from_pkcs8(&der).map_err(|e| e.to_string())?;
        Ok(SigningKey {
            id: id.to_string(),
            pair: Arc::new(pair),
        })
    }

    /// Its entry of the JSON Web Key Set.
    pub(super) fn public(&self) -> Value {
        let public = self.pair.public_key();
        json!({
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self.id,
            "n": BASE64.encode(public.modulus().big_endian_without_leading_zero()),
            "e": BASE64.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// A signed token (RFC 7515, compact).
    pub(super) fn sign(&self, claims: &Value) -> String {
        let head = json!({ "kid": self.id, "alg": "RS256" });
        let signed = format!(
            "{}.{}",
            BASE64.encode(head.to_string()),
            BASE64.encode(claims.to_string())
        );
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .expect("the buffer is as long as the modulus");
        format!("{signed}.{}", BASE64.encode(signature))
    }
}
