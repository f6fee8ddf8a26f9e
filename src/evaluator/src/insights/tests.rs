use model::{LogRole, LogValue, Time};

use super::{Event, Query, Source, functions};

const NOW: Time = Time::from_secs(1_767_600_600);

/// Lines as functions write them, oldest first: (seconds after 08:00, text).
const LINES: &[(i64, &str)] = &[
    (
        0,
        r#"{"level":"INFO","message":"counted","ms":12,"route":{"name":"count"},"ok":true}"#,
    ),
    (
        10,
        r#"{"level":"ERROR","message":"not counted","ms":40,"route":{"name":"count"},"tags":["a","b"]}"#,
    ),
    (70, "START RequestId: 6a1f Version: $LATEST"),
    (80, "[WARN] slow user=ann took 250 ms"),
    (90, "[ERROR] failed user=bob took 900 ms"),
    (
        100,
        "REPORT RequestId: 6a1f\tDuration: 812.50 ms\tBilled Duration: 813 ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\tInit Duration: 102.00 ms\t",
    ),
];

fn events() -> Vec<Event<'static>> {
    let newest_first = LINES.iter().rev();
    newest_first
        .map(|(at, message)| Event {
            at: Time::from_secs(1_767_600_000 + at),
            group: "/aws/lambda/demo",
            stream: "s",
            message,
        })
        .collect()
}

/// The rows of the answer, cells joined by ` | `.
fn rows(query: &str) -> Vec<String> {
    let query = Query::parse(query).unwrap_or_else(|fault| panic!("{query}: {fault}"));
    let table = query.run(&events(), NOW);
    let join = |row: &Vec<LogValue>| {
        let cells: Vec<String> = row.iter().map(ToString::to_string).collect();
        cells.join(" | ")
    };
    table.rows.iter().map(join).collect()
}

fn columns(query: &str) -> Vec<(String, LogRole)> {
    let table = Query::parse(query).unwrap().run(&events(), NOW);
    table
        .columns
        .into_iter()
        .map(|c| (c.name, c.role))
        .collect()
}

