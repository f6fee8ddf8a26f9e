//! What AWS answered when it did not do what was asked, and what that means to a caller.

use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::retry::ErrorKind;
use ports::{Kind, Retry};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a call failed, after the SDK's retryer gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service answered with an error.
    #[error("{code} (HTTP {status}): {message}")]
    Refused {
        /// The service's code, without namespace, for example `ThrottlingException`.
        code: String,
        /// The service's own words.
        message: String,
        /// The HTTP status.
        status: u16,
        /// `Retry-After`, where the service said it.
        after: Option<Duration>,
    },
    /// No answer within the time limits; the effect may have happened.
    #[error("no answer in time")]
    Timeout(#[source] Source),
    /// No connection, or it broke; the effect may have happened.
    #[error("no connection to the service")]
    Unreachable(#[source] Source),
    /// An answer that is not the protocol's.
    #[error("the answer could not be read (HTTP {status})")]
    Unreadable {
        /// The HTTP status.
        status: u16,
        /// Where reading stopped.
        source: Source,
    },
    /// Nothing was sent.
    #[error("the request could not be made; check region, credentials and endpoint")]
    Unsent(#[source] Source),
}

impl Error {
    /// What kind of failure it is. Codes are those of the services' API references and of the
    /// SDKs' list of throttling codes.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Refused { code, status, .. } => kind_of(code, *status),
            Error::Timeout(_) | Error::Unreachable(_) => Kind::Unavailable,
            Error::Unreadable { status, .. } => match status {
                401 | 403 => Kind::Denied,
                429 => Kind::Throttled,
                400..=499 => Kind::Invalid,
                _ => Kind::Unavailable,
            },
            Error::Unsent(_) => Kind::Denied,
        }
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self {
            Error::Refused {
                after: Some(after), ..
            } if matches!(self.kind(), Kind::Throttled | Kind::Unavailable) => Retry::After(*after),
            // Another writer was in the way, and the services ask to try again.
            Error::Refused { code, .. }
                if [
                    "OperationAbortedException",
                    "OperationAborted",
                    "TransactionConflictException",
                    "TransactionInProgressException",
                    "ConditionalRequestConflict",
                ]
                .contains(&&**code) =>
            {
                Retry::Backoff
            }
            // Credentials may arrive: a role's are fetched from another service.
            Error::Unsent(_) => Retry::Backoff,
            _ => match self.kind() {
                Kind::Throttled | Kind::Unavailable | Kind::Full | Kind::Locked => Retry::Backoff,
                Kind::NotFound | Kind::Conflict | Kind::Invalid | Kind::Denied => Retry::Never,
            },
        }
    }
}

fn kind_of(code: &str, status: u16) -> Kind {
    // An exhausted quota is named by one code in most services, but in DynamoDB and Logs a code
    // with `LimitExceeded` in its middle is throttling; exact names keep the two apart.
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown" => Kind::Throttled,
        "ResourceNotFoundException"
        | "ResourceNotFound"
        | "NotFound"
        | "NotFoundException"
        | "DashboardNotFoundError"
        | "NoSuchKey"
        | "NoSuchBucket"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue" => Kind::NotFound,
        "ConditionalCheckFailedException"
        | "TransactionConflictException"
        | "ResourceAlreadyExistsException"
        | "TransactionInProgressException"
        | "OperationAbortedException"
        | "OperationAborted"
        | "ConditionalRequestConflict"
        | "PreconditionFailed"
        | "MessageNotInflight"
        | "AWS.SimpleQueueService.MessageNotInflight"
        | "ConcurrentModificationException" => Kind::Conflict,
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "OptInRequired"
        | "DecryptionFailure"
        | "AccountSuspendedException"
        | "SendingPausedException"
        | "MailFromDomainNotVerifiedException"
        | "KMSAccessDeniedException" => Kind::Denied,
        "LimitExceeded"
        | "LimitExceededException"
        | "LimitExceededFault"
        | "ServiceQuotaExceededException"
        | "OverLimit"
        | "ItemCollectionSizeLimitExceededException" => Kind::Full,
        "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "InternalFailure"
        | "InternalServiceFault"
        | "InternalServerError" => Kind::Unavailable,
        _ => match status {
            401 | 403 => Kind::Denied,
            404 => Kind::NotFound,
            429 => Kind::Throttled,
            500..=599 => Kind::Unavailable,
            _ => Kind::Invalid,
        },
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Error {
        let status = error.raw_response().map_or(0, |r| r.status().as_u16());
        let after = error.raw_response().and_then(retry_after);
        match error {
            SdkError::ServiceError(refused) if refused.err().code().is_some() => {
                let err = refused.err();
                Error::Refused {
                    code: bare_code(err.code().unwrap_or_default()).to_owned(),
                    message: err.message().unwrap_or("no message").to_owned(),
                    status,
                    after,
                }
            }
            SdkError::TimeoutError(_) => Error::Timeout(source(error)),
            SdkError::DispatchFailure(ref failure) if failure.is_timeout() => {
                Error::Timeout(source(error))
            }
            // A connection that ended in the middle of an answer is another kind than one that failed.
            SdkError::DispatchFailure(ref failure)
                if failure.is_io()
                    || failure
                        .as_connector_error()
                        .and_then(|e| e.as_other())
                        .is_some_and(|kind| kind == ErrorKind::TransientError) =>
            {
                Error::Unreachable(source(error))
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
                Error::Unsent(source(error))
            }
            _ => Error::Unreadable {
                status,
                source: source(error),
            },
        }
    }
}

