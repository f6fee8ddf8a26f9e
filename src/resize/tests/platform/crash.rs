//! Whatever moment a process dies at, the next request or a sweep puts things right.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use ports::{NewObject, Objects};

use crate::world::{BUCKET, World, jpeg};

const GIVEN_UP: Duration = Duration::from_secs(61);

/// What a whole image leaves in the store.
async fn whole(world: &World) {
    let items = world.items().await;
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(
        items[0].starts_with("image#") && items[1].starts_with("link#"),
        "{items:?}"
    );
    let objects = world.objects().await;
    assert_eq!(objects.len(), 4, "{objects:?}");
    let list = world.get("/images").await.json();
    let image = &list["images"][0];
    for size in ["100", "300", "600"] {
        let url = image["sizes"][size]["url"].as_str().unwrap();
        assert_eq!(
            world.get(&format!("/{url}")).await.status,
            StatusCode::OK,
            "{size}"
        );
    }
    let short = image["short_url"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("/{short}")).await.status,
        StatusCode::FOUND
    );
}

/// Uploads with a store that dies after so many calls; answers whether it did.
async fn crash_at(world: &World, file: &[u8], calls: i64) -> bool {
    world.fuse.blow_after(calls);
    let answer = world.upload("a.jpg", file, &[]).await;
    world.fuse.mend();
    match answer.status.as_u16() {
        201 => false,
        500 => {
            assert!(calls < 40, "it dies without an end");
            // What is half-made is not seen.
            let list = world.get("/images").await.json();
            assert_eq!(
                list["images"].as_array().unwrap().len(),
                0,
                "after {calls} calls"
            );
            true
        }
        other => panic!("after {calls} calls: {other}: {}", answer.json()),
    }
}

#[tokio::test]
async fn an_upload_that_died_anywhere_is_completed_by_the_next() {
    let file = jpeg(700, 500, 1);
    let mut calls = 0;
    loop {
        let world = World::new().await;
        let died = crash_at(&world, &file, calls).await;
        if died {
            world.step(GIVEN_UP);
            let again = world.upload("a.jpg", &file, &[]).await;
            assert_eq!(
                again.status,
                StatusCode::CREATED,
                "after {calls}: {}",
                again.json()
            );
            let token = again.json()["owner_token"].as_str().unwrap().to_string();
            whole(&world).await;
            let id = again.json()["id"].as_str().unwrap().to_string();
            let gone = world.delete(&format!("/images/{id}"), Some(&token)).await;
            assert_eq!(
                gone.status,
                StatusCode::OK,
                "after {calls}: who completed it owns it"
            );
            assert_eq!(world.items().await, [""; 0]);
        } else {
            whole(&world).await;
            break;
        }
        calls += 1;
    }
    assert!(calls >= 8, "only {calls} places to die at");
}

#[tokio::test]
async fn an_upload_that_died_anywhere_is_completed_or_removed_by_a_sweep() {
    let file = jpeg(700, 500, 2);
    let (mut calls, mut repaired, mut removed) = (0, 0, 0);
    loop {
        let world = World::new().await;
        if !crash_at(&world, &file, calls).await {
            break;
        }
        let early = world.platform.sweep().await.unwrap();
        assert_eq!(
            early.repaired + early.removed,
            0,
            "it may still be on its way"
        );
        world.step(GIVEN_UP);
        let swept = world.platform.sweep().await.unwrap();
        assert_eq!(swept.failed, 0, "after {calls}");
        match world.items().await.len() {
            0 => {
                removed += swept.removed;
                // Objects whose item was never written go later, when nobody can be writing it.
                world.step(Duration::from_secs(7200));
                world.platform.sweep().await.unwrap();
                assert_eq!(world.objects().await, [""; 0], "after {calls}");
            }
            _ => {
                repaired += swept.repaired;
                whole(&world).await;
            }
        }
        assert_eq!(world.platform.sweep().await.unwrap(), Default::default());
        calls += 1;
    }
    assert!(
        repaired > 0 && removed > 0,
        "{repaired} repaired, {removed} removed"
    );
}

#[tokio::test]
async fn looking_at_a_half_made_image_completes_it() {
    let file = jpeg(700, 500, 3);
    let id = resize::domain::ImageId::of(&file);
    let mut completed = false;
    for calls in 3..20 {
        let world = World::new().await;
        if !crash_at(&world, &file, calls).await {
            break;
        }
        assert_eq!(
            world.get(&format!("/images/{id}")).await.status,
            404,
            "not seen yet"
        );
        world.step(GIVEN_UP);
        if world.get(&format!("/images/{id}")).await.status == StatusCode::OK {
            whole(&world).await;
            completed = true;
        }
    }
    assert!(completed);
}

