//! Who is told what and when: a route tree, what happens, and the complete list of decisions.

use crate::script::{explain, run};

fn check(routes: &str, script: &str, expect: &str) {
    let found = run(routes, script);
    let expect: Vec<&str> = expect
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    assert_eq!(
        found,
        expect,
        "\n{routes}\n{script}\ngave\n{}",
        found.join("\n")
    );
}

#[test]
fn a_group_waits_collects_tells_changes_seldom_and_tells_the_recovery() {
    check(
        "oncall",
        "0s counter-errors ALARM
         10s counter-latency ALARM
         2m counter-faults ALARM
         3m counter-latency OK
         6m counter-errors OK
         7m counter-faults OK
         30m end",
        "0s open #1
         30s oncall opened #1 counter-errors,counter-latency
         5m30s oncall changed #1 counter-errors,counter-faults
         7m resolved #1
         10m30s oncall recovered #1 counter-errors,counter-faults,counter-latency",
    );
    // The wait counts from the first alarm, and other services are other groups.
    check(
        "oncall",
        "0s counter-errors ALARM
         20s posting-errors ALARM
         2m end",
        "0s open #1
         20s open #2
         30s oncall opened #1 counter-errors
         50s oncall opened #2 posting-errors",
    );
    check(
        "oncall wait=0s",
        "0s counter-errors ALARM
         1s end",
        "0s open #1
         0s oncall opened #1 counter-errors",
    );
    check(
        "oncall by=",
        "0s counter-errors ALARM
         20s posting-errors ALARM
         1m end",
        "0s open #1
         30s oncall opened #1 counter-errors,posting-errors",
    );
}

#[test]
fn a_partial_recovery_waits_for_the_others() {
    let fire = "0s counter-errors ALARM
         1s counter-latency ALARM
         2s counter-faults ALARM\n";
    let opened = "0s open #1
         30s oncall opened #1 counter-errors,counter-faults,counter-latency\n";
    check(
        "oncall",
        &format!(
            "{fire}10m counter-errors OK
             20m counter-latency OK
             30m end"
        ),
        &format!(
            "{opened}10m30s oncall changed #1 counter-faults,counter-latency
             20m30s oncall changed #1 counter-faults"
        ),
    );
    check(
        "oncall",
        &format!(
            "{fire}10m counter-errors OK
             10m10s counter-latency OK
             10m20s counter-faults OK
             30m end"
        ),
        &format!(
            "{opened}10m20s resolved #1
             10m20s oncall recovered #1 counter-errors,counter-faults,counter-latency"
        ),
    );
    // What goes to ALARM does not wait for that.
    check(
        "oncall",
        &format!(
            "{fire}10m counter-errors OK
             10m10s counter-5xx ALARM
             30m end"
        ),
        &format!("{opened}10m10s oncall changed #1 counter-5xx,counter-faults,counter-latency"),
    );
}

#[test]
fn what_recovers_before_the_first_mail_is_not_told_and_says_why() {
    check(
        "oncall",
        "0s counter-errors ALARM
         20s counter-errors OK
         1h end",
        "0s open #1
         20s resolved #1
         20s held #1 oncall until never",
    );
}

