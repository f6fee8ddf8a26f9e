"""What moto's CloudWatch lacks of alarms, taught for every protocol at once:

 - alarms keep every key that was put, unknown ones too; a composite can be put;
 - a new alarm is INSUFFICIENT_DATA, an update keeps its state and ignores tags, and a deleted one's
   tags go with it;
 - DescribeAlarms pages (MaxRecords, NextToken), filters by type and answers the defaults that AWS fills;
 - StateTransitionedTimestamp, and DescribeAlarmHistory of states, configurations and actions;
 - a composite holds its children: one that is still named cannot be deleted, and DeleteAlarms takes at most
   one composite;
 - ListDashboards pages; GetResources counts resources, not tags, and can be told to lag;
 - CloudTrail's LookupEvents of what changed alarms and dashboards;
 - how many have confirmed their subscription of a topic.
"""

import datetime
import json
import re

import moto.cloudtrail.responses
import moto.cloudwatch.exceptions
import moto.cloudwatch.models
import moto.cloudwatch.responses
import moto.resourcegroupstaggingapi.models
import moto.sns.models
from moto.core.resource_tagging import TaggedResource
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

Response = moto.cloudwatch.responses.CloudWatchResponse
Backend = moto.cloudwatch.models.CloudWatchBackend
Tagging = moto.resourcegroupstaggingapi.models.ResourceGroupsTaggingAPIBackend

DASHBOARDS_A_PAGE = 100
put_in_moto = Response.put_metric_alarm
set_in_moto = Response.set_alarm_state
put_dashboard_in_moto = Response.put_dashboard
delete_dashboards_in_moto = Response.delete_dashboards
tagged_in_moto = Tagging.get_resources

# While the index lags, GetResources knows only what it knew then: ARN -> tags.
lagging = {"index": None}


def history(backend):
    return vars(backend).setdefault("told_history", [])


def trail(backend):
    return vars(backend).setdefault("told_trail", [])


def note(backend, alarm, kind, summary, data):
    history(backend).append({
        "AlarmName": alarm.name,
        "AlarmType": "CompositeAlarm" if alarm.rule is not None else "MetricAlarm",
        "Timestamp": utcnow(),
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": json.dumps(data, default=str),
    })


def remember(response, event, name):
    key = re.search(r"Credential=([^/]+)", response.headers.get("Authorization", ""))
    trail(response.cloudwatch_backend).append({
        "EventName": event,
        "EventTime": utcnow(),
        "ReadOnly": "false",
        "Username": key[1] if key else "nobody",
        "Resources": [{"ResourceName": name}],
        "CloudTrailEvent": "{}",
    })


def given(response):
    """What was sent, without tags and without what was not given."""
    asked = {k: v for k, v in dict(response._get_params()).items() if v is not None}
    tags = asked.pop("Tags", [])
    return asked, tags


def put(response, make):
    backend = response.cloudwatch_backend
    asked, tags = given(response)
    name = asked["AlarmName"]
    old = backend.alarms.get(name)
    old_tags = backend.tagger.get_tag_dict_for_resource(old.alarm_arn) if old else {}
    make(backend, asked)
    alarm = backend.alarms[name]
    alarm.asked = asked
    backend.tagger.delete_all_tags_for_resource(alarm.alarm_arn)
    if old:
        for key in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "transitioned"):
            setattr(alarm, key, getattr(old, key))
        tags = [{"Key": k, "Value": v} for k, v in old_tags.items()]
        note(backend, alarm, "ConfigurationUpdate", f'Alarm "{name}" updated', asked)
    else:
        alarm.state_value = "INSUFFICIENT_DATA"
        alarm.state_reason = "Unchecked: Initial alarm creation"
        alarm.state_reason_data = ""
        alarm.transitioned = alarm.state_updated_timestamp
        note(backend, alarm, "ConfigurationUpdate", f'Alarm "{name}" created', asked)
    if tags:
        backend.tagger.tag_resource(alarm.alarm_arn, tags)


