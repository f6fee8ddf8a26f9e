//! Objects' facts from S3's answers, and what it takes.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime;
use ports::ObjectFacts;

/// What an answer says of an object.
pub(super) struct Told<'a> {
    pub(super) size: Option<i64>,
    pub(super) modified: Option<&'a DateTime>,
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) metadata: Option<HashMap<String, String>>,
}

pub(super) fn facts(key: &str, told: Told<'_>) -> Result<ObjectFacts, String> {
    let size = told.size.and_then(|n| u64::try_from(n).ok());
    let modified = told.modified.map(crate::from_sdk_time);
    Ok(ObjectFacts {
        key: key.to_owned(),
        size: size.ok_or_else(|| format!("the answer lacks the size of `{key}`"))?,
        modified: modified.ok_or_else(|| format!("the answer lacks the time of `{key}`"))?,
        content_type: told.content_type.unwrap_or_default(),
        cache_control: told.cache_control,
        metadata: told.metadata.unwrap_or_default().into_iter().collect(),
    })
}

/// An answer that there is no such object; that there is no such bucket is an error.
pub(super) fn is_absent<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    match code {
        Some(code) => code == "NoSuchKey" || code == "NotFound",
        // The answer to a HEAD has no body to say more in.
        None => error
            .raw_response()
            .is_some_and(|r| r.status().as_u16() == 404),
    }
}

/// What S3 takes as a key: 1 to 1,024 bytes of UTF-8.
pub(super) fn acceptable(key: &str) -> Result<(), String> {
    match key.len() {
        1..=1_024 => Ok(()),
        n => Err(format!("the key has {n} bytes; S3 takes 1 to 1024")),
    }
}

/// Metadata travel as headers: names of lower-case letters, digits and `-`, values of printable
/// ASCII, 2 KiB in all.
pub(super) fn metadata(metadata: &BTreeMap<String, String>) -> Result<(), String> {
    let mut size = 0;
    for (name, value) in metadata {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || !name.bytes().all(good) {
            return Err(format!(
                "metadata `{name}`: a name has lower-case letters, digits and `-`"
            ));
        }
        if !value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(format!(
                "metadata `{name}`: {value:?} is not one line of plain ASCII"
            ));
        }
        size += name.len() + value.len();
    }
    if size > 2_048 {
        return Err(format!("{size} bytes of metadata; S3 takes 2048"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_metadata_that_s3_would_refuse_are_refused_before() {
        let check = |key: &str, good: bool| assert_eq!(acceptable(key).is_ok(), good, "{key}");
        check("a", true);
        check("", false);
        check(&"k".repeat(1_024), true);
        check(&"k".repeat(1_025), false);
        check(&"ü".repeat(513), false);
        let check = |name: &str, value: &str, good: bool| {
            let map = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert_eq!(metadata(&map).is_ok(), good, "{name}: {value:?}");
        };
        check("owner", "web", true);
        check("Owner", "web", false);
        check("", "web", false);
        check("owner", "ü", false);
        check("owner", "a\r\nx-amz-acl: public-read", false);
        check("o", &"v".repeat(2_047), true);
        check("o", &"v".repeat(2_048), false);
    }

    #[test]
    fn an_answer_without_size_or_time_is_unreadable() {
        let told = |size, modified| Told {
            size,
            modified,
            content_type: None,
            cache_control: None,
            metadata: None,
        };
        let at = DateTime::from_secs(1);
        assert!(facts("k", told(Some(1), Some(&at))).is_ok());
        assert!(facts("k", told(None, Some(&at))).is_err());
        assert!(facts("k", told(Some(-1), Some(&at))).is_err());
        assert!(facts("k", told(Some(1), None)).is_err());
    }
}
