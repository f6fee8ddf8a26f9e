//! Objects: Amazon S3.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::{Bytes, BytesMut};
use ports::{Access, Kind, NewObject, Object, ObjectFacts, ObjectPage, Objects, Result};

use crate::config::Config;
use crate::error::{Error, failed, invalid, port_error, unreadable};
use crate::retries::OnlyWhenNotApplied;

mod convert;

const PUT: &str = "put object";
const GET: &str = "get object";
const HEAD: &str = "head object";
const DELETE: &str = "delete objects in";
const LIST: &str = "list objects in";
const SIGN: &str = "sign an address of";

/// Objects on S3.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
}

impl S3 {
    /// Makes no request. Under an endpoint of its own a bucket stands in the path, since its name
    /// in front of an address need not resolve.
    pub fn new(config: &Config) -> S3 {
        // Megabytes take longer than the questions that the usual limits are made for.
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(60))
            .operation_timeout(Duration::from_secs(150))
            .build();
        let config = aws_sdk_s3::config::Builder::from(config.sdk())
            .force_path_style(config.sdk().endpoint_url().is_some())
            .timeout_config(timeouts)
            .build();
        S3 {
            client: Client::from_conf(config),
        }
    }
}

#[async_trait]
impl Objects for S3 {
    /// With `only_if_absent`, an attempt whose fate is unknown is not sent again: a second one
    /// would meet what the first one wrote.
    async fn put(&self, object: &NewObject) -> Result<()> {
        let subject = format!("{}/{}", object.bucket, object.key);
        let wrong = |why| invalid(PUT, &subject, why);
        convert::acceptable(&object.key).map_err(wrong)?;
        convert::metadata(&object.metadata).map_err(wrong)?;
        let mut config = aws_sdk_s3::config::Builder::new();
        if object.only_if_absent {
            config = config.retry_classifier(OnlyWhenNotApplied);
        }
        self.client
            .put_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .content_type(&object.content_type)
            .set_cache_control(object.cache_control.clone())
            .set_metadata(Some(object.metadata.clone().into_iter().collect()))
            .set_if_none_match(object.only_if_absent.then(|| "*".to_owned()))
            .body(ByteStream::from(object.body.clone()))
            .customize()
            .config_override(config)
            .send()
            .await
            .map_err(failed(PUT, &subject))?;
        Ok(())
    }

    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Option<Object>> {
        let subject = format!("{bucket}/{key}");
        let answer = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if convert::is_absent(&error) => return Ok(None),
            Err(error) => return Err(port_error(GET, subject, error.into())),
        };
        let facts = convert::facts(
            key,
            convert::Told {
                size: answer.content_length,
                modified: answer.last_modified.as_ref(),
                content_type: answer.content_type,
                cache_control: answer.cache_control,
                metadata: answer.metadata,
            },
        )
        .map_err(|why| unreadable(GET, &subject, why))?;
        if facts.size > limit {
            let why = format!("{} bytes where at most {limit} are wanted", facts.size);
            return Err(ports::Error::new(GET, subject, Kind::Full).because(why));
        }
        let body = whole(answer.body, facts.size)
            .await
            .map_err(|why| unreadable(GET, &subject, why))?;
        Ok(Some(Object { facts, body }))
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectFacts>> {
        let answer = self
            .client
            .head_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if convert::is_absent(&error) => return Ok(None),
            Err(error) => return Err(port_error(HEAD, format!("{bucket}/{key}"), error.into())),
        };
        convert::facts(
            key,
            convert::Told {
                size: answer.content_length,
                modified: answer.last_modified.as_ref(),
                content_type: answer.content_type,
                cache_control: answer.cache_control,
                metadata: answer.metadata,
            },
        )
        .map(Some)
        .map_err(|why| unreadable(HEAD, format!("{bucket}/{key}"), why))
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<Vec<String>> {
        let mut remain = Vec::new();
        // More than a thousand at a time are refused.
        for keys in keys.chunks(1_000) {
            let wrong = |why: String| invalid(DELETE, bucket, why);
            let objects = keys
                .iter()
                .map(|key| ObjectIdentifier::builder().key(key).build())
                .collect::<std::result::Result<Vec<_>, _>>()
                .and_then(|objects| {
                    let delete = Delete::builder().set_objects(Some(objects));
                    delete.quiet(true).build()
                })
                .map_err(|e| wrong(e.to_string()))?;
            let answer = self
                .client
                .delete_objects()
                .bucket(bucket)
                .delete(objects)
                .send()
                .await
                .map_err(failed(DELETE, bucket))?;
            let failed = answer.errors.unwrap_or_default().into_iter();
            let failed = failed.filter(|e| e.code() != Some("NoSuchKey"));
            remain.extend(failed.filter_map(|e| e.key));
        }
        Ok(remain)
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ObjectPage> {
        if limit == 0 {
            let why = "a page of no objects has no next one; ask for at least 1";
            return Err(invalid(LIST, bucket, why));
        }
        let answer = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .max_keys(limit.min(1_000) as i32)
            .set_continuation_token(cursor.map(str::to_owned))
            .send()
            .await
            .map_err(failed(LIST, bucket))?;
        let objects = answer.contents.unwrap_or_default().into_iter();
        let objects = objects
            .map(|object| {
                let key = object.key.ok_or("an object without a key")?;
                let told = convert::Told {
                    size: object.size,
                    modified: object.last_modified.as_ref(),
                    content_type: None,
                    cache_control: None,
                    metadata: None,
                };
                convert::facts(&key, told)
            })
            .collect::<std::result::Result<_, String>>()
            .map_err(|why| unreadable(LIST, bucket, why))?;
        Ok(ObjectPage {
            objects,
            next: answer.next_continuation_token,
        })
    }

    /// Signs with the credentials of this process; of a role the address ends with its session,
    /// whatever `valid` says.
    async fn sign(
        &self,
        bucket: &str,
        key: &str,
        access: &Access,
        valid: Duration,
    ) -> Result<String> {
        let subject = format!("{bucket}/{key}");
        convert::acceptable(key).map_err(|why| invalid(SIGN, &subject, why))?;
        let valid = PresigningConfig::expires_in(valid)
            .map_err(|e| invalid(SIGN, &subject, e.to_string()))?;
        // A checksum that is not known yet cannot be signed.
        let config = aws_sdk_s3::config::Builder::new()
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        let signed = match access {
            Access::Get => self
                .client
                .get_object()
                .bucket(bucket)
                .key(key)
                .presigned(valid)
                .await
                .map_err(Error::from),
            Access::Put { content_type, size } => self
                .client
                .put_object()
                .bucket(bucket)
                .key(key)
                .content_type(content_type)
                .content_length(i64::try_from(*size).unwrap_or(i64::MAX))
                .customize()
                .config_override(config)
                .presigned(valid)
                .await
                .map_err(Error::from),
        };
        let signed = signed.map_err(|e| port_error(SIGN, &subject, e))?;
        Ok(signed.uri().to_owned())
    }
}

/// The whole body; `size` is what was promised.
async fn whole(mut stream: ByteStream, size: u64) -> std::result::Result<Bytes, String> {
    let mut body = BytesMut::new();
    while let Some(part) = stream.try_next().await.map_err(|e| e.to_string())? {
        body.extend_from_slice(&part);
        if body.len() as u64 > size {
            return Err(format!("more than the {size} bytes it was said to have"));
        }
    }
    if (body.len() as u64) < size {
        return Err(format!("{} of its {size} bytes", body.len()));
    }
    Ok(body.freeze())
}