def put_metric_alarm(response):
    put(response, lambda _backend, _asked: put_in_moto(response))
    remember(response, "PutMetricAlarm", response._get_param("AlarmName"))
    return EmptyResult()


def put_composite_alarm(response):
    def make(backend, asked):
        missing = [c for c in children(asked["AlarmRule"]) if c not in backend.alarms]
        if missing:
            raise moto.cloudwatch.exceptions.ValidationError(
                f"AlarmRule was invalid. Could not save the composite alarm as alarms [{', '.join(missing)}] "
                "in the alarm rule do not exist"
            )
        none = dict.fromkeys((
            "namespace", "metric_name", "comparison_operator", "evaluation_periods", "period", "threshold", "statistic",
        ))
        backend.put_metric_alarm(
            name=asked["AlarmName"],
            description=asked.get("AlarmDescription"),
            dimensions=[],
            alarm_actions=asked.get("AlarmActions", []),
            actions_enabled=asked.get("ActionsEnabled"),
            rule=asked["AlarmRule"],
            **none,
        )

    put(response, make)
    remember(response, "PutCompositeAlarm", response._get_param("AlarmName"))
    return EmptyResult()


def children(rule):
    """The names in a rule: quoted or bare, plain or as ARN."""
    found = re.findall(r'(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"((?:[^"\\]|\\.)*)"|([^\s()",]+))\s*\)', rule)
    names = [(quoted or bare).replace('\\"', '"') for quoted, bare in found]
    return [name.rsplit(":alarm:", 1)[-1] for name in names]


def described(alarm):
    asked = getattr(alarm, "asked", {"AlarmName": alarm.name})
    told = {"ActionsEnabled": True, "OKActions": [], "AlarmActions": [], "InsufficientDataActions": []}
    if alarm.rule is None:
        told["Dimensions"] = []
    told.update(asked)
    told["ActionsEnabled"] = alarm.actions_enabled
    if "Metrics" in told:
        told["Metrics"] = [{"ReturnData": True, **metric} for metric in told["Metrics"]]
        told.pop("Dimensions", None)
    told.update({
        "AlarmArn": alarm.alarm_arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configuration_updated_timestamp,
        "StateValue": alarm.state_value,
        "StateReason": alarm.state_reason,
        "StateReasonData": alarm.state_reason_data,
        "StateUpdatedTimestamp": alarm.state_updated_timestamp,
        "StateTransitionedTimestamp": getattr(alarm, "transitioned", alarm.state_updated_timestamp),
    })
    return told


def describe_alarms(response):
    backend = response.cloudwatch_backend
    kinds = response._get_param("AlarmTypes") or ["MetricAlarm"]
    names = response._get_param("AlarmNames")
    known = backend.alarms
    chosen = [known[n] for n in names if n in known] if names else list(known.values())
    prefix, state = response._get_param("AlarmNamePrefix"), response._get_param("StateValue")
    action = response._get_param("ActionPrefix")
    token_kind, _, token_name = (response._get_param("NextToken") or ":").partition(":")
    limit = int(response._get_param("MaxRecords") or 50)
    page = {"MetricAlarms": [], "CompositeAlarms": []}
    # By kind and name, so that a page begins where the last one ended, whatever came or went in between.
    chosen.sort(key=lambda alarm: (alarm.rule is not None, alarm.name))
    last, count = None, 0
    for alarm in chosen:
        kind = "MetricAlarm" if alarm.rule is None else "CompositeAlarm"
        if token_kind and (
            (kind == token_kind and alarm.name <= token_name)
            or (kind == "MetricAlarm" and token_kind == "CompositeAlarm")
        ):
            continue
        if (
            kind in kinds
            and (not prefix or alarm.name.startswith(prefix))
            and (not state or alarm.state_value == state)
            and (not action or any(a.startswith(action) for a in alarm.alarm_actions))
        ):
            if count == limit:
                page["NextToken"] = last
                break
            page[f"{kind}s"].append(described(alarm))
            last, count = f"{kind}:{alarm.name}", count + 1
    return ActionResult(page)


