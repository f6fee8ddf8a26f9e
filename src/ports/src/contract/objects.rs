//! Objects keep bytes under keys.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{Access, Kind, NewObject, Objects};

/// The contract of [`Objects`]; the bucket exists.
pub async fn objects(port: &dyn Objects, bucket: &str, run: &Run) {
    let on = On { port, bucket, run };
    let mut report = Report::new("objects", run);
    report.case(Case::ObjectsAreReadBack, read_back(&on)).await;
    report.case(Case::ObjectsAreReplaced, replaced(&on)).await;
    report
        .case(Case::ObjectsOnlyIfAbsent, only_if_absent(&on))
        .await;
    report.case(Case::UnknownObjectIsNone, unknown(&on)).await;
    report.case(Case::LargeObjectIsFull, too_large(&on)).await;
    report.case(Case::ObjectsDelete, delete(&on)).await;
    report.case(Case::ObjectsList, list(&on)).await;
    report.case(Case::ObjectsSign, sign(&on)).await;
    report.case(Case::BadObjectKeys, bad_keys(&on)).await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Objects,
    bucket: &'a str,
    run: &'a Run,
}

impl On<'_> {
    fn object(&self, key: &str, body: &[u8]) -> NewObject {
        NewObject {
            bucket: self.bucket.to_owned(),
            key: key.to_owned(),
            body: Bytes::copy_from_slice(body),
            content_type: "image/png".into(),
            cache_control: None,
            metadata: BTreeMap::new(),
            only_if_absent: false,
        }
    }

    async fn put(&self, object: &NewObject) -> Outcome {
        done("put", self.port.put(object).await)
    }

    async fn body(&self, key: &str) -> Result<Option<Bytes>, String> {
        let object = done("get", self.port.get(self.bucket, key, 1 << 20).await)?;
        Ok(object.map(|o| o.body))
    }
}

async fn read_back(on: &On<'_>) -> Outcome {
    let key = format!("{}/a b+c&d=ü/é.png", on.run.name("back"));
    let mut object = on.object(&key, b"\x89PNG\0\xff bytes");
    object.cache_control = Some("public, max-age=31536000, immutable".into());
    object.metadata = BTreeMap::from([("owner".to_owned(), "web".to_owned())]);
    on.put(&object).await?;
    let read = done("get", on.port.get(on.bucket, &key, 1 << 20).await)?;
    let read = read.ok_or("the object is not there")?;
    same("body", &read.body, &object.body)?;
    let facts = done("head", on.port.head(on.bucket, &key).await)?;
    let facts = facts.ok_or("head does not see it")?;
    same("facts", &facts, &read.facts)?;
    same("key", facts.key, key)?;
    same("size", facts.size, object.body.len() as u64)?;
    same("type", facts.content_type, object.content_type)?;
    same("cache control", facts.cache_control, object.cache_control)?;
    same("metadata", facts.metadata, object.metadata)?;
    let near = facts
        .modified
        .since(on.run.now)
        .max(on.run.now.since(facts.modified));
    same("modified lately", near < Duration::from_secs(3_600), true)
}

async fn replaced(on: &On<'_>) -> Outcome {
    let key = on.run.name("replaced");
    on.put(&on.object(&key, b"first")).await?;
    let mut second = on.object(&key, b"");
    second.content_type = "text/plain".into();
    on.put(&second).await?;
    same("body", on.body(&key).await?, Some(Bytes::new()))?;
    let facts = done("head", on.port.head(on.bucket, &key).await)?;
    same(
        "type",
        facts.map(|f| f.content_type),
        Some("text/plain".into()),
    )
}

async fn only_if_absent(on: &On<'_>) -> Outcome {
    let key = on.run.name("absent");
    let mut object = on.object(&key, b"first");
    object.only_if_absent = true;
    on.put(&object).await?;
    object.body = Bytes::from_static(b"second");
    fails("put again", on.port.put(&object).await, Kind::Conflict)?;
    same(
        "body",
        on.body(&key).await?,
        Some(Bytes::from_static(b"first")),
    )
}

async fn unknown(on: &On<'_>) -> Outcome {
    let key = on.run.name("unknown");
    same("body", on.body(&key).await?, None)?;
    let facts = done("head", on.port.head(on.bucket, &key).await)?;
    same("facts", facts, None)
}

async fn too_large(on: &On<'_>) -> Outcome {
    let key = on.run.name("large");
    on.put(&on.object(&key, &[7; 1_000])).await?;
    let answer = on.port.get(on.bucket, &key, 999).await;
    fails("get of 1,000 bytes in 999", answer, Kind::Full)?;
    let whole = done("get", on.port.get(on.bucket, &key, 1_000).await)?;
    same("size", whole.map(|o| o.body.len()), Some(1_000))
}

async fn delete(on: &On<'_>) -> Outcome {
    let keys: Vec<String> = (0..3).map(|n| on.run.name(&format!("gone-{n}"))).collect();
    on.put(&on.object(&keys[0], b"a")).await?;
    on.put(&on.object(&keys[1], b"b")).await?;
    let remain = done("delete", on.port.delete(on.bucket, &keys).await)?;
    same("remain", remain, Vec::<String>::new())?;
    same("body", on.body(&keys[0]).await?, None)?;
    let none = done("delete nothing", on.port.delete(on.bucket, &[]).await)?;
    same("nothing remains", none, Vec::<String>::new())
}

async fn list(on: &On<'_>) -> Outcome {
    let prefix = format!("{}/", on.run.name("list"));
    let names = ["B", "a", "a/1", "a/2", "b", "c%_", "ü"];
    for name in names.iter().rev() {
        on.put(&on.object(&format!("{prefix}{name}"), name.as_bytes()))
            .await?;
    }
    on.put(&on.object(&on.run.name("list0"), b"outside"))
        .await?;
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..names.len() + 2 {
        let page = on.port.list(on.bucket, &prefix, 3, cursor.as_deref()).await;
        let page = done("list", page)?;
        same("a page is too long", page.objects.len() > 3, false)?;
        seen.extend(page.objects);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let keys: Vec<String> = seen.iter().map(|f| f.key.clone()).collect();
    let want: Vec<String> = names.iter().map(|n| format!("{prefix}{n}")).collect();
    same("keys", keys, want)?;
    same("size", seen.last().map(|f| f.size), Some(2))?;
    let nowhere = on.port.list(on.bucket, "no such prefix", 3, None).await;
    same("nothing", done("list", nowhere)?, Default::default())
}

async fn sign(on: &On<'_>) -> Outcome {
    let key = on.run.name("signed");
    let minute = Duration::from_secs(60);
    let put = Access::Put {
        content_type: "image/jpeg".into(),
        size: 5,
    };
    let read = done(
        "sign",
        on.port.sign(on.bucket, &key, &Access::Get, minute).await,
    )?;
    let write = done("sign", on.port.sign(on.bucket, &key, &put, minute).await)?;
    same("addresses are alike", read == write, false)?;
    same(
        "an address",
        read.contains("://") || read.starts_with('/'),
        true,
    )?;
    let eight_days = minute * 60 * 24 * 8;
    let answer = on
        .port
        .sign(on.bucket, &key, &Access::Get, eight_days)
        .await;
    fails("eight days", answer, Kind::Invalid)
}

async fn bad_keys(on: &On<'_>) -> Outcome {
    let long = "k".repeat(1_025);
    for key in ["", long.as_str()] {
        let answer = on.port.put(&on.object(key, b"x")).await;
        fails(
            &format!("a key of {} bytes", key.len()),
            answer,
            Kind::Invalid,
        )?;
    }
    Ok(())
}
