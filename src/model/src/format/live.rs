//! The text of live blocks in runbooks: queries of one line, actions as YAML.

use std::time::Duration;

use crate::format::grammar;
use crate::query;
use crate::report::{Mark, Report, suggest};
use crate::runbook::{Act, Action, Block, BlockKind, Gate, Live, Role, Step, Test};
use crate::shape::{Fields, Shape, Table, check, may, need};
use crate::yaml::{self, Node};

/// An action that nobody verifies at another time is looked at after this.
const VERIFY_AFTER: Duration = Duration::from_secs(300);
/// Alarms are kept from acting for at most this long.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

static TEST: Table = Table {
    name: "test",
    doc: "A question with a yes or no.",
    keys: &[
        may("query", Shape::Text, "A metric query; with `is`."),
        may(
            "is",
            Shape::Grammar(&grammar::THRESHOLD),
            "What its newest value has to be.",
        ),
        may("alarm", Shape::Text, "An alarm that has to be OK."),
        may(
            "after",
            Shape::Duration,
            "Of `verify`: how long after the action it is asked; default 5m.",
        ),
    ],
};

/// The keys that every action has, after its own.
macro_rules! action {
    ($name:literal, $doc:literal, $($own:expr),+ $(,)?) => {
        Table {
            name: $name,
            doc: $doc,
            keys: &[
                $($own,)+
                may("confirm", Shape::Bool, "Whoever asked confirms it after the dry run."),
                may("approve", Shape::Words(&["responder", "admin"]), "A second person with this role approves it."),
                may("when", Shape::Table(&TEST), "What has to be true before it runs."),
                may("verify", Shape::Table(&TEST), "What shows that it worked."),
            ],
        }
    };
}

static REDRIVE: Table = action!(
    "redrive",
    "Moves messages of a dead-letter queue back to where they came from.",
    need("queue", Shape::Text, "The dead-letter queue."),
    may(
        "per_second",
        Shape::Integer(1, 500),
        "Messages a second; default 10."
    ),
    may(
        "most",
        Shape::Integer(1, 1_000_000),
        "With more messages than this it is not done; default 10000."
    ),
);
static SET_CONCURRENCY: Table = action!(
    "set-concurrency",
    "Sets how many executions of a function may run at once.",
    need("function", Shape::Text, "The function."),
    may(
        "to",
        Shape::Integer(0, 10_000),
        "How many; without it, it is no longer limited by itself."
    ),
);
static DISABLE: Table = action!(
    "disable-alarm-actions",
    "Keeps alarms from acting, and silences them, for a while.",
    need("alarms", Shape::OneOrMany(&Shape::Text), "Which alarms."),
    need("for", Shape::Duration, "For how long, at most a day."),
);
static INVOKE: Table = action!(
    "invoke",
    "Invokes a function once.",
    need("function", Shape::Text, "The function."),
    may("payload", Shape::Json, "What it is given; default {}."),
);

/// What runbooks may ask to be done, by name.
pub(crate) static ACTIONS: &[(&str, &Table)] = &[
    ("disable-alarm-actions", &DISABLE),
    ("invoke", &INVOKE),
    ("redrive", &REDRIVE),
    ("set-concurrency", &SET_CONCURRENCY),
];

/// Reads a live block, whose text begins in the line after its fence.
pub(crate) fn read(block: &Block, report: &mut Report) -> Option<Live> {
    let at = Mark {
        line: block.place.line + 1,
        column: 1,
    };
    match &block.kind {
        BlockKind::Expect => Some(Live::Expect),
        // What is wrong in a metric query is reported where metrics are looked up.
        BlockKind::QueryMetrics => {
            let lines = block.text.lines().filter(|l| !l.trim().is_empty());
            let all: Result<Vec<_>, _> = lines.map(query::parse).collect();
            all.ok().map(Live::Metrics)
        }
        BlockKind::QueryLogs => {
            let mut words = words(&block.text, at, report)?.into_iter();
            match words.next() {
                Some(group) => Some(Live::Logs {
                    group,
                    terms: words.collect(),
                }),
                None => {
                    let help =
                        "write LOG-GROUP WORD ..., for example /aws/lambda/demo-counter ERROR";
                    report.error_with(at, "the query names no log group", Some(help.into()));
                    None
                }
            }
        }
        BlockKind::QueryTraces => traces(&words(&block.text, at, report)?, at, report),
        BlockKind::QueryAlarms => alarms(&words(&block.text, at, report)?, at, report),
        BlockKind::Action(name) => action(name, block, at, report),
    }
}

/// An approval names a step's action, so that there is one of each.
pub(crate) fn each_action_once(step: &Step, report: &mut Report) {
    let mut seen: Vec<&str> = Vec::new();
    for block in &step.blocks {
        let BlockKind::Action(name) = &block.kind else {
            continue;
        };
        if seen.contains(&name.as_str()) {
            let at = Mark {
                line: block.place.line,
                column: block.place.column,
            };
            report.error_with(
                at,
                format!("the step has two actions `{name}`"),
                Some("put the second one under a heading of its own".into()),
            );
        }
        seen.push(name);
    }
}

