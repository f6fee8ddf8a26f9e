//! What people do about what woke them: links in mails, notes, silences, and why.

use std::time::Duration;

use ports::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

const TICK: Duration = Duration::from_secs(10);

impl World {
    /// The counter fails until its alarm says so; answers the incident's id.
    async fn incident(&self) -> String {
        self.visits(3).await;
        self.step(TICK * 6).await;
        self.break_counter("1h").await;
        self.visits(5).await;
        self.step(TICK).await;
        let all = self.json("/api/v1/incidents").await;
        all[0]["id"].as_str().unwrap().to_string()
    }

    /// A write as our own pages make it.
    async fn write(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let answer = self
            .http
            .request(method, self.url(path))
            .header("origin", self.app.url())
            .json(body)
            .send()
            .await
            .unwrap();
        self.app.settled().await;
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    async fn acknowledged(&self, incident: &str) -> Vec<String> {
        let detail = self.json(&format!("/api/v1/incidents/{incident}")).await;
        let timeline = detail["timeline"].as_array().unwrap();
        let by = |e: &Value| e["by"].as_str().unwrap().to_string();
        let acks = timeline.iter().filter(|e| e["kind"] == "acknowledged");
        acks.map(by).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mails_link_shows_first_acts_once_and_only_as_it_was_signed() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let incident = world.incident().await;
    let mail = world.mails().await.remove(0);
    let base = world.url("/l/");
    let at = mail
        .body
        .find(&base)
        .expect("the mail has a link that acts");
    let link = mail.body[at..].split_whitespace().next().unwrap();
    let path = link.strip_prefix(&world.app.url()).unwrap().to_string();

    // Whatever opens it, even often, changes nothing.
    for _ in 0..3 {
        let page = world.text(&path).await;
        assert!(page.contains(&format!("Acknowledge {incident}?")), "{page}");
    }
    assert_eq!(world.acknowledged(&incident).await, Vec::<String>::new());

    // A page elsewhere may not press the button; ours may.
    let foreign = world
        .http
        .post(world.url(&path))
        .header("origin", "https://elsewhere.example.org")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);
    let (status, _) = world.write(Method::POST, &path, &Value::Null).await;
    assert_eq!(status, 200);
    let by = world.acknowledged(&incident).await;
    assert_eq!(by.len(), 1, "{by:?}");
    assert!(by[0].starts_with("oncall (mail link "), "{by:?}");

    // Once, also after the acknowledgement was taken back and over a restart.
    let (status, _) = world.write(Method::POST, &path, &Value::Null).await;
    assert_eq!(status, 409);
    let unack = format!("/api/v1/incidents/{incident}/unack");
    let (status, _) = world
        .write(Method::POST, &unack, &json!({"by": "ana"}))
        .await;
    assert_eq!(status, 200);
    let clock = world.clock.clone();
    world.stop().await;
    let world = World::start_at(data.path(), clock).await;
    let page = world.text(&path).await;
    assert!(page.contains("This link was used"), "{page}");
    let (status, _) = world.write(Method::POST, &path, &Value::Null).await;
    assert_eq!(status, 409);
    assert_eq!(world.acknowledged(&incident).await.len(), 1);

    // Nothing else is a link.
    let changed = path.replace("/l/Y", "/l/Z");
    assert_ne!(changed, path);
    assert_eq!(world.get(&changed).await.status(), 404);
    let (status, _) = world.write(Method::POST, &changed, &Value::Null).await;
    assert_eq!(status, 404);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_resolutions_and_their_authors_stand_in_the_report_and_why_answers() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let incident = world.incident().await;
    let path = |what: &str| format!("/api/v1/incidents/{incident}/{what}");
    let ask = async |what: &str, body: Value| world.write(Method::POST, &path(what), &body).await.0;

    assert_eq!(ask("notes", json!({"by": "ana", "text": " "})).await, 400);
    assert_eq!(ask("notes", json!({"by": "", "text": "x"})).await, 400);
    assert_eq!(ask("notes", json!({"by": "ana\n", "txt": "x"})).await, 400);
    let note = "The table was throttled.\n<script>alert(1)</script>";
    assert_eq!(ask("notes", json!({"by": "ana", "text": note})).await, 200);
    assert_eq!(ask("ack", json!({"by": "ana"})).await, 200);
    assert_eq!(ask("ack", json!({"by": "ben"})).await, 200, "done already");
    assert_eq!(ask("resolve", json!({"by": "ben"})).await, 200);
    assert_eq!(
        ask("resolve", json!({"by": "ana"})).await,
        200,
        "done already"
    );
    assert_eq!(ask("ack", json!({"by": "ana"})).await, 409);
    assert_eq!(world.acknowledged(&incident).await, ["ana"]);
    let unknown = "/api/v1/incidents/INC-0000/notes";
    let (status, _) = world
        .write(Method::POST, unknown, &json!({"by": "ana", "text": "x"}))
        .await;
    assert_eq!(status, 404);

    let report = world.text(&path("report")).await;
    for part in [&*incident, "The table was throttled.", "ana", "ben"] {
        assert!(report.contains(part), "{part} in {report}");
    }
    let page = world.text(&format!("/incidents/{incident}")).await;
    assert!(page.contains("resolved by ben"), "{page}");
    assert!(!page.contains("<script>alert(1)"), "{page}");

    for id in [&*incident, "counter-faults"] {
        let why = world.json(&format!("/api/v1/why/{id}")).await.to_string();
        assert!(why.contains("oncall was told, because"), "{id}: {why}");
    }
    assert_eq!(world.get("/api/v1/why/nothing").await.status(), 404);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silence_holds_the_mail_says_so_and_what_is_open_at_its_end_is_told() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let add = async |body: Value| world.write(Method::POST, "/api/v1/silences", &body).await;
    for wrong in [
        json!({"match": {}, "by": "ana", "for": "1h"}),
        json!({"match": {"service": "counter"}, "by": "", "for": "1h"}),
        json!({"match": {"service": "=~ ("}, "by": "ana", "for": "1h"}),
        json!({"match": {"service": "counter"}, "by": "ana", "for": "soon"}),
        json!({"match": {"service": "counter"}, "by": "ana", "for": "365d"}),
        json!({"match": {"service": "counter"}, "by": "ana"}),
    ] {
        assert_eq!(add(wrong.clone()).await.0, 400, "{wrong}");
    }
    let asked = json!({"match": {"service": "counter"}, "by": "ana", "for": "1h", "reason": "we move the table"});
    let (status, silence) = add(asked).await;
    assert_eq!((status, &silence["state"]), (200, &json!("active")));
    let id = silence["id"].as_str().unwrap().to_string();

    let incident = world.incident().await;
    assert_eq!(world.state("counter-faults").await, "ALARM", "states go on");
    assert_eq!(world.mails().await, []);
    let why = world
        .json(&format!("/api/v1/why/{incident}"))
        .await
        .to_string();
    assert!(why.contains("was not told") && why.contains(&id), "{why}");
    let page = world.text("/silences").await;
    assert!(
        page.contains(&id) && page.contains("we move the table"),
        "{page}"
    );

    let end = format!("/api/v1/silences/{id}?by=ana");
    assert_eq!(world.write(Method::DELETE, &end, &Value::Null).await.0, 200);
    world.step(TICK * 6).await;
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    assert!(mails[0].subject.contains(&incident), "{}", mails[0].subject);
    let (_, all) = world
        .write(Method::GET, "/api/v1/silences", &Value::Null)
        .await;
    assert_eq!(
        (&all[0]["state"], &all[0]["ended_by"]),
        (&json!("ended"), &json!("ana"))
    );
    assert_eq!(
        world
            .write(
                Method::DELETE,
                "/api/v1/silences/SIL-0000?by=ana",
                &Value::Null
            )
            .await
            .0,
        404
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_goes_the_whole_way_and_its_figure_is_a_metric() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.visits(3).await;
    world.step(TICK * 6).await;
    let drill = async |alarm: &str| {
        let path = format!("/api/v1/drills/{alarm}");
        world
            .write(Method::POST, &path, &json!({"by": "ana"}))
            .await
    };
    assert_eq!(drill("nothing").await.0, 404);
    let (status, begun) = drill("counter-faults").await;
    assert_eq!(status, 200, "{begun}");
    assert_eq!(drill("counter-faults").await.0, 409, "it is in ALARM");
    let path = format!(
        "/api/v1/drills/counter-faults?at={}",
        begun["at"].as_str().unwrap()
    );
    let seen = world.json(&path).await;
    for stage in ["received", "decided", "accepted"] {
        assert!(
            seen[stage].as_f64().is_some_and(|s| s < 1.0),
            "{stage}: {seen}"
        );
    }
    assert_eq!(seen["receiver"], "oncall");
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1);
    assert!(
        mails[0]
            .subject
            .contains(seen["incident"].as_str().unwrap())
    );

    // The alarm finds its own state again, and the recovery is told.
    world.step(TICK * 60).await;
    assert_eq!(world.state("counter-faults").await, "OK");
    assert_eq!(world.mails().await.len(), 2);
    let query = "Maximum(Nightbell/DrillSeconds{Estate=\"demo\"})[1m]";
    let body = world
        .json(&format!(
            "/api/v1/metrics/query?start={}&end={}&q={}",
            begun["at"].as_str().unwrap(),
            world.clock.now(),
            crate::world::encode(query)
        ))
        .await;
    let values = body["MetricDataResults"][0]["Values"].as_array().unwrap();
    assert_eq!(values.len(), 1, "{body}");
    world.stop().await;
}
