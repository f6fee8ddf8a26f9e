//! What requests hold.

use std::convert::Infallible;

use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use crate::platform::{Failure, Upload};

/// What a form adds to its file.
const FORM: u64 = 64 << 10;

/// The file of an upload: the field `image` of a form, or the body itself.
pub(super) async fn upload(request: Request, limit: u64) -> Result<Upload, Failure> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/form-data") {
        // A picture as it is; what it is said to be does not count.
        let body = whole(request, limit).await?;
        return Ok(Upload {
            name: String::new(),
            body,
        });
    }
    let wrong =
        |error: multer::Error| Failure::Invalid(format!("the form cannot be read: {error}"));
    let boundary = multer::parse_boundary(kind).map_err(wrong)?;
    let body = whole(request, limit + FORM).await?;
    let stream = futures::stream::once(async { Ok::<Bytes, Infallible>(body) });
    let mut form = multer::Multipart::new(stream, boundary);
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        if field.name() != Some("image") {
            continue;
        }
        let name = field.file_name().unwrap_or_default().to_string();
        let body = field.bytes().await.map_err(wrong)?;
        if body.len() as u64 > limit {
            return Err(Failure::TooLarge { limit });
        }
        return Ok(Upload { name, body });
    }
    Err(Failure::Invalid(
        "the form has no field `image`; send the file as `-F image=@photo.jpg`".into(),
    ))
}

/// A JSON object; an empty body is an empty one.
pub(super) async fn json(request: Request) -> Result<Value, Failure> {
    let body = whole(request, FORM).await?;
    if body.trim_ascii().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_slice(&body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::Invalid("the body has to be a JSON object".into())),
        Err(error) => Err(Failure::Invalid(format!("the body is no JSON: {error}"))),
    }
}

async fn whole(request: Request, limit: u64) -> Result<Bytes, Failure> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    match Limited::new(request.into_body(), most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Failure::TooLarge { limit })
        }
        Err(error) => Err(Failure::Invalid(format!(
            "the body did not arrive: {error}"
        ))),
    }
}
