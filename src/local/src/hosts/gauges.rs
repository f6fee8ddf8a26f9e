//! The metrics that AWS publishes of what stands still: queues each minute, buckets each day.

use std::sync::Arc;
use std::time::Duration;

use model::{Datum, Dimensions, Time, Unit};

use super::{AGAIN, Post, Shared};
use crate::runtime::datum;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) async fn run(shared: Arc<Shared>, post: Arc<Post>) {
    let mut ears = post.ears();
    let mut day = Time::EPOCH;
    loop {
        let now = shared.store.clock().now();
        let minute = now.floor_to(MINUTE);
        let mut next = minute + MINUTE;
        match measure(&shared, minute, &mut day).await {
            Ok(data) => shared.pump.data(data),
            Err(e) => {
                tracing::warn!(error = %e, "queues and buckets cannot be measured");
                next = now + AGAIN;
            }
        }
        if !post.rest(&shared, &mut ears, (0, Some(next))).await {
            return;
        }
    }
}

async fn measure(shared: &Shared, at: Time, day: &mut Time) -> ports::Result<Vec<Datum>> {
    let mut data = Vec::new();
    for (queue, age) in shared.store.queues().ages().await? {
        let by_queue = Dimensions::new([("QueueName", queue.as_str())]);
        let depth = age.depth;
        for (name, value, unit) in [
            (
                "ApproximateNumberOfMessagesVisible",
                depth.visible,
                Unit::Count,
            ),
            (
                "ApproximateNumberOfMessagesNotVisible",
                depth.in_flight,
                Unit::Count,
            ),
            (
                "ApproximateNumberOfMessagesDelayed",
                depth.delayed,
                Unit::Count,
            ),
            (
                "ApproximateAgeOfOldestMessage",
                age.oldest.as_secs(),
                Unit::Seconds,
            ),
        ] {
            let metric = ("AWS/SQS", name);
            data.push(datum(metric, by_queue.clone(), (value as f64, unit), at));
        }
    }
    // As S3 does, once a day.
    let today = at.floor_to(DAY);
    if today > *day {
        for (bucket, bytes, objects) in shared.store.objects().sizes().await? {
            for (name, value, unit, storage) in [
                ("BucketSizeBytes", bytes, Unit::Bytes, "StandardStorage"),
                ("NumberOfObjects", objects, Unit::Count, "AllStorageTypes"),
            ] {
                let by_bucket =
                    Dimensions::new([("BucketName", bucket.as_str()), ("StorageType", storage)]);
                data.push(datum(("AWS/S3", name), by_bucket, (value as f64, unit), at));
            }
        }
        *day = today;
    }
    Ok(data)
}
