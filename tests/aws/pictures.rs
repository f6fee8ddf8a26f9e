//! The image platform on DynamoDB and S3: the same service as in local mode, on the other adapters.

use std::sync::Arc;

use ports::Objects;
use resize::Platform;
use resize::domain::{Clicks, Config, Token};
use resize::platform::{Caller, Failure, Incoming, LinkWanted, Upload};
use serde_json::json;
use telemetry::Telemetry;

use crate::{boto, config};

/// The smallest GIF.
const DOT: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

#[tokio::test]
async fn the_image_platform_runs_on_dynamodb_and_s3() {
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    boto(
        "dynamodb",
        "create_table",
        json!({
            "TableName": "pictures", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "AttributeDefinitions": [attribute("pk"), attribute("shelf"), attribute("created")],
            "GlobalSecondaryIndexes": [{
                "IndexName": "newest", "Projection": { "ProjectionType": "ALL" },
                "KeySchema": [{ "AttributeName": "shelf", "KeyType": "HASH" },
                              { "AttributeName": "created", "KeyType": "RANGE" }],
            }],
        }),
    );
    boto("s3", "create_bucket", json!({ "Bucket": "pictures" }));
    let connection = config().await;
    let bucket = Arc::new(aws::S3::new(&connection));
    let mut chosen = Config::new("pictures", "pictures");
    chosen.clicks = Clicks::AtOnce;
    let platform = Platform::new(
        Arc::new(aws::Tables::new(&connection)),
        bucket.clone(),
        Arc::new(local::SystemClock),
        chosen,
        &Telemetry::off(),
    );
    let platform = platform.unwrap();
    let anybody = Caller::default();
    let dot = || Upload {
        name: "dot.gif".into(),
        body: DOT.into(),
    };

    let done = platform.upload(&anybody, dot()).await.unwrap();
    assert!(done.new);
    let owner = Caller {
        token: Some(Token::parse(done.token.unwrap().reveal()).unwrap()),
        ..Caller::default()
    };
    let id = done.image.id.clone();
    let again = platform.upload(&anybody, dot()).await.unwrap();
    assert!(!again.new && again.token.is_none() && again.image.id == id);
    assert_eq!(platform.image(&id).await.unwrap(), done.image);
    let listed = platform.list(10, None).await.unwrap();
    assert_eq!(listed.images, std::slice::from_ref(&done.image));
    let keys = async || -> Vec<String> {
        let page = bucket.list("pictures", "", 100, None).await.unwrap();
        page.objects.into_iter().map(|o| o.key).collect()
    };
    let prefix = format!("pictures/{id}/");
    assert_eq!(
        keys().await,
        [format!("{prefix}1.jpg"), format!("{prefix}original.gif")]
    );

    // A link, its clicks, its end.
    let link = platform
        .make_link(&owner, &id, &LinkWanted::default())
        .await
        .unwrap();
    for _ in 0..2 {
        let target = platform.follow(&link.code).await.unwrap();
        assert_eq!(target, platform.picture_url(&id, "original.gif"));
    }
    assert_eq!(platform.link(&link.code).await.unwrap().clicks, 2);
    assert!(matches!(
        platform.revoke(&anybody, &link.code).await,
        Err(Failure::Unauthorized)
    ));
    platform.revoke(&owner, &link.code).await.unwrap();
    assert!(matches!(
        platform.follow(&link.code).await,
        Err(Failure::NotFound(_))
    ));

    // Another size.
    let (_, made) = platform.make_size(&owner, &id, 2).await.unwrap();
    assert!(made.new && made.size.width == 1);

    // A file that goes to the bucket itself.
    let incoming = Incoming {
        name: "dot.gif".into(),
        content_type: "image/gif".into(),
        size: DOT.len() as u64,
    };
    let ticket = platform.admit(&anybody, incoming).await.unwrap();
    let put = reqwest::Client::new()
        .put(&ticket.url)
        .header("content-type", "image/gif");
    let put = put.body(DOT).send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.status());
    let taken = platform.take(&anybody, &ticket.id).await.unwrap();
    assert_eq!(taken.image.id, id);

    // All of it goes, and a sweep finds nothing more to do.
    let removed = platform.delete(&owner, &id).await.unwrap();
    assert_eq!((removed.objects, removed.links), (2, 1));
    assert_eq!(removed.remains, [""; 0]);
    assert_eq!(keys().await, [""; 0]);
    assert!(matches!(
        platform.image(&id).await,
        Err(Failure::NotFound(_))
    ));
    assert_eq!(platform.sweep().await.unwrap(), Default::default());
}
