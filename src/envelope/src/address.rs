//! Topics, and the one address at which the certificate of a topic's messages may stand.

use std::fmt;

/// Regions that have SNS. A host that ends in `amazonaws.com` is not enough: `sns.s3-eu-west-1` has
/// the shape of a region and is a bucket.
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// A topic's ARN in its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    arn: String,
    region: String,
}

impl Topic {
    /// Reads `arn:aws:sns:REGION:ACCOUNT:NAME` of a known region. The error is a lowercase fragment.
    pub fn parse(arn: &str) -> Result<Topic, String> {
        let parts: Vec<&str> = arn.split(':').collect();
        let [
            "arn",
            partition @ ("aws" | "aws-cn" | "aws-us-gov"),
            "sns",
            region,
            account,
            name,
        ] = parts[..]
        else {
            return Err(format!("`{}` is no topic's ARN", shown(arn)));
        };
        let belongs = match partition {
            "aws-cn" => region.starts_with("cn-"),
            "aws-us-gov" => region.starts_with("us-gov-"),
            _ => !region.starts_with("cn-") && !region.starts_with("us-gov-"),
        };
        if !REGIONS.contains(&region) || !belongs {
            return Err(format!(
                "`{}` is no region of SNS that is known",
                shown(region)
            ));
        }
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let named = !name.is_empty() && name.len() <= 256;
        if !digits || !named {
            return Err(format!("`{}` is no topic's ARN", shown(arn)));
        }
        Ok(Topic {
            arn: arn.into(),
            region: region.into(),
        })
    }

    /// The ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// `eu-central-1`
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The host from which the topic's messages are signed.
    pub(crate) fn host(&self) -> String {
        let suffix = match self.region.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        format!("sns.{}.{suffix}", self.region)
    }
}

/// The address of a certificate, checked. Only such a one may be fetched, and it is what a
/// certificate is cached under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(String);

impl Address {
    /// The text of a message's `SigningCertURL`: `https`, exactly the host of the topic's region, no
    /// port, user, query or fragment, and the shape of SNS's file names.
    pub(crate) fn check(text: &str, topic: &Topic) -> Result<Address, String> {
        let refused = |why: &str| Err(format!("the certificate's address `{}` {why}", shown(text)));
        let Some(rest) = text.strip_prefix("https://") else {
            return refused("is not https");
        };
        let Some((host, path)) = rest.split_once('/') else {
            return refused("has no path");
        };
        if host != topic.host() {
            return refused(&format!("is not on {}", topic.host()));
        }
        let digits = path
            .strip_prefix("SimpleNotificationService-")
            .and_then(|name| name.strip_suffix(".pem"));
        let hexadecimal = |d: &str| {
            let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            (32..=64).contains(&d.len()) && d.bytes().all(hex)
        };
        match digits.is_some_and(hexadecimal) {
            true => Ok(Address(text.into())),
            false => refused("is no file of SNS's certificates"),
        }
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a stranger sent, short enough and harmless to show.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    short.escape_debug().to_string()
}
