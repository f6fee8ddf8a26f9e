//! The chain of a timeline, its seals, and the report made from it.

use model::{Entry, IncidentId, RunbookRef, Step};
use response::{Engine, verify};

use crate::script::{play, routes, seconds, start};

const ROUTES: &str = "oncall wait=0s escalate=15m:boss";
const STORY: &str = "0s counter-errors ALARM
     1m counter-slow ALARM
     2m ack #1
     3m note #1 the table was throttled
     10m counter-slow OK
     20m counter-errors OK
     1h end";

fn journal() -> Vec<Entry> {
    play(ROUTES, STORY).journal().to_vec()
}

fn broken(journal: &[Entry]) -> usize {
    let mut engine = Engine::new(&routes(ROUTES));
    verify(&mut engine, (1..).zip(journal)).len()
}

#[test]
fn a_journal_that_nobody_touched_verifies_and_survives_being_stored() {
    let journal = journal();
    let seals = journal.iter().filter(|e| matches!(e, Entry::Sealed { .. }));
    assert!(seals.count() >= 3);
    assert_eq!(broken(&journal), 0);
    let stored: Vec<Entry> = journal
        .iter()
        .map(|entry| serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap())
        .collect();
    assert_eq!(stored, journal);
    assert_eq!(broken(&stored), 0);
}

#[test]
fn whoever_changes_removes_or_adds_an_entry_is_found_out() {
    let journal = journal();
    let last_seal = journal
        .iter()
        .rposition(|e| matches!(e, Entry::Sealed { .. }))
        .unwrap();
    let mut tried = 0;
    for i in 0..last_seal {
        // What belongs to no timeline, and what opens the incident: without it there is nothing to
        // judge.
        if matches!(journal[i], Entry::Sealed { .. } | Entry::Opened { .. }) {
            continue;
        }
        let mut removed = journal.clone();
        removed.remove(i);
        assert!(broken(&removed) > 0, "without {:?}", journal[i]);
        tried += 1;
    }
    assert!(tried > 8, "{tried}");

    let mut changed = journal.clone();
    for entry in &mut changed {
        if let Entry::Noted { text, .. } = entry {
            *text = "nothing happened".into();
        }
    }
    assert!(broken(&changed) > 0);

    let mut added = journal.clone();
    let incident = added.iter().find_map(|entry| match entry {
        Entry::Opened { incident, .. } => Some(incident.clone()),
        _ => None,
    });
    added.insert(
        3,
        Entry::Noted {
            incident: incident.unwrap(),
            by: "somebody".into(),
            text: "I was here".into(),
            at: start() + seconds(1),
        },
    );
    assert!(broken(&added) > 0);
}

#[test]
fn the_chain_shows_every_entry_with_its_hash_and_each_stands_on_the_one_before() {
    let simulation = play(ROUTES, STORY);
    let engine = simulation.engine();
    let id = engine.incident_ids().next().unwrap();
    let chain = engine.chain(id);
    let timeline: Vec<(i64, Entry)> = engine.timeline(id).collect();
    assert_eq!(chain.len(), timeline.len());
    let mut hashes: Vec<&str> = chain.iter().map(|l| l.hash.as_str()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), chain.len());
    let report = engine.report(id, simulation.now()).unwrap();
    assert_eq!(report.hash, chain.last().unwrap().hash);
}

#[test]
fn a_report_tells_the_story_with_its_times() {
    let mut simulation = play(ROUTES, STORY);
    let id: IncidentId = simulation.engine().incident_ids().next().unwrap().clone();
    simulation.enter(Entry::Step {
        incident: id.clone(),
        runbook: RunbookRef {
            stem: "counter-errors".into(),
            heading: Some("is-it-the-table".into()),
        },
        step: Step::Finished {
            action: "redrive".into(),
            result: "12 messages moved".into(),
        },
        by: "web".into(),
        at: simulation.now(),
    });
    let report = simulation.engine().report(&id, simulation.now()).unwrap();
    assert_eq!(report.until_told, Some(seconds(0)));
    assert_eq!(report.until_acknowledged, Some(seconds(120)));
    assert_eq!(report.until_resolved, Some(seconds(1200)));
    assert_eq!(report.people, ["somebody", "web"]);
    let text = report.markdown();
    for part in [
        "- Until somebody acknowledged: 2 minutes",
        "- counter-errors: counter-errors is bad Since 2026-01-05T08:00:00Z, OK again.",
        "- 2026-01-05T08:03:00Z somebody wrote\n  the table was throttled",
        "web, counter-errors\\#is-it-the-table: redrive done\n  12 messages moved",
        "resolved: all its alarms are OK",
        "## Actions",
        &report.hash,
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}
