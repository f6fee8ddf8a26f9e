//! Who we are: the account that our credentials belong to.

use ports::Result;

use crate::config::Config;
use crate::error::{port_error, unreadable};
use crate::signed::{Service, Signed};
use crate::xml;

/// An account, as credentials tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its twelve digits.
    pub account: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// Who we are in it.
    pub arn: String,
}

/// Asks STS, which everybody may.
pub async fn identity(config: &Config) -> Result<Identity> {
    let (operation, subject) = ("ask", "who we are");
    let answer = Signed::new(config.sdk(), None)
        .query(Service::Sts, "GetCallerIdentity", &[])
        .await
        .map_err(|e| port_error(operation, subject, e))?;
    let arn = xml::leaf(&answer, "Arn").map_err(|why| unreadable(operation, subject, why))?;
    from_arn(&arn).ok_or_else(|| unreadable(operation, subject, format!("`{arn}` is no ARN")))
}

fn from_arn(arn: &str) -> Option<Identity> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, _, _, account, _] = parts.as_slice() else {
        return None;
    };
    Some(Identity {
        account: (*account).to_owned(),
        partition: (*partition).to_owned(),
        arn: arn.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_tells_account_and_partition() {
        let who = from_arn("arn:aws-cn:sts::123456789012:assumed-role/ops/anna").unwrap();
        assert_eq!((&*who.account, &*who.partition), ("123456789012", "aws-cn"));
        assert_eq!(from_arn("nobody"), None);
    }
}