#[test]
fn twenty_transitions_in_a_minute_make_one_mail_and_the_last_state_is_told() {
    let flap = |last: &str| {
        let mut script = String::new();
        for i in 0..10 {
            script += &format!(
                "{}s counter-errors ALARM\n{}s counter-errors OK\n",
                i * 6,
                i * 6 + 3
            );
        }
        script + last
    };
    let mails = |script: &str| -> Vec<String> {
        let log = run("oncall", script);
        log.into_iter()
            .filter(|l| l.contains("oncall") && !l.contains("held"))
            .collect()
    };
    // The wait ends at 30 s, when the alarm fires anew.
    assert_eq!(
        mails(&flap("1h end")),
        [
            "30s oncall opened #1 counter-errors",
            "5m30s oncall recovered #1 counter-errors"
        ]
    );
    assert_eq!(
        mails(&flap("61s counter-errors ALARM\n1h end")),
        ["30s oncall opened #1 counter-errors"]
    );
    // Flapping for half an hour: one mail an interval at most, and one incident.
    let mut long = String::new();
    for i in 0..180 {
        long += &format!(
            "{}s counter-errors ALARM\n{}s counter-errors OK\n",
            i * 10,
            i * 10 + 4
        );
    }
    let log = run("oncall", &(long + "2h end"));
    assert_eq!(log.iter().filter(|l| l.contains(" open ")).count(), 1);
    let told: Vec<&String> = log
        .iter()
        .filter(|l| l.contains(" oncall ") && !l.contains("held"))
        .collect();
    assert!((2..=7).contains(&told.len()), "{told:?}");
    assert!(told.last().unwrap().contains("recovered"), "{told:?}");
}

#[test]
fn an_alarm_that_fires_soon_after_recovery_reopens_the_incident_and_later_opens_a_new_one() {
    check(
        "oncall wait=0s",
        "0s counter-errors ALARM
         6m counter-errors OK
         10m counter-errors ALARM
         30m counter-errors OK
         35m counter-errors ALARM
         36m end",
        "0s open #1
         0s oncall opened #1 counter-errors
         6m resolved #1
         6m oncall recovered #1 counter-errors
         10m reopen #1
         11m oncall changed #1 counter-errors
         30m resolved #1
         30m oncall recovered #1 counter-errors
         35m open #2
         35m oncall opened #2 counter-errors",
    );
    // Another alarm of the group reopens it as well.
    check(
        "oncall wait=0s",
        "0s counter-errors ALARM
         6m counter-errors OK
         7m counter-latency ALARM
         8m counter-errors ALARM
         20m end",
        "0s open #1
         0s oncall opened #1 counter-errors
         6m resolved #1
         6m oncall recovered #1 counter-errors
         7m reopen #1
         11m oncall changed #1 counter-errors,counter-latency",
    );
}

#[test]
fn repeats_count_from_the_last_mail_and_are_not_rounded() {
    check(
        "oncall wait=0s interval=5m repeat=7m",
        "0s counter-errors ALARM
         8m counter-latency ALARM
         20m end",
        "0s open #1
         0s oncall opened #1 counter-errors
         7m oncall repeat #1 counter-errors
         12m oncall changed #1 counter-errors,counter-latency
         19m oncall repeat #1 counter-errors,counter-latency",
    );
    check(
        "oncall wait=0s repeat=7m",
        "0s counter-errors ALARM
         1m ack #1
         1h end",
        "0s open #1
         0s oncall opened #1 counter-errors",
    );
}

#[test]
fn missing_data_neither_opens_nor_ends_an_incident() {
    check(
        "oncall wait=0s repeat=1h",
        "0s counter-errors NODATA
         1m counter-errors OK
         2m counter-errors ALARM
         3m counter-errors NODATA
         20m counter-errors ALARM
         30m counter-errors NODATA
         40m counter-errors OK
         50m counter-errors NODATA
         2h end",
        "2m open #1
         2m oncall opened #1 counter-errors
         40m resolved #1
         40m oncall recovered #1 counter-errors",
    );
}

