//! Bodies in the shapes that are found in public repositories and in AWS's own pages, written anew:
//! what is unusual in them is what matters. Each draws, and what cannot be drawn says so.

use std::time::Duration;

use model::{Span, Time};
use render::dashboard::{Board, Data};
use roxmltree::Document;
use serde_json::{Value, json};

fn check(what: &str, body: &Value, problems: &[&str], shown: &[&str]) {
    let (board, found) = Board::parse(body);
    assert_eq!(found, problems, "{what}");
    let span = Span::last(
        Duration::from_secs(3 * 3_600),
        Time::from_secs(1_767_600_000),
    );
    let data = Data::new(span);
    let (html, svg) = (board.html(&data), board.svg(&data));
    Document::parse(&svg).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(!board.css().is_empty());
    for text in shown {
        assert!(html.contains(text), "{what}: {text} in {html}");
    }
    // Asking what to fetch never fails, whatever stands in the body.
    let _ = (
        board.queries(span),
        board.computations(span),
        board.log_queries(span),
        board.alarms(),
    );
}

#[test]
fn bodies_in_the_shapes_of_the_wild_draw() {
    // The user guide's page on variables: one metric without the outer list, and a search.
    check(
        "a flat metric",
        &json!({
            "widgets": [{ "height": 3, "width": 6, "y": 0, "x": 18, "type": "metric", "properties": {
                "view": "timeSeries", "stacked": false, "metrics": ["AWS/Lambda", "Duration", "FunctionName", "demo"],
                "region": "us-east-1", "liveData": true } }],
            "variables": [{ "type": "property", "property": "FunctionName", "inputType": "select", "id": "Function_Variable",
                "label": "Function", "visible": true, "search": "{AWS/Lambda,FunctionName} MetricName=\"Duration\"", "populateFrom": "FunctionName" }],
        }),
        &[],
        &["aria-label=\"metrics: Duration"],
    );
    // A blog's variables: the search inside of an object, a default that CloudWatch does not know.
    check(
        "a nested search",
        &json!({ "variables": [
            { "type": "property", "property": "InstanceId", "inputType": "select", "id": "InstanceId", "label": "Instance", "visible": true,
              "search": { "expression": "SEARCH('{AWS/EC2,InstanceId} MetricName=\"CPUUtilization\"', 'Average', 60)", "populateFrom": "InstanceId" } },
            { "type": "property", "property": "Handler", "inputType": "select", "id": "handler", "defaultValue": "__ALL__",
              "search": "{Acme/Platform,Handler}", "populateFrom": "metrics" } ],
            "widgets": [{ "type": "metric", "properties": { "metrics": [["AWS/EC2", "CPUUtilization", "InstanceId", "${InstanceId}"]] } }] }),
        &[],
        &["CPUUtilization"],
    );
    // Terraform templates: rows of log widgets over a chain of sources, `==`, dots in names, an alarm list.
    check(
        "an ingest board",
        &json!({ "widgets": [
            { "height": 6, "width": 24, "y": 0, "x": 0, "type": "log", "properties": { "region": "eu-west-2", "stacked": false, "title": "Errors", "view": "table",
                "query": "SOURCE '/aws/lambda/a' | SOURCE '/aws/lambda/b' | fields @timestamp, message, error.message, log.level, @logStream\n| filter log.level == \"ERROR\"\n| sort @timestamp, batchRef desc\n| limit 20" } },
            { "height": 2, "width": 18, "y": 12, "x": 0, "type": "alarm", "properties": { "title": "Queues", "alarms": ["arn:aws:cloudwatch:eu-west-2:000000000000:alarm:int-dlq-alarm"] } },
            { "type": "log", "properties": { "query": "SOURCE '/aws/lambda/my-fn'", "region": "us-east-1" } } ] }),
        &[],
        &["This query was not run.", "int-dlq-alarm"],
    );
    // Scripts: a kind of widget that there is not, no places at all, a period of a day.
    check(
        "a number widget",
        &json!({ "widgets": [
            { "type": "number", "properties": { "metrics": [["Acme/Cost", "Daily", { "stat": "Sum", "period": 86400 }]], "title": "Cost" } },
            { "type": "metric", "properties": { "metrics": [["Acme/Cost", "Daily"]], "period": 2_592_000, "stat": "Sum", "view": "singleValue", "setPeriodToTimeRange": true, "sparkline": true, "trend": true, "liveData": false, "title": "📈 Cost" } } ] }),
        &["/widgets/0/type: `number` is not a kind of widget"],
        &["`number`", "📈 Cost"],
    );
    // Metrics Insights and math in one board, both axes, full precision, repeated shorthand.
    check(
        "sql and math",
        &json!({ "start": "-PT3H", "periodOverride": "inherit", "widgets": [
            { "type": "metric", "height": 3, "width": 3, "y": 0, "x": 3, "properties": {
                "metrics": [[{ "expression": "SELECT SUM(done) FROM \"Acme/Site\"", "label": "", "id": "done", "region": "eu-west-2", "period": 300 }]],
                "view": "singleValue", "singleValueFullPrecision": true, "setPeriodToTimeRange": true, "title": "Done" } },
            { "type": "metric", "properties": { "view": "singleValue", "period": 60, "stat": "Sum", "yAxis": { "right": { "max": 100 }, "left": { "min": 0, "max": 100 } },
                "metrics": [["AWS/Lambda", "Errors", { "id": "errors", "visible": false }], [".", "Invocations", { "id": "invocations", "visible": false }],
                    [{ "expression": "100 - 100 * errors / MAX([errors, invocations])", "label": "Success rate (%)", "id": "availability", "yAxis": "right" }]] } },
            { "type": "metric", "properties": { "view": "pie", "metrics": [["Acme/Threats", "Count", "Level", "critical"], [".", ".", ".", "high"], ["...", "low"]] } } ] }),
        &[],
        &[
            "SUM(done) FROM",
            "not computed: 100 - 100 * errors",
            "critical",
        ],
    );
    // What is not what the documentation says: numbers as text, options twice, an unknown view.
    check(
        "loose types",
        &json!({ "widgets": [
            { "type": "metric", "x": "0", "y": "0", "width": "12", "height": 6.5, "properties": { "period": "300", "stat": "sum", "view": "timeseries",
                "metrics": [["AWS/Lambda", "Duration", { "stat": "P99" }], ["AWS/Lambda", "Errors", { "stat": "Sum" }, { "FunctionName": "demo" }]] } },
            { "type": "text", "x": 0, "y": 90, "width": 24, "height": 1, "properties": { "markdown": "[button:Open](https://example.org)\n<b>bold</b>" } } ] }),
        &[
            "/widgets/0/properties/metrics/1: `{\"stat\":\"Sum\"}` stands where a name or value is expected",
        ],
        &["Duration", "&lt;b&gt;bold"],
    );
    // An explorer with every option that the console writes.
    check(
        "an explorer",
        &json!({ "widgets": [{ "height": 15, "width": 24, "y": 0, "x": 0, "type": "explorer", "properties": {
            "metrics": [{ "metricName": "CPUUtilization", "resourceType": "AWS::EC2::Instance", "stat": "Average" }, { "metricName": "NetworkIn", "resourceType": "AWS::EC2::Instance", "stat": "Average" }],
            "aggregateBy": { "key": "", "func": "" }, "labels": [{ "key": "State", "value": "running" }],
            "widgetOptions": { "legend": { "position": "bottom" }, "view": "timeSeries", "stacked": false, "rowsPerPage": 50, "widgetsPerRow": 2 },
            "period": 300, "splitBy": "", "region": "us-east-1" } }] }),
        &[],
        &["CPUUtilization, Average", "State=running"],
    );
}