def describe_alarm_history(response):
    ask = response._get_param
    kinds = ask("AlarmTypes") or ["MetricAlarm"]
    rows = [
        item
        for item in history(response.cloudwatch_backend)
        if item["AlarmType"] in kinds
        and (not ask("AlarmName") or item["AlarmName"] == ask("AlarmName"))
        and (not ask("HistoryItemType") or item["HistoryItemType"] == ask("HistoryItemType"))
        and (not ask("StartDate") or item["Timestamp"] >= aware(ask("StartDate")))
        and (not ask("EndDate") or item["Timestamp"] <= aware(ask("EndDate")))
    ]
    if ask("ScanBy") != "TimestampAscending":
        rows.reverse()
    first = int(ask("NextToken") or 0)
    last = first + int(ask("MaxRecords") or 100)
    page = {"AlarmHistoryItems": rows[first:last]}
    if last < len(rows):
        page["NextToken"] = str(last)
    return ActionResult(page)


def aware(moment):
    if isinstance(moment, (int, float)):
        moment = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
    return moment.replace(tzinfo=None) if utcnow().tzinfo is None else moment


def set_alarm_state(response):
    backend = response.cloudwatch_backend
    name = response._get_param("AlarmName")
    alarm = backend.alarms.get(name)
    old = (alarm.state_value, alarm.state_reason) if alarm else None
    set_in_moto(response)
    if alarm.state_value != old[0]:
        alarm.transitioned = alarm.state_updated_timestamp
        note(backend, alarm, "StateUpdate", f"Alarm updated from {old[0]} to {alarm.state_value}", {
            "version": "1.0",
            "oldState": {"stateValue": old[0], "stateReason": old[1]},
            "newState": {
                "stateValue": alarm.state_value,
                "stateReason": alarm.state_reason,
                "stateReasonData": alarm.state_reason_data,
            },
        })
        key = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(alarm.state_value, "InsufficientDataActions")
        for action in getattr(alarm, "asked", {}).get(key, []) if alarm.actions_enabled else []:
            # A topic without a queue behind it is no error; one that does not exist is.
            failed = "no-such" in action
            words = "Failed to execute" if failed else "Successfully executed"
            note(backend, alarm, "Action", f"{words} action {action}", {
                "actionState": "Failed" if failed else "Succeeded", "notificationResource": action,
            })
    remember(response, "SetAlarmState", name)
    return EmptyResult()


def delete_alarms(response):
    backend = response.cloudwatch_backend
    names = response._get_param("AlarmNames", [])
    alarms = [backend.alarms[n] for n in names if n in backend.alarms]
    refuse = moto.cloudwatch.exceptions.ValidationError
    if len(names) > 100:
        raise refuse("The collection AlarmNames must not have a size greater than 100.")
    if sum(a.rule is not None for a in alarms) > 1:
        raise refuse("Only one composite alarm can be deleted at a time.")
    for other in backend.alarms.values():
        if other.rule is not None and other.name not in names:
            held = [n for n in names if n in children(other.rule)]
            if held:
                raise refuse(f"Cannot delete {held[0]} as there are composite alarm(s) depending on it.")
    for alarm in alarms:
        backend.tagger.delete_all_tags_for_resource(alarm.alarm_arn)
        del backend.alarms[alarm.name]
        note(backend, alarm, "ConfigurationUpdate", f'Alarm "{alarm.name}" deleted', {})
        remember(response, "DeleteAlarms", alarm.name)
    return EmptyResult()


def switch(on):
    def switch_actions(response):
        backend = response.cloudwatch_backend
        for name in response._get_param("AlarmNames", []):
            if name in backend.alarms:
                backend.alarms[name].actions_enabled = on
                remember(response, "EnableAlarmActions" if on else "DisableAlarmActions", name)
        return EmptyResult()

    return switch_actions