/// Words; what stands in quotes is one.
fn words(text: &str, at: Mark, report: &mut Report) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some(both) => both,
                None => {
                    report.error_with(at, "a quotation mark is never closed", None);
                    return None;
                }
            },
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_string());
        rest = after.trim_start();
    }
    Some(words)
}

fn traces(words: &[String], at: Mark, report: &mut Report) -> Option<Live> {
    let (mut service, mut failed) = (None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "failed" => failed = true,
            "service" => service = Some(words.next().cloned()?),
            other => {
                let help = suggest(other, ["service", "failed"], "there are");
                report.error_with(
                    at,
                    format!("`{other}` is no word of `query traces`"),
                    Some(help),
                );
                return None;
            }
        }
    }
    Some(Live::Traces { service, failed })
}

fn alarms(words: &[String], at: Mark, report: &mut Report) -> Option<Live> {
    let (mut services, mut names, mut firing) = (Vec::new(), Vec::new(), false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "firing" => firing = true,
            "service" => services.push(words.next().cloned()?),
            "alarm" => names.push(words.next().cloned()?),
            other => {
                let help = suggest(other, ["service", "alarm", "firing"], "there are");
                report.error_with(
                    at,
                    format!("`{other}` is no word of `query alarms`"),
                    Some(help),
                );
                return None;
            }
        }
    }
    Some(Live::Alarms {
        services,
        names,
        firing,
    })
}

fn action(name: &str, block: &Block, at: Mark, report: &mut Report) -> Option<Live> {
    let (_, table) = ACTIONS.iter().find(|(known, _)| *known == name)?;
    if block.text.trim().is_empty() {
        let keys: Vec<&str> = table
            .keys
            .iter()
            .filter(|k| k.required)
            .map(|k| k.name)
            .collect();
        report.error_with(
            at,
            format!("the action `{name}` says nothing"),
            Some(format!("add {}", keys.join(", "))),
        );
        return None;
    }
    let before = report.problems.len();
    let root = yaml::parse_from(&block.text, at.line, report)?;
    check(&root, &Shape::Table(table), report);
    let fields = Fields::new(&root, table);
    let gate = gate(name, &fields, at, report);
    let when = fields.get("when").and_then(|node| test(node, report));
    let verify = fields.get("verify").and_then(|node| {
        let after = Fields::new(node, &TEST).duration("after");
        Some((test(node, report)?, after.unwrap_or(VERIFY_AFTER)))
    });
    if report.problems.len() > before {
        return None;
    }
    let act = match name {
        "redrive" => Act::Redrive {
            queue: fields.string("queue")?,
            per_second: fields.integer("per_second").unwrap_or(10),
            most: fields.integer("most").unwrap_or(10_000),
        },
        "set-concurrency" => Act::SetConcurrency {
            function: fields.string("function")?,
            to: fields.integer("to"),
        },
        "invoke" => Act::Invoke {
            function: fields.string("function")?,
            payload: match fields.get("payload") {
                Some(node) => node.to_json(),
                None => serde_json::json!({}),
            },
        },
        _ => {
            let length = fields.duration("for")?;
            if length > LONGEST || length.is_zero() {
                let at = fields.get("for").map_or(at, |node| node.at);
                report.error_with(
                    at,
                    "alarms are kept from acting for at most a day",
                    Some("give a duration of at most 1d".into()),
                );
                return None;
            }
            Act::DisableAlarmActions {
                alarms: match fields.items("alarms") {
                    [] => fields
                        .text("alarms")
                        .into_iter()
                        .map(String::from)
                        .collect(),
                    _ => fields.strings("alarms"),
                },
                length,
            }
        }
    };
    Some(Live::Action(Box::new(Action {
        act,
        gate: gate?,
        when,
        verify,
    })))
}

/// Exactly one of `confirm: true` and `approve: ROLE`: nothing runs on one press of a button.
fn gate(name: &str, fields: &Fields<'_>, at: Mark, report: &mut Report) -> Option<Gate> {
    let help = || Some("add `confirm: true`, or `approve: responder` for a second person".into());
    match (fields.flag("confirm"), fields.text("approve")) {
        (true, None) => Some(Gate::Confirm),
        (false, Some("admin")) => Some(Gate::Approve(Role::Admin)),
        (false, Some(_)) => Some(Gate::Approve(Role::Responder)),
        (true, Some(_)) => {
            report.error_with(at, "`confirm` and `approve` exclude each other", help());
            None
        }
        (false, None) => {
            report.error_with(
                at,
                format!("the action `{name}` needs somebody's word"),
                help(),
            );
            None
        }
    }
}