#[test]
fn escalation_counts_from_the_first_mail_until_somebody_acknowledges() {
    let routes = "oncall escalate=15m:web escalate=30m:boss";
    check(
        routes,
        "0s counter-errors ALARM
         20m ack #1
         40m counter-errors OK
         1h end",
        "0s open #1
         30s oncall opened #1 counter-errors
         15m30s web escalated #1 counter-errors
         40m resolved #1
         40m oncall recovered #1 counter-errors
         40m web recovered #1 counter-errors",
    );
    check(
        routes,
        "0s counter-errors ALARM
         10m ack #1
         1h end",
        "0s open #1
         30s oncall opened #1 counter-errors",
    );
    // Recovered in time: nobody else is told.
    check(
        routes,
        "0s counter-errors ALARM
         10m counter-errors OK
         1h end",
        "0s open #1
         30s oncall opened #1 counter-errors
         10m resolved #1
         10m oncall recovered #1 counter-errors",
    );
    // An acknowledgement ends with the incident; the reopened one is escalated anew.
    check(
        "oncall wait=0s escalate=15m:web escalate=20m:web",
        "0s counter-errors ALARM
         10m ack #1
         12m counter-errors OK
         14m counter-errors ALARM
         1h end",
        "0s open #1
         0s oncall opened #1 counter-errors
         12m resolved #1
         12m oncall recovered #1 counter-errors
         14m reopen #1
         17m oncall changed #1 counter-errors
         32m web escalated #1 counter-errors
         37m web escalated #1 counter-errors",
    );
}

#[test]
fn outside_its_window_a_route_holds_and_then_sends_one_digest() {
    let routes = "oncall
        > web severity=ticket active=office repeat=7d";
    // 09:00 in Berlin is at 0s; the office closes at 9h and opens at 24h.
    check(
        routes,
        "10h counter-slow:ticket ALARM
         11h posting-slow:ticket ALARM
         12h resize-slow:ticket ALARM
         13h resize-slow:ticket OK
         14h counter-late:ticket ALARM
         26h counter-slow:ticket OK
         26h counter-late:ticket OK
         30h end",
        "10h open #1
         10h30s held #1 web until 1d
         11h open #2
         11h30s held #2 web until 1d
         12h open #3
         12h30s held #3 web until 1d
         13h resolved #3
         13h held #3 web until never
         1d web digest #1,#2 counter-late,counter-slow,posting-slow
         1d2h resolved #1
         1d2h web recovered #1 counter-late,counter-slow",
    );
    // Told before the window closed: the recovery is told when it opens, by itself.
    check(
        routes,
        "8h counter-slow:ticket ALARM
         10h counter-slow:ticket OK
         30h end",
        "8h open #1
         8h30s web opened #1 counter-slow
         10h resolved #1
         10h held #1 web until 1d
         1d web recovered #1 counter-slow",
    );
    // It fires again before anybody was told of the recovery: the same incident, nothing to tell.
    check(
        routes,
        "8h counter-slow:ticket ALARM
         10h counter-slow:ticket OK
         20h counter-slow:ticket ALARM
         30h end",
        "8h open #1
         8h30s web opened #1 counter-slow
         10h resolved #1
         10h held #1 web until 1d
         20h reopen #1",
    );
    // Pages go their own way at any hour.
    check(
        routes,
        "10h counter-errors ALARM
         11h end",
        "10h open #1
         10h30s oncall opened #1 counter-errors",
    );
}

#[test]
fn inhibited_alarms_are_quiet_until_the_source_ends() {
    let routes = "oncall by=alarm wait=0s
        inhibit .*-down -> .*-errors";
    check(
        routes,
        "0s counter-down ALARM
         1m counter-errors ALARM
         2m posting-errors ALARM
         10m counter-down OK
         20m counter-errors OK
         1h end",
        "0s open #1
         0s oncall opened #1 counter-down
         1m open #2
         1m held #2 oncall until quiet
         2m open #3
         2m oncall opened #3 posting-errors
         10m resolved #1
         10m oncall recovered #1 counter-down
         10m oncall opened #2 counter-errors
         20m resolved #2
         20m oncall recovered #2 counter-errors",
    );
    check(
        routes,
        "0s counter-down ALARM
         1m counter-errors ALARM
         2m counter-errors OK
         3m end",
        "0s open #1
         0s oncall opened #1 counter-down
         1m open #2
         1m held #2 oncall until quiet
         2m resolved #2
         2m held #2 oncall until never",
    );
    // Told first, then inhibited: no repeat and no change, but the recovery.
    check(
        "oncall by=alarm wait=0s repeat=10m
         inhibit .*-down -> .*-errors",
        "0s counter-errors ALARM
         5m counter-down ALARM
         16m counter-errors OK
         17m end",
        "0s open #1
         0s oncall opened #1 counter-errors
         5m open #2
         5m oncall opened #2 counter-down
         15m oncall repeat #2 counter-down
         16m resolved #1
         16m oncall recovered #1 counter-errors",
    );
    // Within one group the quiet one is left out and joins when the source ends.
    check(
        "oncall
         inhibit .*-down -> .*-errors",
        "0s counter-down ALARM
         1s counter-errors ALARM
         10m counter-down OK
         20m end",
        "0s open #1
         30s oncall opened #1 counter-down
         10m oncall changed #1 counter-errors",
    );
}