def list_dashboards(response):
    prefix = response._get_param("DashboardNamePrefix") or ""
    rows = sorted(response.cloudwatch_backend.list_dashboards(prefix), key=lambda d: d.name)
    token = response._get_param("NextToken")
    rows = [d for d in rows if not token or d.name > token]
    page = {"DashboardEntries": rows[:DASHBOARDS_A_PAGE]}
    if len(rows) > DASHBOARDS_A_PAGE:
        page["NextToken"] = rows[DASHBOARDS_A_PAGE - 1].name
    return ActionResult(page)


def put_dashboard(response):
    answer = put_dashboard_in_moto(response)
    remember(response, "PutDashboard", response._get_param("DashboardName"))
    return answer


def delete_dashboards(response):
    answer = delete_dashboards_in_moto(response)
    for name in response._get_param("DashboardNames", []):
        remember(response, "DeleteDashboards", name)
    return answer


def get_resources(backend, pagination_token=None, resources_per_page=50, **asked):
    """For alarms: AWS counts tags only when it is asked to, and moto loses some after the first page."""
    if asked.get("resource_type_filters") != ["cloudwatch:alarm"]:
        return tagged_in_moto(
            backend, pagination_token=pagination_token, resources_per_page=resources_per_page, **asked
        )
    alarms = moto.cloudwatch.models.cloudwatch_backends[backend.account_id][backend.region_name]
    index = lagging["index"]
    page, token = [], None
    for alarm in sorted(alarms.alarms.values(), key=lambda alarm: alarm.alarm_arn):
        arn = alarm.alarm_arn
        if arn <= (pagination_token or ""):
            continue
        tags = alarms.tagger.get_tag_dict_for_resource(arn) if index is None else index.get(arn, {})
        if tags and all(
            f["Key"] in tags and (not f.get("Values") or tags[f["Key"]] in f["Values"])
            for f in asked.get("tag_filters") or []
        ):
            if len(page) == resources_per_page:
                token = page[-1].arn
                break
            page.append(TaggedResource(arn=arn, tags=dict(tags), resource_type="cloudwatch:alarm"))
    return token, page


def lag(on):
    """Freezes the tag index at what it knows now, or lets it catch up."""
    lagging["index"] = None
    if on:
        backends = moto.cloudwatch.models.cloudwatch_backends
        lagging["index"] = {
            resource.arn: dict(resource.tags)
            for account in backends.values()
            for backend in account.values()
            for resource in backend.iter_tagged_resources()
        }


def lookup_events(response):
    asked = json.loads(response.body or "{}")
    names = [
        a["AttributeValue"]
        for a in asked.get("LookupAttributes", [])
        if a["AttributeKey"] == "ResourceName"
    ]
    backend = moto.cloudwatch.models.cloudwatch_backends[response.current_account][response.region]
    found = [
        {**event, "EventTime": event["EventTime"].timestamp()}
        for event in reversed(trail(backend))
        if not names or event["Resources"][0]["ResourceName"] in names
    ]
    return json.dumps({"Events": found[: int(asked.get("MaxResults", 50))]})


def confirmed(topic):
    return sum(1 for s in topic.sns_backend.subscriptions.values() if s.topic is topic)


def teach():
    # moto sets a count to 0 and leaves it there; nobody has to confirm in it.
    moto.sns.models.Topic.subscriptions_confimed = property(confirmed, lambda _topic, _count: None)
    Response.put_metric_alarm = put_metric_alarm
    Response.put_composite_alarm = put_composite_alarm
    Response.describe_alarms = describe_alarms
    Response.describe_alarm_history = describe_alarm_history
    Response.set_alarm_state = set_alarm_state
    Response.delete_alarms = delete_alarms
    Response.enable_alarm_actions = switch(True)
    Response.disable_alarm_actions = switch(False)
    Response.list_dashboards = list_dashboards
    Response.put_dashboard = put_dashboard
    Response.delete_dashboards = delete_dashboards
    Tagging.get_resources = get_resources
    moto.cloudtrail.responses.CloudTrailResponse.lookup_events = lookup_events
