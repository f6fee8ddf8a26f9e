"""Makes the answers in this folder that stand for AWS's, with an independent implementation:
botocore's CBOR serializer over AWS's own service model (CloudWatch, Smithy RPC v2 CBOR).

Run it with the environment of tests/aws/requirements.txt, with another folder as argument to
compare; the bytes are the same every time, and a test of tests/aws holds them to it. Nothing here
was recorded from AWS. The texts inside are CloudWatch's as its documentation has them.
"""

import datetime
import json
import pathlib
import sys

import botocore.loaders
import botocore.model
import botocore.serialize

FOLDER = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
MODEL = botocore.model.ServiceModel(
    botocore.loaders.Loader().load_service_model("cloudwatch", "service-2")
)


def at(seconds, millis=0):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment + datetime.timedelta(milliseconds=millis)


def answer(name, operation, value):
    serializer = botocore.serialize.RpcV2CBORSerializer()
    data = bytearray()
    serializer._serialize_data_item(data, value, MODEL.operation_model(operation).output_shape)
    (FOLDER / f"{name}.cbor").write_bytes(bytes(data))


def refusal(name, kind, message):
    """An error has the shape of a structure with two strings, whatever its model."""
    shape = botocore.model.DenormalizedStructureBuilder().with_members(
        {"__type": {"type": "string"}, "message": {"type": "string"}}
    ).build_model()
    data = bytearray()
    serializer = botocore.serialize.RpcV2CBORSerializer()
    serializer._serialize_data_item(data, {"__type": kind, "message": message}, shape)
    (FOLDER / f"{name}.cbor").write_bytes(bytes(data))


START = 1_800_000_000

answer("get-metric-data-1", "GetMetricData", {
    "NextToken": "page-2",
    "MetricDataResults": [
        {"Id": "q0", "Label": "Errors", "StatusCode": "PartialData",
         "Timestamps": [at(START), at(START + 60)], "Values": [1.0, 0.0]},
        {"Id": "q1", "Label": "Latency", "StatusCode": "Complete",
         "Timestamps": [at(START)], "Values": [12.5],
         "Messages": [{"Code": "MultipleUnits",
                       "Value": "Multiple units returned: '[Milliseconds, Seconds]'"}]},
    ],
})
answer("get-metric-data-2", "GetMetricData", {
    "MetricDataResults": [
        {"Id": "q0", "Label": "Errors", "StatusCode": "Complete",
         "Timestamps": [at(START + 120)], "Values": [3.0]},
    ],
})
REASON = ("Threshold Crossed: 1 datapoint [1.0 (15/01/27 08:00:00)] was greater than the "
          "threshold (0.0).")
answer("describe-alarms-1", "DescribeAlarms", {
    "NextToken": "page-2",
    "MetricAlarms": [
        {"AlarmName": "counter-errors", "StateValue": "ALARM", "StateReason": REASON,
         "StateReasonData": json.dumps({"version": "1.0", "threshold": 0.0}),
         "StateUpdatedTimestamp": at(START + 65), "StateTransitionedTimestamp": at(START + 60, 250),
         "AlarmConfigurationUpdatedTimestamp": at(START - 3600)},
    ],
})
answer("describe-alarms-2", "DescribeAlarms", {
    "CompositeAlarms": [
        {"AlarmName": "counter-down", "StateValue": "OK",
         "StateReason": "counter-down was created and its alarm rule evaluates to OK",
         "StateUpdatedTimestamp": at(START), "StateTransitionedTimestamp": at(START),
         "AlarmConfigurationUpdatedTimestamp": at(START)},
    ],
})


def update(name, seconds, old, new, millis=0):
    data = {
        "version": "1.0",
        "oldState": {"stateValue": old, "stateReason": "before"},
        "newState": {"stateValue": new, "stateReason": REASON,
                     "stateReasonData": {"version": "1.0", "threshold": 0.0}},
    }
    return {"AlarmName": name, "AlarmType": "MetricAlarm", "Timestamp": at(seconds, millis),
            "HistoryItemType": "StateUpdate",
            "HistorySummary": f"Alarm updated from {old} to {new}",
            "HistoryData": json.dumps(data)}


answer("describe-alarm-history-1", "DescribeAlarmHistory", {
    "NextToken": "page-2",
    "AlarmHistoryItems": [
        update("counter-errors", START, "INSUFFICIENT_DATA", "OK"),
        update("counter-errors", START + 60, "OK", "ALARM", 250),
    ],
})
answer("describe-alarm-history-2", "DescribeAlarmHistory", {
    "AlarmHistoryItems": [
        update("counter-latency", START + 60, "OK", "ALARM", 250),
        update("counter-errors", START + 120, "ALARM", "OK"),
    ],
})
refusal("throttled", "com.amazonaws.cloudwatch#ThrottlingException", "Rate exceeded")
refusal("invalid", "com.amazonaws.cloudwatch#InvalidParameterValueException",
        "The value x for parameter MetricData.member.1.Value is invalid.")
