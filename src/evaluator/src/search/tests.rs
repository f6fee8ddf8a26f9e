use model::Dimensions;

use super::*;

fn metric(text: &str) -> MetricId {
    let mut parts = text.split('|');
    let (namespace, name) = (parts.next().unwrap(), parts.next().unwrap());
    MetricId {
        namespace: namespace.into(),
        name: name.into(),
        dimensions: Dimensions::new(parts.map(|d| d.split_once('=').unwrap())),
    }
}

/// The user guide's tables and sentences.
#[test]
fn terms_find_what_the_user_guide_says() {
    let check = |search: &str, id: &str, expect: bool| {
        let read = parse(search).unwrap_or_else(|e| panic!("{search}: {e}"));
        assert_eq!(read.matches(&metric(id)), expect, "{search} in {id}");
    };
    let custom = "Own|CustomCount1";
    for found in [
        "count",
        "Count",
        "COUNT",
        "CustomCount",
        "Count1",
        "CustomCount1",
        "custom",
    ] {
        check(found, custom, true);
    }
    for missed in [
        "couNT",
        "customcount",
        "count1",
        "Custom1",
        "cust",
        "Count2",
    ] {
        check(missed, custom, false);
    }
    for found in ["sdb", "failure", "SDBFailure", "sdbfailure"] {
        check(found, "Own|SDBFailure", true);
    }
    for found in [
        "project",
        "2",
        "Project2",
        "trial333",
        "333",
        "trial-333",
        "project2trial333",
    ] {
        check(found, "Own|Project2-trial333", true);
    }
    for name in ["Own|Network-Errors-2", "Own|NetworkErrors2"] {
        for found in [
            "network/errors",
            "network+errors",
            "network-errors",
            "Network_Errors",
        ] {
            check(found, name, true);
        }
    }
    // Exact.
    check(
        "{MyNamespace}, \"CustomCount1\"",
        "MyNamespace|CustomCount1",
        true,
    );
    check(
        "{MyNamespace} \"CustomCount1\"",
        "MyNamespace|x|CustomCount1=y",
        true,
    );
    check(
        "{MyNamespace} \"CustomCount1\"",
        "MyNamespace|x|y=CustomCount1",
        true,
    );
    check(
        "{MyNamespace}, \"customcount1\"",
        "MyNamespace|CustomCount1",
        false,
    );
    check(
        "{MyNamespace}, \"Custom\"",
        "MyNamespace|CustomCount1",
        false,
    );
    check(
        r#"{"My Namespace", "Dimension@Name"}, "Custom:Name[Special_Characters""#,
        "My Namespace|Custom:Name[Special_Characters|Dimension@Name=x",
        true,
    );
    check(
        r#""Europe\\France Traffic\(Network\)""#,
        "x|Europe\\France Traffic(Network)",
        true,
    );
    check("\"Network_Errors_2\"", "x|Network-Errors-2", false);
    // Schemas.
    let (by_id, by_type) = (
        "AWS/EC2|CPUUtilization|InstanceId=i-1",
        "AWS/EC2|CPUUtilization|InstanceType=t2.micro",
    );
    check("{AWS/EC2,InstanceId}", by_id, true);
    check("{AWS/EC2,InstanceId}", by_type, false);
    check("{AWS/EC2,InstanceId,AutoScalingGroupName}", by_id, false);
    check("{AWS/EC2}", by_type, true);
    check("{AWS/ECS}", by_type, false);
    // Properties.
    check("InstanceType=micro", by_type, true);
    check(
        "InstanceType=\"t2.micro\" Namespace=\"AWS/EC2\"",
        by_type,
        true,
    );
    check("InstanceType=\"micro\"", by_type, false);
    check("MetricName=micro", by_type, false);
    check("MetricName = \"CPUUtilization\"", by_type, true);
    check("NOT Namespace=AWS", by_type, false);
    check("NOT Namespace=AWS", "Own|AWS", true);
    // Operators.
    check(
        "{AWS/EC2,InstanceId} MetricName=\"CPUUtilization\" NOT i-1",
        by_id,
        false,
    );
    check(
        "{AWS/EC2,InstanceId} MetricName=\"CPUUtilization\" NOT i-2",
        by_id,
        true,
    );
    check("(EC2 OR EBS) AND MetricName=cpu", by_id, true);
    check("(EC2 OR EBS) MetricName=ReadOps", by_id, false);
    check("cpu and utilization", by_id, false);
    let lambda = "{AWS/Lambda,FunctionName} MetricName=\"Errors\" OR (MetricName=\"Invocations\" AND (ProjectA OR ProjectB))";
    check(lambda, "AWS/Lambda|Errors|FunctionName=x", true);
    check(lambda, "AWS/Lambda|Invocations|FunctionName=x", false);
    check(
        lambda,
        "AWS/Lambda|Invocations|FunctionName=the-ProjectB",
        true,
    );
    // AND first.
    check("a OR b c", "x|a", true);
    check("a OR b c", "x|b", false);
    // Words that begin like operators are none.
    check("ORDER NOTE ANDROID", "x|order-note-android", true);
}

#[test]
fn errors_say_where_and_what_was_expected() {
    let check = |search: &str, column: usize, expect: &str| {
        let error = parse(search).unwrap_err();
        assert!(error.message.contains(expect), "{search}: {error}");
        assert_eq!(error.column, column, "{search}: {error}");
    };
    check(
        "",
        1,
        "expected a schema such as {AWS/Lambda,FunctionName}, a term, or both",
    );
    check("{}", 2, "expected a namespace, found `}`");
    check(
        "{AWS/EC2,}",
        10,
        "expected the name of a dimension, found `}`",
    );
    check("{AWS/EC2 x", 11, "expected `,` or `}`, found the end");
    check("a \"b", 3, "the closing \" of the text is missing");
    check("a AND", 6, "expected a term, found the end");
    check("a OR OR b", 6, "expected a term, found OR");
    check("(a", 3, "expected `)`, found the end");
    check("a)", 2, "expected a term or the end, found `)`");
    check("MetricName=", 12, "expected a term, found the end");
    check("MetricName=()", 12, "expected a term, found `(`");
    check("--", 1, "`--` has no letter or digit");
    check("x :aws.AccountId=1", 3, "several accounts");
    check(&"(".repeat(70), 65, "more than 64 brackets");
    check(&"a ".repeat(600), LONGEST + 1, "at most 1024 characters");
}

#[test]
fn at_most_500_are_found_in_their_order() {
    let all: Vec<MetricId> = (0..600)
        .map(|i| metric(&format!("x|m|D=n{i:03}")))
        .collect();
    let call = Call {
        search: parse("{x,D}").unwrap(),
        stat: model::Stat::Sum,
        period: None,
    };
    let (found, more) = call.find(&all, 60);
    assert!(more);
    assert_eq!((found.len(), found[0].period), (MOST_SERIES, 60));
    assert_eq!(found[499].metric, all[499]);
}