#[test]
fn a_route_that_continues_makes_an_incident_of_its_own() {
    check(
        "oncall wait=0s
         > audit service=counter continue=yes
         > web service=counter",
        "0s counter-errors ALARM
         6m counter-errors OK
         7m end",
        "0s open #1
         0s open #2
         0s audit opened #1 counter-errors
         0s web opened #2 counter-errors
         6m resolved #1
         6m audit recovered #1 counter-errors
         6m resolved #2
         6m web recovered #2 counter-errors",
    );
}

#[test]
fn info_opens_an_incident_only_where_a_route_names_it() {
    check("oncall wait=0s", "0s counter-deploy:info ALARM\n1h end", "");
    check(
        "oncall wait=0s
         > audit severity=info",
        "0s counter-deploy:info ALARM
         1m end",
        "0s open #1
         0s audit opened #1 counter-deploy",
    );
}

#[test]
fn duplicates_and_late_arrivals_change_nothing() {
    check(
        "oncall wait=0s",
        "0s counter-errors ALARM
         1m counter-errors ALARM late 1m
         10m counter-errors OK
         11m counter-errors ALARM late 5m
         12m counter-errors OK late 2m
         1h end",
        "0s open #1
         0s oncall opened #1 counter-errors
         10m resolved #1
         10m oncall recovered #1 counter-errors",
    );
}

#[test]
fn closing_by_hand_tells_nobody_and_the_next_alarm_is_news() {
    check(
        "oncall wait=0s repeat=1h",
        "0s counter-errors ALARM
         10m close #1
         3h counter-errors OK
         4h counter-errors ALARM
         5h end",
        "0s open #1
         0s oncall opened #1 counter-errors
         4h open #2
         4h oncall opened #2 counter-errors
         5h oncall repeat #2 counter-errors",
    );
}

