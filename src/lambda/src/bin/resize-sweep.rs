//! The image platform's sweep as a Lambda function that a schedule invokes: it completes uploads
//! that were given up, and removes what is past its time. Beside the rights of the function
//! `resize` it needs `dynamodb:Scan`.

use std::sync::Arc;

use lambda::pictures::{Sweep, platform};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let telemetry = lambda::telemetry("resize-sweep")?;
    let sweep = Sweep(platform(&telemetry)?);
    lambda::serve_events(Arc::new(sweep), telemetry).await
}