#[test]
fn queries_answer_what_insights_would() {
    let check = |query: &str, expect: &[&str]| assert_eq!(rows(query), expect, "{query}");
    // Fields: discovered in JSON, nested, in lists, given names, computed.
    check(
        "fields level, ms, route.name | filter ispresent(level)",
        &["ERROR | 40 | count", "INFO | 12 | count"],
    );
    check("fields tags.1 as second | filter level = 'ERROR'", &["b"]);
    check("fields ok | filter ok = 1", &["1"]);
    check(
        "fields ms * 2 + 1 as x, ms % 7 | filter level = \"INFO\"",
        &["25 | 5"],
    );
    check("fields -ms ^ 2 as x | filter ms = 12", &["-144"]);
    check("fields ms / 0 as nothing | filter ms = 12", &[""]);
    check(
        "fields @timestamp @log | limit 1",
        &["2026-01-05 08:01:40.000 | /aws/lambda/demo"],
    );
    // What Lambda's lines hold.
    check(
        "filter @type = 'REPORT' | fields @requestId, @duration, @billedDuration, @memorySize, @maxMemoryUsed, @initDuration",
        &["6a1f | 812.5 | 813 | 128000000 | 64000000 | 102"],
    );
    check(
        "filter @type = \"START\" | fields @type, @duration",
        &["START | "],
    );
    // Filters.
    check("filter @message like /(?i)error/ | stats count(*)", &["2"]);
    check(
        "filter @message like 'user=' and @message not like /bob/ | display @timestamp",
        &["2026-01-05 08:01:20.000"],
    );
    check(
        "filter @message =~ /took \\d{3} ms/ | stats count(*) as n",
        &["2"],
    );
    check(
        "filter level in ['ERROR', 'WARN'] | fields level",
        &["ERROR"],
    );
    check(
        "filter ispresent(level) and level not in ['ERROR'] | fields level",
        &["INFO"],
    );
    check(
        "filter not (ms > 12) and ispresent(ms) | fields ms",
        &["12"],
    );
    check(
        "filter ms >= 12 and ms < 40 or level = 'none' | fields ms",
        &["12"],
    );
    check("filter ms != 12 and ispresent(ms) | fields ms", &["40"]);
    check(
        "filter @timestamp >= 1767600100000 | fields @type",
        &["REPORT"],
    );
    check(
        "filter strcontains(@message, 'not counted') | fields ms",
        &["40"],
    );
    // Parse.
    check(
        "parse @message 'user=* took * ms' as user, took | filter ispresent(took) | display user, took",
        &["bob | 900", "ann | 250"],
    );
    check(
        "parse @message /\\[(?<severity>\\w+)\\] .*took (?<took>\\d+)/ | filter took > 300 | display severity, took",
        &["ERROR | 900"],
    );
    check(
        "parse '[*] *' as level, rest | filter level = 'WARN' | display rest",
        &["slow user=ann took 250 ms"],
    );
    // Stats.
    check(
        "stats count(*) as n, avg(ms), min(ms), max(ms), sum(ms)",
        &["6 | 26 | 12 | 40 | 52"],
    );
    check("stats count(ms)", &["2"]);
    check("stats count_distinct(route.name)", &["1"]);
    check(
        "stats pct(ms, 50), median(ms), stddev(ms)",
        &["26 | 26 | 14"],
    );
    check(
        "stats max(@memorySize / 1000000) - max(@maxMemoryUsed / 1000000) as free_mb",
        &["64"],
    );
    check(
        "stats earliest(@message) as first | display strlen(first) > 20",
        &["1"],
    );
    check(
        "stats latest(ms), earliest(ms), sortsFirst(level), sortsLast(level)",
        &["40 | 12 | ERROR | INFO"],
    );
    check(
        "stats count(*) as n by bin(1m)",
        &["2026-01-05 08:01:00.000 | 4", "2026-01-05 08:00:00.000 | 2"],
    );
    check(
        "stats count(*) as n by level | filter ispresent(level) | sort level",
        &["ERROR | 1", "INFO | 1"],
    );
    check(
        "stats count(*) as n by bin(1m) as t | stats max(n), count(*)",
        &["4 | 2"],
    );
    check(
        "filter level = 'nothing has it' | stats count(*), sum(ms)",
        &["0 | "],
    );
    check(
        "filter level = 'nothing has it' | stats count(*) by level",
        &[],
    );
    // Order and number.
    check(
        "filter ispresent(ms) | sort ms asc | fields ms",
        &["12", "40"],
    );
    check(
        "filter ispresent(ms) | sort ms desc | limit 1 | fields ms",
        &["40"],
    );
    check(
        "fields level | filter ispresent(level) | sort level, ms desc",
        &["ERROR", "INFO"],
    );
    check(
        "filter ispresent(route.name) | dedup route.name | fields ms",
        &["40"],
    );
    // Functions.
    check(
        "filter ms = 40 | fields toupper(message), tolower(level), substr(message, 4, 3), replace(message, 'not', 'never'), concat(level, '-', ms)",
        &["NOT COUNTED | error | cou | never counted | ERROR-40"],
    );
    check(
        "filter ms = 40 | fields coalesce(nothing, level), greatest(ms, 50), least(ms, 50), abs(-2), ceil(1.2), floor(1.8), sqrt(9)",
        &["ERROR | 50 | 40 | 2 | 2 | 1 | 3"],
    );
    check(
        "filter ms = 40 | fields trim(' a '), ltrim('xxa', 'x'), rtrim('axx', 'x'), isempty(''), isblank(' '), if(ms > 1, 'y', 'n')",
        &["a | a | a | 1 | 1 | y"],
    );
    check(
        "filter ms = 40 | fields datefloor(@timestamp, 1h), dateceil(@timestamp, 1h), toMillis(@timestamp), fromMillis(0), now()",
        &[
            "2026-01-05 08:00:00.000 | 2026-01-05 09:00:00.000 | 1767600010000 | 1970-01-01 00:00:00.000 | 1767600600",
        ],
    );
    // Form.
    check(
        "# a remark\nfilter ms = 12 # another\n| fields ms |\n",
        &["12"],
    );
    check("fields `route.name` | filter ms = 12", &["count"]);
    check("FILTER ms = 12 | FIELDS ms", &["12"]);
}

#[test]
fn columns_are_those_of_the_last_word() {
    let check = |query: &str, expect: &[(&str, LogRole)]| {
        let found = columns(query);
        let found: Vec<(&str, LogRole)> = found.iter().map(|(n, r)| (n.as_str(), *r)).collect();
        assert_eq!(found, expect, "{query}");
    };
    use LogRole::{Field, Group, Measure, Time};
    check("limit 1", &[("@timestamp", Field), ("@message", Field)]);
    check("fields a | fields b, a", &[("a", Field), ("b", Field)]);
    check("fields a, b | display b", &[("b", Field)]);
    check(
        "stats count(*), avg(ms) as mean by bin(5m), level",
        &[
            ("bin(5m)", Time),
            ("level", Group),
            ("count(*)", Measure),
            ("mean", Measure),
        ],
    );
    check(
        "stats count(*) as n by datefloor(@timestamp, 5m) as t | display n, t",
        &[("n", Measure), ("t", Time)],
    );
}