#[test]
fn every_decision_says_why_and_what_can_come_next() {
    let check = |routes: &str, script: &str, expect: &[&str]| {
        let found = explain(routes, script);
        assert_eq!(found, expect, "\n{routes}\n{script}");
    };
    check(
        "oncall escalate=15m:web",
        "0s counter-errors ALARM
         2m counter-latency ALARM
         3m counter-errors OK
         6m counter-latency NODATA
         20m counter-latency OK
         26m counter-faults ALARM
         30m end",
        &[
            "30s Sent because a new group opened for service counter (route oncall, waited 30 s). \
             Next mail: on change, at most every 5 minutes; again at 12:00 UTC; \
             to \"web\" at 08:15 UTC if nobody acknowledges.",
            "5m30s Sent because counter-latency went to ALARM too; counter-errors is OK again \
             (route oncall). Next mail: on change, at most every 5 minutes; again at 12:05 UTC; \
             to \"web\" at 08:15 UTC if nobody acknowledges.",
            "15m30s Sent because nobody acknowledged within 15 minutes of the first mail \
             (route oncall); counter-latency is without data now, which is no recovery. \
             Next mail: on change, at most every 5 minutes; again at 12:15 UTC.",
            "20m Sent because everything of service counter is OK again (route oncall). \
             Next mail: only when something goes to ALARM again; before 08:25 UTC that is still \
             this incident.",
            "20m30s Sent because everything of service counter is OK again (route oncall). \
             Next mail: only when something goes to ALARM again; before 08:25 UTC that is still \
             this incident.",
            "26m30s Sent because a new group opened for service counter (route oncall, \
             waited 30 s). Next mail: on change, at most every 5 minutes; again at 12:26 UTC; \
             to \"web\" at 08:41 UTC if nobody acknowledges.",
        ],
    );
    check(
        "oncall wait=0s repeat=1d interval=0s
         > web severity=ticket active=office
         inhibit counter-down -> counter-errors",
        "0s counter-down ALARM
         1s posting-errors ALARM
         2s posting-errors OK
         10h counter-slow:ticket ALARM
         11h posting-slow:ticket ALARM
         12h posting-slow:ticket OK
         20h resize-slow:ticket ALARM
         25h end",
        &[
            "0s Sent because a new group opened for service counter (route oncall, without \
             waiting). Next mail: on every change; again at 08:00 UTC on Tue 6 Jan.",
            "1s Sent because a new group opened for service posting (route oncall, without \
             waiting). Next mail: on every change; again at 08:00 UTC on Tue 6 Jan.",
            "2s Sent because everything of service posting is OK again (route oncall). \
             Next mail: only when something goes to ALARM again; before 08:00 UTC that is still \
             this incident.",
            "10h Held: outside office (route web where severity = ticket); it opens at Tue 09:00 \
             Europe/Berlin.",
            "11h Held: outside office (route web where severity = ticket); it opens at Tue 09:00 \
             Europe/Berlin.",
            "12h Held: everything was OK again before office opened (Tue 09:00 Europe/Berlin), \
             route web where severity = ticket.",
            "20h Held: outside office (route web where severity = ticket); it opens at Tue 09:00 \
             Europe/Berlin.",
            "1d Sent because nothing changed since the last mail, 1 day ago (route oncall). \
             Next mail: on every change; again at 08:00 UTC on Wed 7 Jan.",
            "1d Sent because office opened; 2 incidents were held until then. Next mail: on every \
             change; again at 08:00 UTC on Wed 7 Jan; only within office.",
        ],
    );
    check(
        "oncall by=alarm
         inhibit counter-down -> counter-errors",
        "0s counter-down ALARM
         1m counter-errors ALARM
         2m counter-errors OK
         3m counter-down OK
         4m resize-errors ALARM
         4m10s resize-errors OK
         5m end",
        &[
            "30s Sent because a new group opened for alarm counter-down (route oncall, \
             waited 30 s). Next mail: on change, at most every 5 minutes; again at 12:00 UTC.",
            "1m30s Held: counter-down is in ALARM and inhibits it; looked at again when that ends.",
            "2m Held: everything was OK again while it was kept quiet (route oncall).",
            "4m10s Held: everything was OK again within group_wait (30 s), before the first mail \
             (route oncall).",
        ],
    );
}

#[test]
fn a_restart_at_any_moment_changes_nothing() {
    let script = "0s counter-errors ALARM
         10s counter-latency ALARM
         2m counter-errors OK
         6m counter-latency NODATA
         7m counter-errors ALARM
         9m ack #1
         10m counter-errors OK
         11m counter-latency OK
         13m posting-errors ALARM
         10h posting-slow:ticket ALARM
         40h end";
    let routes = "oncall escalate=8m:boss
         > web severity=ticket active=office";
    let expect = run(routes, script);
    assert!(expect.len() > 8, "{expect:?}");
    let mut restarted = String::new();
    for line in script.lines() {
        let at = line.split_whitespace().next().unwrap();
        restarted += &format!("{at} restart\n{line}\n");
        if at != "40h" {
            restarted += &format!("{at} restart\n");
        }
    }
    assert_eq!(run(routes, &restarted), expect);
}