fn test(node: &Node, report: &mut Report) -> Option<Test> {
    let fields = Fields::new(node, &TEST);
    let help = || Some("write `query:` and `is:`, or `alarm:`".into());
    match (
        fields.text("query"),
        fields.text("is"),
        fields.text("alarm"),
    ) {
        (Some(text), Some(is), None) => match (query::parse(text), grammar::threshold(is)) {
            (Ok(stat), Some(is)) => Some(Test::Metric {
                query: Box::new(stat),
                is,
            }),
            (Err(error), _) => {
                let at = fields.get("query").map_or(node.at, |n| n.at);
                report.error_with(at, error.message, help());
                None
            }
            // The shape reported it.
            (Ok(_), None) => None,
        },
        (None, None, Some(alarm)) => Some(Test::AlarmOk(alarm.into())),
        _ => {
            report.error_with(node.at, "this asks nothing that can be answered", help());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Place;

    fn block(kind: BlockKind, text: &str) -> (Option<Live>, Vec<String>) {
        let mut report = Report::new("r.md");
        let block = Block {
            kind,
            text: text.into(),
            live: None,
            place: Place {
                file: "r.md".into(),
                line: 9,
                column: 1,
            },
        };
        let live = read(&block, &mut report);
        let problems = report.problems.iter().map(|p| p.to_string()).collect();
        (live, problems)
    }

    #[test]
    fn actions_say_what_they_do_whose_word_they_need_and_what_limits_them() {
        let check = |name: &str, text: &str| {
            let (live, problems) = block(BlockKind::Action(name.into()), text);
            assert_eq!(problems, Vec::<String>::new(), "{text}");
            let Some(Live::Action(action)) = live else {
                panic!("{text}");
            };
            assert_eq!(action.act.name(), name);
            *action
        };
        let redrive = check(
            "redrive",
            "queue: demo-dlq\nmost: 500\nconfirm: true\nverify: { query: 'Maximum(AWS/SQS/ApproximateNumberOfMessagesVisible{QueueName=\"demo-dlq\"})[1m]', is: '< 1', after: 2m }\n",
        );
        let expect = Act::Redrive {
            queue: "demo-dlq".into(),
            per_second: 10,
            most: 500,
        };
        assert_eq!((redrive.act, redrive.gate), (expect, Gate::Confirm));
        assert!(
            matches!(redrive.verify, Some((Test::Metric { .. }, after)) if after.as_secs() == 120)
        );
        let quiet = check(
            "disable-alarm-actions",
            "alarms: [a, b]\nfor: 1h\napprove: admin\nwhen: { alarm: deploying }\n",
        );
        assert_eq!(quiet.gate, Gate::Approve(Role::Admin));
        assert_eq!(quiet.when, Some(Test::AlarmOk("deploying".into())));
        check(
            "disable-alarm-actions",
            "alarms: a\nfor: 1h\nconfirm: true\n",
        );
        check("set-concurrency", "function: f\nto: 5\nconfirm: true\n");
        let invoke = check(
            "invoke",
            "function: f\npayload: { a: [1, b] }\napprove: responder\n",
        );
        let payload = serde_json::json!({ "a": [1, "b"] });
        let function = "f".into();
        assert_eq!(invoke.act, Act::Invoke { function, payload });
    }

    #[test]
    fn what_is_wrong_in_a_live_block_has_a_place_and_a_way_out() {
        let check = |kind: BlockKind, text: &str, expect: &[&str]| {
            let (live, problems) = block(kind, text);
            assert_eq!(
                (live, problems),
                (None, expect.iter().map(|e| e.to_string()).collect()),
                "{text}"
            );
        };
        let action = |name: &str| BlockKind::Action(name.into());
        check(
            action("redrive"),
            "queue: q\n",
            &[
                "r.md:10:1: the action `redrive` needs somebody's word (add `confirm: true`, or `approve: responder` for a second person)",
            ],
        );
        check(
            action("redrive"),
            "queue: q\nconfirm: true\nper_secnd: 5\n",
            &["r.md:12:1: unknown key `per_secnd` (did you mean `per_second`?)"],
        );
        check(
            action("disable-alarm-actions"),
            "alarms: [a]\nfor: 2d\nconfirm: true\n",
            &[
                "r.md:11:6: alarms are kept from acting for at most a day (give a duration of at most 1d)",
            ],
        );
        check(
            BlockKind::QueryTraces,
            "service counter faild\n",
            &["r.md:10:1: `faild` is no word of `query traces` (did you mean `failed`?)"],
        );
        check(
            BlockKind::QueryLogs,
            "\n",
            &[
                "r.md:10:1: the query names no log group (write LOG-GROUP WORD ..., for example /aws/lambda/demo-counter ERROR)",
            ],
        );
    }

    #[test]
    fn queries_are_words_and_what_stands_in_quotes_is_one() {
        let (live, _) = block(BlockKind::QueryLogs, "/aws/lambda/f ERROR \"timed out\"\n");
        let expect = Live::Logs {
            group: "/aws/lambda/f".into(),
            terms: vec!["ERROR".into(), "timed out".into()],
        };
        assert_eq!(live, Some(expect));
        let (live, _) = block(BlockKind::QueryAlarms, "service counter firing\n");
        let expect = Live::Alarms {
            services: vec!["counter".into()],
            names: Vec::new(),
            firing: true,
        };
        assert_eq!(live, Some(expect));
    }
}
