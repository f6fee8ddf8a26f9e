//! OAuth 1.0a: requests signed with HMAC-SHA1 (RFC 5849). Pure: time and nonce are handed in.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Who signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `oauth_consumer_key`.
    pub api_key: String,
    /// Its secret.
    pub api_secret: String,
    /// `oauth_token`; empty before there is one.
    pub access_token: String,
    /// Its secret.
    pub access_token_secret: String,
}

/// It shows itself to nobody.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// What is signed. A JSON or multipart body has no part in it; a form's fields do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signable<'a> {
    /// For example `POST`.
    pub method: &'a str,
    /// The address without query and fragment; a default port is left out.
    pub url: &'a str,
    /// Query and form parameters, decoded.
    pub parameters: Vec<(String, String)>,
    /// Further parameters of the protocol, for example `oauth_callback`.
    pub protocol: Vec<(&'a str, &'a str)>,
    /// Seconds since 1970.
    pub timestamp: i64,
    /// Never twice with the same timestamp.
    pub nonce: &'a str,
}

/// The value of the header `Authorization`.
pub fn authorization(credentials: &Credentials, request: &Signable<'_>) -> String {
    let mut protocol = protocol(credentials, request);
    let signature = signature(credentials, request);
    protocol.push(("oauth_signature".into(), signature));
    let parts: Vec<String> = protocol
        .iter()
        .map(|(name, value)| format!("{}=\"{}\"", encode(name), encode(value)))
        .collect();
    format!("OAuth {}", parts.join(", "))
}

/// Section 3.4.2.
pub fn signature(credentials: &Credentials, request: &Signable<'_>) -> String {
    let key = format!(
        "{}&{}",
        encode(&credentials.api_secret),
        encode(&credentials.access_token_secret)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let base = base_string(credentials, request);
    STANDARD.encode(hmac::sign(&key, base.as_bytes()))
}

/// Section 3.4.1.
pub fn base_string(credentials: &Credentials, request: &Signable<'_>) -> String {
    let mut all: Vec<(String, String)> = protocol(credentials, request)
        .iter()
        .chain(&request.parameters)
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    all.sort();
    let pairs: Vec<String> = all.iter().map(|(n, v)| format!("{n}={v}")).collect();
    format!(
        "{}&{}&{}",
        request.method.to_ascii_uppercase(),
        encode(&base_url(request.url)),
        encode(&pairs.join("&"))
    )
}

fn protocol(credentials: &Credentials, request: &Signable<'_>) -> Vec<(String, String)> {
    let timestamp = request.timestamp.to_string();
    let mut all = vec![
        ("oauth_consumer_key", credentials.api_key.as_str()),
        ("oauth_nonce", request.nonce),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", timestamp.as_str()),
        ("oauth_token", credentials.access_token.as_str()),
    ];
    all.retain(|(name, value)| *name != "oauth_token" || !value.is_empty());
    all.extend(request.protocol.iter().copied());
    let owned = all.into_iter().map(|(n, v)| (n.to_string(), v.to_string()));
    owned.collect()
}

/// Section 3.4.1.2: scheme and host in lower case, default ports left out, no query.
fn base_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let scheme = scheme.to_ascii_lowercase();
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let host = host.to_ascii_lowercase();
    let default = match scheme.as_str() {
        "http" => ":80",
        _ => ":443",
    };
    let host = host.strip_suffix(default).unwrap_or(&host);
    format!("{scheme}://{host}{path}")
}