#[tokio::test]
async fn a_delete_that_died_anywhere_is_finished_by_a_sweep() {
    let mut calls = 2;
    loop {
        let world = World::new().await;
        let image = world.upload("a.jpg", &jpeg(700, 500, 4), &[]).await.json();
        let path = format!("/images/{}", image["id"].as_str().unwrap());
        world.fuse.blow_after(calls);
        let answer = world.delete(&path, image["owner_token"].as_str()).await;
        world.fuse.mend();
        if answer.status == StatusCode::OK {
            break;
        }
        if answer.status == StatusCode::ACCEPTED {
            let remains = answer.json()["remains"].as_array().unwrap().len();
            assert!(remains > 0, "{}", answer.json());
            assert_eq!(
                world.get(&path).await.status,
                StatusCode::NOT_FOUND,
                "not seen any more"
            );
            let swept = world.platform.sweep().await.unwrap();
            assert_eq!((swept.removed, swept.failed), (1, 0), "after {calls}");
            assert_eq!(world.items().await, [""; 0]);
            assert_eq!(world.objects().await, [""; 0]);
        } else {
            // Not even the beginning was written: all is as it was.
            assert_eq!(
                world.get(&path).await.status,
                StatusCode::OK,
                "after {calls}"
            );
        }
        calls += 1;
    }
    assert!(calls > 4, "only {calls} places to die at");
}

#[tokio::test]
async fn a_delete_reports_what_remains() {
    let world = World::new().await;
    let image = world.upload("a.jpg", &jpeg(700, 500, 5), &[]).await.json();
    let path = format!("/images/{}", image["id"].as_str().unwrap());
    world.fuse.sticky.store(true, Ordering::SeqCst);
    let answer = world.delete(&path, image["owner_token"].as_str()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let told = answer.json();
    assert_eq!(told["deleted"], false);
    assert_eq!(told["remains"].as_array().unwrap().len(), 4, "{told}");
    world.fuse.sticky.store(false, Ordering::SeqCst);
    // Asked again it finishes; so would a sweep.
    let answer = world.delete(&path, image["owner_token"].as_str()).await;
    assert_eq!(
        (answer.status, &answer.json()["deleted"]),
        (StatusCode::OK, &true.into())
    );
    assert_eq!(world.items().await, [""; 0]);
    // And the same file can come again at once.
    let again = world.upload("a.jpg", &jpeg(700, 500, 5), &[]).await;
    assert_eq!(again.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_file_can_come_again_while_its_delete_is_unfinished() {
    let world = World::new().await;
    let file = jpeg(700, 500, 6);
    let image = world.upload("a.jpg", &file, &[]).await.json();
    let path = format!("/images/{}", image["id"].as_str().unwrap());
    world.fuse.sticky.store(true, Ordering::SeqCst);
    world.delete(&path, image["owner_token"].as_str()).await;
    world.fuse.sticky.store(false, Ordering::SeqCst);
    let again = world.upload("a.jpg", &file, &[]).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.json());
    whole(&world).await;
}

#[tokio::test]
async fn images_go_when_their_time_is_over() {
    let world = World::with(|c| c.keep = Some(Duration::from_secs(86_400))).await;
    let image = world.upload("a.jpg", &jpeg(700, 500, 7), &[]).await.json();
    let path = format!("/images/{}", image["id"].as_str().unwrap());
    assert!(image["expires"].is_string());
    world.step(Duration::from_secs(86_399));
    assert_eq!(world.get(&path).await.status, StatusCode::OK);
    world.step(Duration::from_secs(1));
    assert_eq!(world.get(&path).await.status, StatusCode::NOT_FOUND);
    let short = image["short_url"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("/{short}")).await.status,
        StatusCode::NOT_FOUND
    );
    world.platform.sweep().await.unwrap();
    assert_eq!(world.items().await, [""; 0]);
    assert_eq!(world.objects().await, [""; 0]);
}

#[tokio::test]
async fn what_nobody_knows_any_more_is_removed_later() {
    let world = World::new().await;
    world.upload("a.jpg", &jpeg(700, 500, 8), &[]).await;
    let lost = resize::domain::ImageId::of(b"lost");
    for key in [
        format!("pictures/{lost}/600.jpg"),
        "incoming/abc".to_string(),
    ] {
        let object = NewObject {
            bucket: BUCKET.into(),
            key,
            body: "x".into(),
            content_type: "image/jpeg".into(),
            cache_control: None,
            metadata: Default::default(),
            only_if_absent: false,
        };
        world.store.objects().put(&object).await.unwrap();
    }
    assert_eq!(world.platform.sweep().await.unwrap().orphans, 0);
    world.step(Duration::from_secs(3601));
    assert_eq!(world.platform.sweep().await.unwrap().orphans, 1);
    world.step(Duration::from_secs(86_400));
    assert_eq!(world.platform.sweep().await.unwrap().orphans, 1);
    whole(&world).await;
}

#[tokio::test]
async fn clicks_that_could_not_be_written_are_written_later() {
    let world = World::new().await;
    let image = world.upload("a.jpg", &jpeg(70, 50, 9), &[]).await.json();
    let short = format!("/{}", image["short_url"].as_str().unwrap());
    for _ in 0..3 {
        world.get(&short).await;
    }
    world.fuse.blow_after(0);
    assert!(world.platform.flush_clicks().await.is_err());
    world.fuse.mend();
    world.get(&short).await;
    world.platform.flush_clicks().await.unwrap();
    world.platform.flush_clicks().await.unwrap();
    let code = resize::domain::Code::parse(short.rsplit('/').next().unwrap()).unwrap();
    assert_eq!(world.platform.link(&code).await.unwrap().clicks, 4);
}
