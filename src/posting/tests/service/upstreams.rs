//! The clients of OpenAI and X against their stand-ins: every kind of answer, and what is made of it.

use std::time::Duration;

use posting::config;
use posting::meters::Meters;
use posting::standin::{Reply, Turn, openai, x};
use posting::upstream::openai::{Model, OpenAi};
use posting::upstream::x::X;
use posting::upstream::{Kind, Web};
use serde_json::{Value, json};

use crate::world::{OPENAI_KEY, World, X_PARTS};

fn web(world: &World) -> Web {
    let stand = &world.stand;
    let meters = Meters::new(&world.telemetry);
    Web::new(
        stand.clock.clone(),
        stand.secrets.clone(),
        stand.pauses.clone(),
        meters,
    )
}

fn painter(world: &World, adjust: impl FnOnce(&mut Model)) -> OpenAi {
    let mut config = world.config.openai.clone();
    config.timeout = Duration::from_millis(300);
    adjust(&mut config.model);
    OpenAi::new(web(world), config)
}

fn poster(world: &World) -> X {
    let config = config::X {
        timeout: Duration::from_millis(300),
        ..world.config.x.clone()
    };
    X::new(web(world), config)
}

fn turn(
    operation: &'static str,
    status: u16,
    headers: &[(&'static str, &str)],
    body: Value,
) -> Turn {
    let headers = headers
        .iter()
        .map(|(n, v)| (*n, (*v).to_string()))
        .collect();
    Turn {
        operation,
        happens: false,
        reply: Reply::Status(status, headers, body),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn current_and_older_models_draw_by_base64_and_by_address() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    for (name, quality, style, address) in [
        ("gpt-image-1", None, None, false),
        ("gpt-image-1-mini", Some("low"), None, false),
        ("dall-e-3", Some("hd"), Some("natural"), false),
        ("dall-e-3", None, None, true),
        ("dall-e-2", None, None, true),
        ("dall-e-2", None, None, false),
    ] {
        let painter = painter(&world, |model| {
            model.name = name.into();
            model.quality = quality.map(Into::into);
            model.style = style.map(Into::into);
            model.address = address;
        });
        let picture = painter
            .draw("a \"ghost\"")
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(picture[..3], [0xff, 0xd8, 0xff], "{name}");
    }
    assert_eq!(world.openai.state.prompts().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_openai_does_not_draw_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let say = openai::error_body;
    let check = async |turns: Vec<Turn>, expect: Kind, calls: usize, why: &str| {
        let before = world.openai.state.script.seen().borrow().len();
        let count = turns.len();
        for turn in turns {
            world.openai.state.script.then(turn);
        }
        let told = painter(&world, |_| {}).draw("a ghost").await.unwrap_err();
        assert_eq!(told.kind, expect, "{told}");
        assert!(told.to_string().contains(why), "{told}");
        let made = world.openai.state.script.seen().borrow().len() - before;
        assert_eq!((made, count), (calls, calls), "{told}");
    };
    let many = |n: usize, turn: Turn| vec![turn; n];
    let draw =
        |status, code: &str, words: &str| turn(openai::DRAW, status, &[], say(("t", code), words));
    check(
        many(1, draw(400, "content_policy_violation", "safety system")),
        Kind::Policy,
        1,
        "safety system",
    )
    .await;
    check(
        many(1, draw(400, "moderation_blocked", "safety system")),
        Kind::Policy,
        1,
        "400",
    )
    .await;
    check(
        many(1, draw(400, "invalid_value", "Invalid value for 'size'.")),
        Kind::Refused,
        1,
        "size",
    )
    .await;
    check(
        many(
            1,
            draw(429, "insufficient_quota", "You exceeded your quota"),
        ),
        Kind::Credit,
        1,
        "quota",
    )
    .await;
    check(
        many(2, draw(401, "invalid_api_key", OPENAI_KEY)),
        Kind::Denied,
        2,
        "the API key is not accepted",
    )
    .await;
    check(
        many(4, draw(500, "server_error", "sorry")),
        Kind::Unclear,
        4,
        "500",
    )
    .await;
    // Without a header the own backoff; the last answer counts.
    check(
        many(4, draw(429, "rate_limit_exceeded", "Rate limit reached")),
        Kind::Limited(None),
        4,
        "429",
    )
    .await;
    let told = |header: &'static str, value: &str| {
        turn(
            openai::DRAW,
            429,
            &[(header, value)],
            say(("t", "rate_limit_exceeded"), "Rate limit reached"),
        )
    };
    // Longer than an attempt's patience: the queue is the better place to wait.
    let later = Kind::Limited(Some(Duration::from_secs(3_600)));
    check(many(1, told("retry-after", "3600")), later, 1, "429").await;
    let half = Turn {
        operation: openai::DRAW,
        happens: true,
        reply: Reply::Half,
    };
    check(many(4, half), Kind::Unclear, 4, "half an answer").await;
    let silence = Turn {
        operation: openai::DRAW,
        happens: false,
        reply: Reply::Silence,
    };
    check(many(4, silence), Kind::Unclear, 4, "no answer in time").await;
    check(
        many(1, turn(openai::DRAW, 200, &[], json!({ "data": [] }))),
        Kind::Unusable,
        1,
        "neither",
    )
    .await;
    check(
        many(
            1,
            turn(
                openai::DRAW,
                200,
                &[],
                json!({ "data": [{ "b64_json": "AAAA" }] }),
            ),
        ),
        Kind::Unusable,
        1,
        "JPEG nor PNG",
    )
    .await;
    let elsewhere = json!({ "data": [{ "url": "file:///etc/passwd" }] });
    check(
        many(1, turn(openai::DRAW, 200, &[], elsewhere)),
        Kind::Unusable,
        1,
        "not https",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_help_is_made_again_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let limited = openai::error_body(("t", "rate_limit_exceeded"), "Rate limit reached");
    let script = &world.openai.state.script;
    script.then(turn(
        openai::DRAW,
        429,
        &[("retry-after", "2")],
        limited.clone(),
    ));
    script.then(turn(
        openai::DRAW,
        429,
        &[("x-ratelimit-reset-requests", "1m0s")],
        limited.clone(),
    ));
    let told = painter(&world, |_| {}).draw("a ghost").await.unwrap_err();
    assert_eq!(
        told.kind,
        Kind::Limited(Some(Duration::from_secs(60))),
        "a minute is too long for one attempt"
    );
    let pauses = std::mem::take(&mut *world.pauses.0.lock().unwrap());
    assert!(
        pauses.len() == 1 && pauses[0] >= Duration::from_secs(2),
        "{pauses:?}"
    );
    script.then(turn(openai::DRAW, 503, &[], limited.clone()));
    script.then(turn(openai::DRAW, 503, &[], limited));
    assert!(painter(&world, |_| {}).draw("a ghost").await.is_ok());
    let pauses = std::mem::take(&mut *world.pauses.0.lock().unwrap());
    // Half of 0.5 s, half of 1 s: the chance of the tests.
    assert_eq!(
        pauses,
        [Duration::from_millis(250), Duration::from_millis(500)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_known_to_have_done_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path()).await;
    // A port of loopback that nobody has.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    world.config.x.url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let media = posting::upstream::x::Media { id: "1".into() };
    let told = poster(&world)
        .publish("National Hat Day!", &media)
        .await
        .unwrap_err();
    assert_eq!(told.kind, Kind::Unsent, "{told}");
    assert_eq!(
        world.pauses.0.lock().unwrap().len(),
        3,
        "so it is asked four times"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_x_does_not_post_is_told_apart_and_only_what_cannot_be_there_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let media = poster(&world)
        .upload(posting::standin::picture("Hat", 16))
        .await
        .unwrap();
    let say = |status: u16, detail: &str| x::problem_body(status, "title", detail);
    let check = async |turns: Vec<Turn>, expect: Kind, why: &str| {
        let calls = turns.len();
        for turn in turns {
            world.x.state.script.then(turn);
        }
        let before = world.x.state.script.seen().borrow().len();
        let told = poster(&world)
            .publish("National Hat Day!", &media)
            .await
            .unwrap_err();
        assert_eq!(told.kind, expect, "{told}");
        assert!(told.to_string().contains(why), "{told}");
        let made = world.x.state.script.seen().borrow().len() - before;
        assert_eq!(made, calls, "{told}");
    };
    let create = |status, detail: &str| turn(x::CREATE, status, &[], say(status, detail));
    check(vec![create(500, "oops")], Kind::Unclear, "500").await;
    check(
        vec![create(503, "Over capacity")],
        Kind::Unclear,
        "Over capacity",
    )
    .await;
    check(
        vec![create(400, "Your media IDs are invalid.")],
        Kind::Refused,
        "media IDs",
    )
    .await;
    check(
        vec![create(402, "CreditsDepleted")],
        Kind::Credit,
        "CreditsDepleted",
    )
    .await;
    check(
        vec![create(401, "Unauthorized"), create(401, "Unauthorized")],
        Kind::Denied,
        "401",
    )
    .await;
    check(
        vec![create(403, "Not permitted"), create(403, "Not permitted")],
        Kind::Denied,
        "403",
    )
    .await;
    check(
        vec![create(
            403,
            "You are not allowed to create a Tweet with duplicate content.",
        )],
        Kind::Duplicate,
        "403",
    )
    .await;
    // Limited until a second that is further away than an attempt waits.
    let reset = (world.stand.clock.now().secs() + 900).to_string();
    let limited = turn(
        x::CREATE,
        429,
        &[
            ("x-rate-limit-reset", &reset),
            ("x-rate-limit-limit", "17"),
            ("x-rate-limit-remaining", "0"),
        ],
        say(429, "Too Many Requests"),
    );
    check(
        vec![limited],
        Kind::Limited(Some(Duration::from_secs(900))),
        "Too Many Requests",
    )
    .await;
    for happens in [true, false] {
        world.x.state.refuse_duplicates(false);
        let half = Turn {
            operation: x::CREATE,
            happens,
            reply: Reply::Half,
        };
        check(vec![half], Kind::Unclear, "half an answer").await;
        let silence = Turn {
            operation: x::CREATE,
            happens,
            reply: Reply::Silence,
        };
        check(vec![silence], Kind::Unclear, "no answer in time").await;
    }
    // Limited for seconds: asked again, since a limited call has no effect.
    world.x.state.refuse_duplicates(true);
    let before = world.x.state.posts().len();
    let soon = (world.stand.clock.now().secs() + 3).to_string();
    let limited = turn(
        x::CREATE,
        429,
        &[("x-rate-limit-reset", &soon)],
        say(429, "Too Many Requests"),
    );
    world.x.state.script.then(limited);
    poster(&world)
        .publish("National Cat Day!", &media)
        .await
        .unwrap();
    assert_eq!(world.x.state.posts().len(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_takes_only_what_is_signed_rightly_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    assert_eq!(
        poster(&world).account().await.unwrap().username,
        "spooky_days"
    );
    let [key, secret, token, _] = X_PARTS;
    let wrong = json!({ "api_key": key, "api_secret": secret, "access_token": token, "access_token_secret": "other" });
    let whole = world
        .secrets
        .0
        .lock()
        .unwrap()
        .iter()
        .find(|(n, _)| n == "x")
        .unwrap()
        .1
        .clone();
    world.secrets.set("x", &wrong.to_string());
    let told = poster(&world).account().await.unwrap_err();
    assert_eq!(told.kind, Kind::Denied, "{told}");
    world.secrets.set("x", "not json");
    let told = poster(&world).account().await.unwrap_err();
    assert_eq!(
        (told.kind.clone(), told.detail.as_str()),
        (
            Kind::NoSecret,
            "the secret `x` is not a JSON object of four texts"
        )
    );
    world.secrets.set("x", &whole);
    assert!(poster(&world).account().await.is_ok());
    world
        .secrets
        .0
        .lock()
        .unwrap()
        .retain(|(n, _)| n != "openai");
    let told = painter(&world, |_| {}).draw("a ghost").await.unwrap_err();
    assert!(
        told.kind == Kind::NoSecret && told.detail.contains("read secret openai: not found"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_finds_our_post_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let (x, now) = (poster(&world), world.stand.clock.now());
    let media = x
        .upload(posting::standin::picture("Hat", 16))
        .await
        .unwrap();
    let post = x.publish("National Hat Day!", &media).await.unwrap();
    assert_eq!(x.find("National Hat Day!", now).await.unwrap(), Some(post));
    assert_eq!(x.find("National Hat", now).await.unwrap(), None);
    assert_eq!(x.find("National Cat Day!", now).await.unwrap(), None);
    world.clock.advance_by(Duration::from_secs(8 * 86_400));
    let told = x.find("National Hat Day!", now).await.unwrap_err();
    assert_eq!(told.kind, Kind::Unusable, "{told}");
}
