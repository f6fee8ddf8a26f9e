//! What somebody does from a terminal against the daemon that runs.

use super::Case;
use crate::world::clock;

/// Each command with what it must say, in the order in which a night goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_worked_on_from_a_terminal() {
    let data = tempfile::tempdir().unwrap();
    let case = Case::begin(data.path(), clock()).await;
    let id = case.id.clone();
    let run = async |line: &str| -> (i32, String) {
        let arguments: Vec<&str> = line.split('|').collect();
        let output = case.command(&arguments, None).await;
        case.world.app.settled().await;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        (output.status.code().unwrap(), said)
    };
    let check = async |line: &str, parts: &[&str]| {
        let (code, said) = run(&line.replace("ID", &id)).await;
        assert_eq!(code, 0, "{line}: {said}");
        for part in parts {
            let part = part.replace("ID", &id);
            assert!(said.contains(&part), "{line} lacks {part:?}:\n{said}");
        }
        said
    };
    check("incident|list", &["ID", "counter"]).await;
    check("incident|ack|ID|--by|ada", &["ada"]).await;
    check("incident|show|ID", &["ID", "lead", "ada"]).await;
    check("incident|unack|ID|--by|ada", &[]).await;
    let one = case.world.json(&format!("/api/v1/incidents/{id}")).await;
    assert!(one["acknowledged"].is_null(), "{one}");
    check("incident|note|ID|the table was throttled|--by|ada", &[]).await;
    check("why|ID", &["oncall was told", "ada acknowledged"]).await;
    check("why|lead", &["oncall was told"]).await;
    let added = "silence|add|alarm=noisy|--for|1h|--reason|a move|--by|ada";
    let said = check(added, &["SIL-"]).await;
    let begins = said.find("SIL-").unwrap();
    let silence: String = said[begins..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    check("silence|list", &[&silence, "a move", "ada"]).await;
    check(&format!("silence|expire|{silence}|--by|ada"), &[]).await;
    let listed = case.world.json("/api/v1/silences").await;
    assert!(listed.to_string().contains(&silence), "{listed}");
    let (code, said) = run("silence|expire|SIL-0000|--by|ada").await;
    assert!(code == 64 && said.contains("SIL-0000"), "{said}");
    check("incident|resolve|ID|--by|ada", &[]).await;
    let one = case.world.json(&format!("/api/v1/incidents/{id}")).await;
    assert!(!one["incident"]["resolved"].is_null(), "{one}");
    check(
        "incident|report|ID",
        &["ID", "the table was throttled", "ada"],
    )
    .await;
    check("incident|verify|ID", &["ID"]).await;
    let (code, said) = run("incident|show|INC-0000").await;
    assert!(code == 64 && said.contains("INC-0000"), "{said}");
    let (code, said) = run("drill|lead|--by|ada").await;
    assert!(code == 64 && said.contains("in ALARM already"), "{said}");
    case.intact().await;
    case.world.stop().await;
}