#[test]
fn where_to_look_is_read_from_the_query() {
    let query = Query::parse(
        "SOURCE '/a' | SOURCE \"/b\", '/c' | SOURCE logGroups(namePrefix: ['/d', '/e']) | limit 1",
    )
    .unwrap();
    let group = |g: &str| Source::Group(g.into());
    assert_eq!(
        query.sources,
        [
            group("/a"),
            group("/b"),
            group("/c"),
            Source::Prefix("/d".into()),
            Source::Prefix("/e".into())
        ]
    );
}

#[test]
fn texts_that_must_occur_are_known_before_events_are_fetched() {
    let check = |query: &str, expect: &[&str]| {
        assert_eq!(Query::parse(query).unwrap().terms(), expect, "{query}");
    };
    check(
        "filter @message like 'a' and @message like \"b\" | filter strcontains(@message, 'c')",
        &["a", "b", "c"],
    );
    check("filter @message like 'a' or @message like 'b'", &[]);
    check("filter not @message like 'a'", &[]);
    check("filter @message like /a/", &[]);
    check(
        "fields concat('x', level) as @message | filter @message like 'x'",
        &[],
    );
    check("stats count(*) by @message | filter @message like 'x'", &[]);
}

#[test]
fn faults_have_a_place_and_a_way_out() {
    let check = |query: &str, expect: &str| {
        let fault = Query::parse(query).unwrap_err().to_string();
        assert!(fault.contains(expect), "{query}: {fault}");
    };
    check(
        "fields a | patern b",
        "1:12: expected a command: fields, display, filter",
    );
    check(
        "fields a\n| pattern @message",
        "2:3: `pattern` is a command of Logs Insights that only AWS runs",
    );
    check(
        "filter a = ",
        "1:12: expected a field, a number or a text between quotes, found the end",
    );
    check(
        "filter a like b",
        "expected a text between quotes or /a regular expression/",
    );
    check(
        "filter a like /(/",
        "the regular expression cannot be used: unclosed group",
    );
    check("filter a like /(?=b)/", "look-around");
    check("filter a like 'b", "has no closing '");
    check(
        "filter count(*) > 1",
        "`count` computes over groups; it stands in `stats`",
    );
    check(
        "filter nope(a)",
        "`nope` is not a function that is known here; those are abs, bin",
    );
    check("filter strlen()", "`strlen` takes 1 arguments, not 0");
    check("stats level by bin(5m)", "expected count, count_distinct");
    check("stats sum(max(a))", "`max` computes over groups");
    check("stats sum()", "`sum` needs to know of what");
    check("stats pct(a, 101)", "a percentage from 0 to 100");
    check("stats count(*) by bin(5y)", "a unit of time");
    check("parse @message 'a * b'", "`as` and a name for each part");
    check(
        "parse @message 'a *' as b, c",
        "there are 2 names and 1 parts to name",
    );
    check("limit 0", "a whole number from 1");
    check(
        "limit 5 | SOURCE '/a'",
        "SOURCE stands before every other command",
    );
    check("SOURCE | limit 1", "a log group between quotes");
    check("fields a b c )", "expected");
    let deep = format!("filter {}a{}", "(".repeat(200), ")".repeat(200));
    check(&deep, "nested deeper than 64");
    let long = format!("filter a{}", " + a".repeat(600));
    check(&long, "more than 500 operators");
    check(&"a".repeat(50_000), "longer than 40000 bytes");
}

#[test]
fn hostile_lines_are_only_text() {
    let hostile = [
        "{",
        "{\"a\":",
        "{\"a\":1}{\"a\":2}",
        "\u{0}",
        "REPORT",
        "REPORT RequestId:",
        "{\"a\":{\"b\":[[]]}}",
        "é{\"a\":\"<script>\"}",
    ];
    let events: Vec<Event<'_>> = hostile
        .iter()
        .map(|message| Event {
            at: Time::EPOCH,
            group: "g",
            stream: "s",
            message,
        })
        .collect();
    let query = Query::parse("fields a, a.b.0, @requestId, @duration, strlen(@message)").unwrap();
    let table = query.run(&events, NOW);
    assert_eq!(table.rows.len(), hostile.len());
    assert_eq!(table.rows[2][0], LogValue::Number(1.0));
    assert_eq!(table.rows[7][0], LogValue::Text("<script>".into()));
}

#[test]
fn every_function_is_known_under_its_name() {
    for name in functions() {
        assert!(super::expr::Function::named(name).is_some(), "{name}");
    }
}