/// `com.amazonaws.dynamodb#ThrottlingException` and `ThrottlingException:http://…` both name
/// `ThrottlingException`.
fn bare_code(code: &str) -> &str {
    let code = code.rsplit_once('#').map_or(code, |(_, name)| name);
    code.split_once(':').map_or(code, |(name, _)| name)
}

fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let header = |name: &str| -> Option<u64> { response.headers().get(name)?.trim().parse().ok() };
    header("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| header("retry-after").map(Duration::from_secs))
}

fn source<E>(error: SdkError<E, HttpResponse>) -> Source
where
    E: std::error::Error + Send + Sync + 'static,
{
    error.into_source().unwrap_or_else(|error| Box::new(error))
}

/// A port's error for a call that failed.
pub(crate) fn failed<E>(
    operation: &'static str,
    subject: impl Into<String>,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> ports::Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let subject = subject.into();
    move |error| port_error(operation, subject, error.into())
}

/// The same for an error that was looked at first.
pub(crate) fn port_error(
    operation: &'static str,
    subject: impl Into<String>,
    error: Error,
) -> ports::Error {
    let retry = error.retry();
    let mut port = ports::Error::new(operation, subject, error.kind()).because(error);
    port.retry = retry;
    port
}

/// A port's error for something that we refuse before AWS does.
pub(crate) fn invalid(
    operation: &'static str,
    subject: impl Into<String>,
    why: impl Into<String>,
) -> ports::Error {
    ports::Error::new(operation, subject, Kind::Invalid).because(why.into())
}

/// A port's error for an answer that lacks what the API promises.
pub(crate) fn unreadable(
    operation: &'static str,
    subject: impl Into<String>,
    why: impl Into<String>,
) -> ports::Error {
    ports::Error::new(operation, subject, Kind::Unavailable).because(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, status: u16, after: Option<u64>) -> Error {
        Error::Refused {
            code: bare_code(code).into(),
            message: "words".into(),
            status,
            after: after.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_code_or_else_the_status_says_what_kind_of_failure_it_is() {
        let check = |code: &str, status: u16, kind: Kind, retry: Retry| {
            let error = refused(code, status, None);
            assert_eq!(
                (error.kind(), error.retry()),
                (kind, retry),
                "{code} {status}"
            );
        };
        check("ThrottlingException", 400, Kind::Throttled, Retry::Backoff);
        check(
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            400,
            Kind::Throttled,
            Retry::Backoff,
        );
        check(
            "ThrottledException:http://x/",
            429,
            Kind::Throttled,
            Retry::Backoff,
        );
        check("SomethingNew", 429, Kind::Throttled, Retry::Backoff);
        check(
            "ConditionalCheckFailedException",
            400,
            Kind::Conflict,
            Retry::Never,
        );
        check(
            "OperationAbortedException",
            400,
            Kind::Conflict,
            Retry::Backoff,
        );
        check(
            "ResourceNotFoundException",
            400,
            Kind::NotFound,
            Retry::Never,
        );
        check("AccessDeniedException", 400, Kind::Denied, Retry::Never);
        check("SomethingNew", 403, Kind::Denied, Retry::Never);
        check("LimitExceededException", 400, Kind::Full, Retry::Backoff);
        check("ValidationException", 400, Kind::Invalid, Retry::Never);
        check(
            "InternalServiceError",
            500,
            Kind::Unavailable,
            Retry::Backoff,
        );
        check("SomethingNew", 503, Kind::Unavailable, Retry::Backoff);
    }

    #[test]
    fn a_wait_that_the_service_names_is_kept_where_trying_again_helps() {
        let wait = Retry::After(Duration::from_secs(7));
        assert_eq!(refused("ThrottlingException", 400, Some(7)).retry(), wait);
        assert_eq!(refused("Oops", 503, Some(7)).retry(), wait);
        assert_eq!(
            refused("ValidationException", 400, Some(7)).retry(),
            Retry::Never
        );
    }

    #[test]
    fn an_error_never_repeats_its_source() {
        let port = port_error(
            "put metrics",
            "CloudResume",
            Error::Timeout("socket".into()),
        );
        assert_eq!(port.to_string(), "put metrics CloudResume: unavailable");
        let told = port.source.map(|s| s.to_string());
        assert_eq!(told.as_deref(), Some("no answer in time"));
    }
}
