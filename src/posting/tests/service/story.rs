//! From the schedule to the post, and what comes of failures.

use jiff::civil::date;
use ports::{Objects, Queues};
use posting::job::Status;
use posting::name::PictureName;
use posting::standin::{Reply, Turn, openai, x};
use serde_json::json;

use crate::world::{Setup, World};

fn name(day: u8, index: usize, words: &str) -> PictureName {
    PictureName::parse(&format!("january_{day}_{index}_{words}.jpg")).unwrap()
}

fn overloaded() -> serde_json::Value {
    openai::error_body(
        ("server_error", "server_error"),
        "The server is overloaded.",
    )
}

fn fails(operation: &'static str, status: u16, body: serde_json::Value) -> Turn {
    Turn {
        operation,
        happens: false,
        reply: Reply::Status(status, Vec::new(), body),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_day_of_the_date_is_drawn_stored_and_posted_once() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    world.due().await;
    assert_eq!(world.work().await, [""; 0]);
    let expect = [
        "National Dress Up Your Pet Day!",
        "National Hot Pastrami Sandwich Day!",
    ];
    let mut posts = world.posts();
    posts.sort();
    assert_eq!(posts, expect);
    assert_eq!(
        world.openai.state.prompts()[0],
        "A friendly ghost for \"National Dress Up Your Pet Day\"."
    );
    // The picture that was posted is the one that is stored, with what the path says of it.
    let key = "images/january_14_0_DressUpYourPet.jpg";
    let stored = world
        .store
        .objects()
        .get("pictures", key, 1 << 20)
        .await
        .unwrap()
        .unwrap();
    let post = world
        .x
        .state
        .posts()
        .into_iter()
        .find(|p| p.text == expect[0])
        .unwrap();
    assert_eq!(world.x.state.picture(&post.media).unwrap(), stored.body);
    assert_eq!(stored.facts.cache_control.as_deref(), Some("no-store"));
    assert_eq!(stored.facts.content_type, "image/jpeg");
    let job = world
        .jobs
        .find(&name(14, 0, "DressUpYourPet"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((job.status, job.date), (Status::Posted, date(2026, 1, 14)));
    assert_eq!(job.post.as_deref(), Some(post.id.as_str()));
    assert_eq!(
        job.post_url,
        Some(format!("{}/i/status/{}", world.x.url, post.id))
    );
    // The schedule again, and every event again: nothing happens.
    world.due().await;
    for key in [key, "images/january_14_1_HotPastramiSandwich.jpg"] {
        let object = ports::events::ObjectCreated {
            bucket: "pictures".into(),
            key: key.into(),
            size: 1,
            at: stored.facts.modified,
        };
        let told = ports::events::notification(&[object]).to_string();
        for _ in 0..5 {
            world.send("post", &told).await;
        }
    }
    assert_eq!(world.work().await, [""; 0]);
    assert_eq!(world.posts().len(), 2);
    assert_eq!(world.openai.state.prompts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_drawing_comes_again_after_twenty_minutes_then_lies_dead_and_a_redrive_posts_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(
        dir.path(),
        Setup {
            now: "2026-01-15T13:00:00Z",
            ..Setup::default()
        },
    )
    .await;
    let refuse = || {
        fails(
            openai::DRAW,
            400,
            openai::error_body(("e", "content_policy_violation"), "rejected"),
        )
    };
    for _ in 0..2 {
        world.openai.state.script.then(refuse());
    }
    world.due().await;
    let failed = world.work().await;
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].contains("january_15_0_Hat.jpg: OpenAI draw picture: 400 Bad Request: rejected"),
        "{failed:?}"
    );
    let job = world.jobs.find(&name(15, 0, "Hat")).await.unwrap().unwrap();
    assert_eq!(job.status, Status::Failed);
    assert!(job.reason.unwrap().contains("rejected"));
    world
        .clock
        .advance_by(std::time::Duration::from_secs(19 * 60));
    assert_eq!(
        world.work().await,
        [""; 0],
        "it is hidden for twenty minutes"
    );
    world.wait();
    assert_eq!(world.work().await.len(), 1);
    world.wait();
    assert_eq!(world.work().await, [""; 0], "a second failure is the last");
    assert_eq!(world.dead().await, (1, 0));
    world.redrive().await;
    assert_eq!(world.work().await, [""; 0]);
    assert_eq!(world.posts(), ["National Hat Day!"]);
    assert_eq!(world.dead().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_post_comes_again_then_lies_dead_and_a_redrive_posts_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(
        dir.path(),
        Setup {
            now: "2026-01-15T13:00:00Z",
            ..Setup::default()
        },
    )
    .await;
    // Twice each time: a secret may have changed, so that the first refusal is not believed.
    for _ in 0..4 {
        let body = x::problem_body(
            403,
            "Forbidden",
            "You are not permitted to perform this action.",
        );
        world.x.state.script.then(fails(x::CREATE, 403, body));
    }
    world.due().await;
    assert_eq!(world.work().await.len(), 1);
    world.wait();
    assert_eq!(world.work().await.len(), 1);
    world.wait();
    assert_eq!(world.work().await, [""; 0]);
    assert_eq!(world.dead().await, (0, 1));
    let job = world.jobs.find(&name(15, 0, "Hat")).await.unwrap().unwrap();
    assert_eq!(job.status, Status::Failed);
    assert_eq!(
        job.reason.unwrap(),
        "X create post: 403: You are not permitted to perform this action."
    );
    assert_eq!(job.asked_at, None, "a refusal leaves no mark");
    world.redrive().await;
    assert_eq!(world.work().await, [""; 0]);
    assert_eq!(world.posts(), ["National Hat Day!"]);
}

/// The answer is lost in many ways; whether the post is there differs, and so does what X shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_answer_is_lost_is_never_made_twice() {
    struct Case {
        happens: bool,
        reply: Reply,
        search_delay: u64,
        duplicates_refused: bool,
        /// After the retry: posted, or unknown.
        learned: bool,
    }
    let down = || {
        Reply::Status(
            503,
            Vec::new(),
            x::problem_body(503, "Service Unavailable", "Service Unavailable"),
        )
    };
    let case = |happens, reply, search_delay, duplicates_refused, learned| Case {
        happens,
        reply,
        search_delay,
        duplicates_refused,
        learned,
    };
    for case in [
        case(true, down(), 0, true, true),
        case(true, Reply::Half, 0, false, true),
        case(true, Reply::Silence, 0, true, true),
        case(true, down(), 45 * 60, false, false),
        case(true, Reply::Half, 45 * 60, true, false),
        case(false, down(), 0, true, false),
        case(false, Reply::Half, 0, false, false),
        case(false, Reply::Silence, 45 * 60, false, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup {
            now: "2026-01-15T13:00:00Z",
            adjust: |config| config.x.timeout = std::time::Duration::from_millis(300),
            ..Setup::default()
        };
        let world = World::with(dir.path(), setup).await;
        let told = format!("{} {:?} {}", case.happens, case.reply, case.search_delay);
        world
            .x
            .state
            .delay_search(std::time::Duration::from_secs(case.search_delay));
        world.x.state.refuse_duplicates(case.duplicates_refused);
        world.x.state.script.then(Turn {
            operation: x::CREATE,
            happens: case.happens,
            reply: case.reply,
        });
        world.due().await;
        assert_eq!(world.work().await.len(), 1, "{told}");
        let hat = name(15, 0, "Hat");
        let job = async || world.jobs.find(&hat).await.unwrap().unwrap();
        assert_eq!(job().await.status, Status::Unknown, "{told}");
        world.wait();
        let failed = world.work().await;
        if case.learned {
            assert_eq!(failed, [""; 0], "{told}");
            assert_eq!(world.dead().await, (0, 0), "{told}");
        } else {
            assert!(failed[0].contains("(unknown)"), "{told}: {failed:?}");
            world.wait();
            assert_eq!(world.work().await, [""; 0], "{told}");
            assert_eq!(world.dead().await, (0, 1), "{told}");
            let job = job().await;
            assert_eq!(job.status, Status::Unknown, "{told}");
            assert!(
                job.reason.unwrap().contains("its search does not show it"),
                "{told}"
            );
            // A late event is no permission to try blindly, and neither is an early redrive.
            let count = world.posts().len();
            world.redrive().await;
            if world.clock.now_since_due() < 60 * 60 {
                world.work().await;
                assert_eq!(world.posts().len(), count, "{told}");
            }
            // Once X's search shows everything there is, a redrive settles it.
            for _ in 0..3 {
                world.wait();
                world.work().await;
                world.dead().await;
                world.redrive().await;
            }
            world.work().await;
            assert_eq!(world.dead().await, (0, 0), "{told}");
        }
        assert_eq!(job().await.status, Status::Posted, "{told}");
        assert_eq!(world.posts(), ["National Hat Day!"], "{told}");
    }
}

trait SinceDue {
    fn now_since_due(&self) -> u64;
}

impl SinceDue for local::SteppedClock {
    fn now_since_due(&self) -> u64 {
        use ports::Clock;
        let due = model::Time::parse("2026-01-15T13:00:00Z").unwrap();
        self.now().since(due).as_secs()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_that_is_not_ours_is_not_taken_for_our_post() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(
        dir.path(),
        Setup {
            now: "2026-01-15T13:00:00Z",
            ..Setup::default()
        },
    )
    .await;
    let body = x::problem_body(
        403,
        "Forbidden",
        "You are not allowed to create a Tweet with duplicate content.",
    );
    world.x.state.script.then(fails(x::CREATE, 403, body));
    world.due().await;
    let failed = world.work().await;
    assert!(
        failed[0].contains("a post with this text that is not this job's"),
        "{failed:?}"
    );
    let job = world.jobs.find(&name(15, 0, "Hat")).await.unwrap().unwrap();
    assert_eq!((job.status, job.asked_at), (Status::Failed, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn x_may_think_about_a_picture_and_takes_large_ones_in_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let setup = Setup {
        now: "2026-01-15T13:00:00Z",
        adjust: |config| config.x.chunk = 200,
        ..Setup::default()
    };
    let world = World::with(dir.path(), setup).await;
    world.x.state.think(3);
    // A piece whose answer is lost is sent again; nothing is doubled by it.
    world.x.state.script.then(Turn {
        operation: x::APPEND,
        happens: true,
        reply: Reply::Status(503, Vec::new(), overloaded()),
    });
    world.due().await;
    assert_eq!(world.work().await, [""; 0]);
    let post = world.x.state.posts().remove(0);
    let stored = world
        .store
        .objects()
        .get("pictures", "images/january_15_0_Hat.jpg", 1 << 20)
        .await;
    assert_eq!(
        world.x.state.picture(&post.media).unwrap(),
        stored.unwrap().unwrap().body
    );
    let seen = world.x.state.script.seen().borrow().clone();
    let count = |operation| seen.iter().filter(|s| **s == operation).count();
    assert!(
        count(x::APPEND) > 2 && count(x::INITIALIZE) == 1 && count(x::FINALIZE) == 1,
        "{seen:?}"
    );
    assert_eq!((count(x::STATUS), count(x::CREATE)), (3, 1), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_day_of_another_year_is_a_picture_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(
        dir.path(),
        Setup {
            now: "2026-01-15T13:00:00Z",
            ..Setup::default()
        },
    )
    .await;
    world.due().await;
    assert_eq!(world.work().await, [""; 0]);
    let old = world
        .store
        .objects()
        .head("pictures", "images/january_15_0_Hat.jpg")
        .await
        .unwrap()
        .unwrap();
    world
        .clock
        .advance_to(model::Time::parse("2027-01-15T13:00:00Z").unwrap());
    // X refuses what it has from a year ago no longer.
    world.x.state.refuse_duplicates(false);
    // The old event comes a year late, while the new picture is not there yet.
    let event = |at| {
        let object = ports::events::ObjectCreated {
            bucket: "pictures".into(),
            key: "images/january_15_0_Hat.jpg".into(),
            size: old.size,
            at,
        };
        ports::events::notification(&[object]).to_string()
    };
    world.send("post", &event(old.modified)).await;
    world.due().await;
    assert_eq!(world.work().await, [""; 0]);
    world.send("post", &event(old.modified)).await;
    assert_eq!(world.work().await, [""; 0]);
    assert_eq!(world.posts(), ["National Hat Day!", "National Hat Day!"]);
    // An older year by hand is passed over: its name is taken.
    world
        .send("generate", r#"{"run":"2026-01-15","by":"ada"}"#)
        .await;
    assert_eq!(world.work().await, [""; 0]);
    assert_eq!(world.posts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_picture_of_ours_is_left_alone_and_what_is_no_message_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let other = ports::events::ObjectCreated {
        bucket: "pictures".into(),
        key: "images/holiday.jpg".into(),
        size: 1,
        at: model::Time::EPOCH,
    };
    world
        .send("post", &ports::events::notification(&[other]).to_string())
        .await;
    world
        .send(
            "post",
            &json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" }).to_string(),
        )
        .await;
    assert_eq!(world.work().await, [""; 0]);
    for (queue, body, why) in [
        ("post", "nonsense", "unreadable message: no JSON"),
        ("generate", "{}", "expected `schedule`"),
        ("post", r#"{"run":"2026-01-15"}"#, "this function posts"),
        (
            "generate",
            r#"{"post":"january_15_0_Hat.jpg"}"#,
            "this function draws",
        ),
        (
            "post",
            r#"{"post":"january_15_0_Hat.jpg"}"#,
            "not in the bucket",
        ),
    ] {
        world.send(queue, body).await;
        let failed = world.work().await;
        assert!(
            failed.len() == 1 && failed[0].contains(why),
            "{body}: {failed:?}"
        );
    }
    assert_eq!(
        world
            .store
            .queues()
            .depth("generate")
            .await
            .unwrap()
            .visible,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_used_fails_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    world
        .put_days("{\"Prompt\": \"p\",\n \"januray\": {}}")
        .await;
    world.due().await;
    let failed = world.work().await;
    assert_eq!(failed.len(), 1);
    assert!(
        failed[0].starts_with("national-days.json:2:") && failed[0].contains("`january`"),
        "{failed:?}"
    );
    let bucket = world.store.objects();
    bucket
        .delete("pictures", &["national-days.json".into()])
        .await
        .unwrap();
    world.due().await;
    let failed = world.work().await;
    assert!(
        failed[0].contains("there is no `national-days.json` in the bucket pictures"),
        "{failed:?}"
    );
}