/// Section 3.6: everything but letters, digits, `-`, `.`, `_` and `~`.
pub fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            other => drop(write!(out, "%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credentials(texts: [&str; 4]) -> Credentials {
        let [api_key, api_secret, access_token, access_token_secret] = texts.map(String::from);
        Credentials {
            api_key,
            api_secret,
            access_token,
            access_token_secret,
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = pairs.iter().map(|(n, v)| ((*n).into(), (*v).into()));
        owned.collect()
    }

    /// The three requests of RFC 5849, section 1.2.
    #[test]
    fn the_example_of_the_rfc_has_the_signatures_of_the_rfc() {
        let check = |who: [&str; 4], request: Signable<'_>, expect: &str| {
            assert_eq!(
                signature(&credentials(who), &request),
                expect,
                "{request:?}"
            );
        };
        let printer = ["dpf43f3p2l4k3l03", "kd94hf93k423kf44"];
        check(
            [printer[0], printer[1], "", ""],
            Signable {
                method: "POST",
                url: "https://photos.example.net/initiate",
                parameters: Vec::new(),
                protocol: vec![("oauth_callback", "http://printer.example.com/ready")],
                timestamp: 137_131_200,
                nonce: "wIjqoS",
            },
            "74KNZJeDHnMBp0EMJ9ZHt/XKycU=",
        );
        check(
            [
                printer[0],
                printer[1],
                "hh5s93j4hdidpola",
                "hdhd0244k9j7ao03",
            ],
            Signable {
                method: "POST",
                url: "https://photos.example.net/token",
                parameters: Vec::new(),
                protocol: vec![("oauth_verifier", "hfdp7dh39dks9884")],
                timestamp: 137_131_201,
                nonce: "walatlh",
            },
            "gKgrFCywp7rO0OXSjdot/IHF7IU=",
        );
        check(
            [
                printer[0],
                printer[1],
                "nnch734d00sl2jdk",
                "pfkkdhi9sl3r4s00",
            ],
            Signable {
                method: "GET",
                url: "http://photos.example.net/photos",
                parameters: pairs(&[("file", "vacation.jpg"), ("size", "original")]),
                protocol: Vec::new(),
                timestamp: 137_131_202,
                nonce: "chapoH",
            },
            "MdpQcU8iPSUjWoN/UDMsK2sui9I=",
        );
    }

    /// RFC 5849, section 3.4.1.1 and 3.4.1.3.
    #[test]
    fn parameters_are_encoded_sorted_and_joined_as_in_the_rfc() {
        let request = Signable {
            method: "post",
            url: "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b",
            parameters: pairs(&[
                ("b5", "=%3D"),
                ("a3", "a"),
                ("c@", ""),
                ("a2", "r b"),
                ("c2", ""),
                ("a3", "2 q"),
            ]),
            protocol: Vec::new(),
            timestamp: 137_131_201,
            nonce: "7d8f3e4a",
        };
        let who = credentials(["9djdj82h48djs9d2", "", "kkk9d7dh3k39sjv7", ""]);
        let expect = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da\
            %26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2\
            %26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1\
            %26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7";
        assert_eq!(base_string(&who, &request), expect);
        // A port that is not the scheme's stays.
        let other = Signable {
            url: "https://Example.com:8080/r",
            ..request
        };
        assert!(base_string(&who, &other).contains("https%3A%2F%2Fexample.com%3A8080%2Fr"));
    }

    /// The worked example of X's documentation, "Creating a signature".
    #[test]
    fn the_example_of_x_has_the_signature_of_x() {
        let who = credentials([
            "xvz1evFS4wEEPTGEFPHBog",
            "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
            "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
            "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
        ]);
        let request = Signable {
            method: "POST",
            url: "https://api.twitter.com/1.1/statuses/update.json",
            parameters: pairs(&[
                ("include_entities", "true"),
                (
                    "status",
                    "Hello Ladies + Gentlemen, a signed OAuth request!",
                ),
            ]),
            protocol: vec![("oauth_version", "1.0")],
            timestamp: 1_318_622_958,
            nonce: "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
        };
        assert_eq!(signature(&who, &request), "hCtSmYh+iHYCEqBWrE7C7hYmtUk=");
        let header = authorization(&who, &request);
        assert!(
            header.starts_with("OAuth oauth_consumer_key=\"xvz1"),
            "{header}"
        );
        assert!(header.contains("oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\""));
        for secret in [&who.api_secret, &who.access_token_secret] {
            assert!(
                !header.contains(secret.as_str()) && !format!("{who:?}").contains(secret.as_str())
            );
        }
    }

    proptest! {
        #[test]
        fn encoding_leaves_only_what_the_rfc_allows(text in ".{0,40}") {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            let plain = text.bytes().filter(|b| b.is_ascii_alphanumeric() || b"-._~".contains(b)).count();
            prop_assert_eq!(encoded.len(), plain + 3 * (text.len() - plain));
        }

        #[test]
        fn the_order_of_parameters_does_not_matter(mut all in proptest::collection::vec(("[a-z]{1,3}", "[ -~]{0,5}"), 0..6)) {
            let request = |parameters| Signable {
                method: "GET", url: "https://x.test/a", parameters, protocol: Vec::new(), timestamp: 1, nonce: "n",
            };
            let who = credentials(["a", "b", "c", "d"]);
            let one = signature(&who, &request(all.clone()));
            all.reverse();
            prop_assert_eq!(one, signature(&who, &request(all)));
        }
    }
}
