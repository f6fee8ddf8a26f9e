//! The table of AWS metrics: names and the dimension sets that they are put under.
//!
//! Source: the "metrics and dimensions" page of each service's own AWS guide (Lambda, API Gateway,
//! SQS, DynamoDB, SNS, S3, CloudFront, Elastic Load Balancing, EC2, EC2 Auto Scaling, EventBridge,
//! EventBridge Scheduler, SES, CloudWatch Logs, CodeBuild, Billing). AWS adds metrics at any time,
//! which is why a metric that is absent here is a warning and never an error.

/// Metric names that share their dimension sets.
pub(super) struct Group {
    pub(super) names: &'static [&'static str],
    /// Each in order of name; `&[]` is the set without dimensions.
    pub(super) dimensions: &'static [&'static [&'static str]],
}

/// The groups of each namespace.
pub(super) const TABLE: &[(&str, &[Group])] = &[
    ("AWS/ApiGateway", API_GATEWAY),
    ("AWS/ApplicationELB", APPLICATION_ELB),
    ("AWS/AutoScaling", AUTO_SCALING),
    ("AWS/Billing", BILLING),
    ("AWS/CloudFront", CLOUD_FRONT),
    ("AWS/CodeBuild", CODE_BUILD),
    ("AWS/DynamoDB", DYNAMO_DB),
    ("AWS/EC2", EC2),
    ("AWS/Events", EVENTS),
    ("AWS/Lambda", LAMBDA),
    ("AWS/Logs", LOGS),
    ("AWS/S3", S3),
    ("AWS/SES", SES),
    ("AWS/SNS", SNS),
    ("AWS/SQS", SQS),
    ("AWS/Scheduler", SCHEDULER),
];

const LAMBDA: &[Group] = &[
    Group {
        names: &[
            "Invocations",
            "Errors",
            "Duration",
            "Throttles",
            "ConcurrentExecutions",
            "DeadLetterErrors",
            "DestinationDeliveryFailures",
            "IteratorAge",
            "OffsetLag",
            "AsyncEventsReceived",
            "AsyncEventAge",
            "AsyncEventsDropped",
            "PostRuntimeExtensionsDuration",
            "RecursiveInvocationsDropped",
            "OversizedRecordCount",
            "ProvisionedConcurrencyInvocations",
            "ProvisionedConcurrencySpilloverInvocations",
            "ProvisionedConcurrencyUtilization",
            "ProvisionedConcurrentExecutions",
        ],
        dimensions: &[
            &[],
            &["FunctionName"],
            &["FunctionName", "Resource"],
            &["ExecutedVersion", "FunctionName", "Resource"],
        ],
    },
    Group {
        names: &[
            "UnreservedConcurrentExecutions",
            "ClaimedAccountConcurrency",
        ],
        dimensions: &[&[]],
    },
];

const API_GATEWAY: &[Group] = &[
    // REST APIs.
    Group {
        names: &[
            "4XXError",
            "5XXError",
            "CacheHitCount",
            "CacheMissCount",
            "Count",
            "IntegrationLatency",
            "Latency",
        ],
        dimensions: &[
            &["ApiName"],
            &["ApiName", "Stage"],
            &["ApiName", "Method", "Resource", "Stage"],
        ],
    },
    // HTTP APIs.
    Group {
        names: &[
            "4xx",
            "5xx",
            "Count",
            "IntegrationLatency",
            "Latency",
            "DataProcessed",
        ],
        dimensions: &[
            &["ApiId"],
            &["ApiId", "Stage"],
            &["ApiId", "Route", "Stage"],
            &["ApiId", "Method", "Resource", "Stage"],
        ],
    },
    // WebSocket APIs.
    Group {
        names: &[
            "ConnectCount",
            "MessageCount",
            "IntegrationError",
            "ClientError",
            "ExecutionError",
            "IntegrationLatency",
        ],
        dimensions: &[
            &["ApiId"],
            &["ApiId", "Stage"],
            &["ApiId", "Route", "Stage"],
        ],
    },
];

const SQS: &[Group] = &[Group {
    names: &[
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfGroupsWithInflightMessages",
        "NumberOfDeduplicatedSentMessages",
        "NumberOfEmptyReceives",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesReceived",
        "NumberOfMessagesSent",
        "SentMessageSize",
    ],
    dimensions: &[&["QueueName"]],
}];

const DYNAMO_DB: &[Group] = &[
    Group {
        names: &[
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ProvisionedReadCapacityUnits",
            "ProvisionedWriteCapacityUnits",
            "ReadThrottleEvents",
            "WriteThrottleEvents",
        ],
        dimensions: &[&["TableName"], &["GlobalSecondaryIndexName", "TableName"]],
    },
    Group {
        names: &[
            "SuccessfulRequestLatency",
            "SystemErrors",
            "ThrottledRequests",
            "ReturnedItemCount",
        ],
        dimensions: &[&["Operation", "TableName"]],
    },
    Group {
        names: &[
            "SuccessfulRequestLatency",
            "ReturnedBytes",
            "ReturnedRecordsCount",
        ],
        dimensions: &[&["Operation", "StreamLabel", "TableName"]],
    },
    Group {
        names: &[
            "ConditionalCheckFailedRequests",
            "TransactionConflict",
            "TimeToLiveDeletedItemCount",
        ],
        dimensions: &[&["TableName"]],
    },
    Group {
        names: &[
            "OnlineIndexConsumedWriteCapacity",
            "OnlineIndexPercentageProgress",
            "OnlineIndexThrottleEvents",
        ],
        dimensions: &[&["GlobalSecondaryIndexName", "TableName"]],
    },
    Group {
        names: &["ReplicationLatency", "PendingReplicationCount"],
        dimensions: &[&["ReceivingRegion", "TableName"]],
    },
    Group {
        names: &[
            "UserErrors",
            "AccountMaxReads",
            "AccountMaxWrites",
            "AccountMaxTableLevelReads",
            "AccountMaxTableLevelWrites",
            "AccountProvisionedReadCapacityUtilization",
            "AccountProvisionedWriteCapacityUtilization",
            "MaxProvisionedTableReadCapacityUtilization",
            "MaxProvisionedTableWriteCapacityUtilization",
        ],
        dimensions: &[&[]],
    },
];

const SNS: &[Group] = &[
    Group {
        names: &[
            "NumberOfMessagesPublished",
            "NumberOfNotificationsDelivered",
            "NumberOfNotificationsFailed",
            "NumberOfNotificationsFilteredOut",
            "NumberOfNotificationsFilteredOut-InvalidAttributes",
            "NumberOfNotificationsFilteredOut-NoMessageAttributes",
            "NumberOfNotificationsFilteredOut-InvalidMessageBody",
            "NumberOfNotificationsFilteredOut-MessageBody",
            "NumberOfNotificationsFilteredOut-MessageAttributes",
            "NumberOfNotificationsRedrivenToDlq",
            "NumberOfNotificationsFailedToRedriveToDlq",
            "PublishSize",
        ],
        dimensions: &[&["TopicName"], &["Application", "Platform"], &["Platform"]],
    },
    Group {
        names: &["SMSMonthToDateSpentUSD", "SMSSuccessRate"],
        dimensions: &[
            &[],
            &["Country"],
            &["SMSType"],
            &["PhoneNumber"],
            &["Country", "SMSType"],
        ],
    },
];

const S3: &[Group] = &[
    Group {
        names: &["BucketSizeBytes", "NumberOfObjects"],
        dimensions: &[&["BucketName", "StorageType"]],
    },
    Group {
        names: &[
            "AllRequests",
            "GetRequests",
            "PutRequests",
            "DeleteRequests",
            "HeadRequests",
            "PostRequests",
            "SelectRequests",
            "SelectBytesScanned",
            "SelectBytesReturned",
            "ListRequests",
            "BytesDownloaded",
            "BytesUploaded",
            "4xxErrors",
            "5xxErrors",
            "FirstByteLatency",
            "TotalRequestLatency",
        ],
        dimensions: &[&["BucketName", "FilterId"]],
    },
    Group {
        names: &[
            "ReplicationLatency",
            "BytesPendingReplication",
            "OperationsPendingReplication",
            "OperationsFailedReplication",
        ],
        dimensions: &[&["DestinationBucket", "RuleId", "SourceBucket"]],
    },
];

const CLOUD_FRONT: &[Group] = &[
    Group {
        names: &[
            "Requests",
            "BytesDownloaded",
            "BytesUploaded",
            "TotalErrorRate",
            "4xxErrorRate",
            "5xxErrorRate",
            "401ErrorRate",
            "403ErrorRate",
            "404ErrorRate",
            "502ErrorRate",
            "503ErrorRate",
            "504ErrorRate",
            "CacheHitRate",
            "OriginLatency",
            "LambdaExecutionError",
            "LambdaValidationError",
            "LambdaLimitExceededError",
        ],
        dimensions: &[&["DistributionId", "Region"]],
    },
    Group {
        names: &[
            "FunctionInvocations",
            "FunctionValidationErrors",
            "FunctionExecutionErrors",
            "FunctionComputeUtilization",
            "FunctionThrottles",
        ],
        dimensions: &[
            &["FunctionName", "Region"],
            &["DistributionId", "FunctionName", "Region"],
        ],
    },
];

const APPLICATION_ELB: &[Group] = &[
    Group {
        names: &[
            "ActiveConnectionCount",
            "ClientTLSNegotiationErrorCount",
            "ConsumedLCUs",
            "PeakLCUs",
            "DroppedInvalidHeaderRequestCount",
            "ForwardedInvalidHeaderRequestCount",
            "DesyncMitigationMode_NonCompliant_Request_Count",
            "GrpcRequestCount",
            "HTTP_Fixed_Response_Count",
            "HTTP_Redirect_Count",
            "HTTP_Redirect_Url_Limit_Exceeded_Count",
            "HTTPCode_ELB_3XX_Count",
            "HTTPCode_ELB_4XX_Count",
            "HTTPCode_ELB_5XX_Count",
            "HTTPCode_ELB_500_Count",
            "HTTPCode_ELB_502_Count",
            "HTTPCode_ELB_503_Count",
            "HTTPCode_ELB_504_Count",
            "IPv6ProcessedBytes",
            "IPv6RequestCount",
            "NewConnectionCount",
            "ProcessedBytes",
            "RejectedConnectionCount",
            "RequestCount",
            "RuleEvaluations",
            "ELBAuthError",
            "ELBAuthFailure",
            "ELBAuthLatency",
            "ELBAuthRefreshTokenSuccess",
            "ELBAuthSuccess",
            "ELBAuthUserClaimsSizeExceeded",
        ],
        dimensions: &[&["LoadBalancer"], &["AvailabilityZone", "LoadBalancer"]],
    },
    Group {
        names: &[
            "HTTPCode_Target_2XX_Count",
            "HTTPCode_Target_3XX_Count",
            "HTTPCode_Target_4XX_Count",
            "HTTPCode_Target_5XX_Count",
            "RequestCount",
            "TargetResponseTime",
            "TargetConnectionErrorCount",
            "TargetTLSNegotiationErrorCount",
        ],
        dimensions: &[
            &["LoadBalancer"],
            &["AvailabilityZone", "LoadBalancer"],
            &["LoadBalancer", "TargetGroup"],
            &["AvailabilityZone", "LoadBalancer", "TargetGroup"],
        ],
    },
    Group {
        names: &[
            "HealthyHostCount",
            "UnHealthyHostCount",
            "HealthyStateDNS",
            "HealthyStateRouting",
            "UnhealthyStateDNS",
            "UnhealthyStateRouting",
            "UnhealthyRoutingRequestCount",
            "AnomalousHostCount",
            "MitigatedHostCount",
        ],
        dimensions: &[
            &["LoadBalancer", "TargetGroup"],
            &["AvailabilityZone", "LoadBalancer", "TargetGroup"],
        ],
    },
    Group {
        names: &["RequestCountPerTarget"],
        dimensions: &[&["TargetGroup"], &["LoadBalancer", "TargetGroup"]],
    },
];

const EC2: &[Group] = &[
    Group {
        names: &[
            "CPUUtilization",
            "DiskReadOps",
            "DiskWriteOps",
            "DiskReadBytes",
            "DiskWriteBytes",
            "MetadataNoToken",
            "MetadataNoTokenRejected",
            "NetworkIn",
            "NetworkOut",
            "NetworkPacketsIn",
            "NetworkPacketsOut",
            "EBSReadOps",
            "EBSWriteOps",
            "EBSReadBytes",
            "EBSWriteBytes",
            "StatusCheckFailed",
            "StatusCheckFailed_Instance",
            "StatusCheckFailed_System",
            "StatusCheckFailed_AttachedEBS",
        ],
        dimensions: &[
            &[],
            &["AutoScalingGroupName"],
            &["ImageId"],
            &["InstanceId"],
            &["InstanceType"],
        ],
    },
    Group {
        names: &[
            "CPUCreditUsage",
            "CPUCreditBalance",
            "CPUSurplusCreditBalance",
            "CPUSurplusCreditsCharged",
            "EBSIOBalance%",
            "EBSByteBalance%",
        ],
        dimensions: &[&["InstanceId"], &["AutoScalingGroupName"]],
    },
];

const AUTO_SCALING: &[Group] = &[Group {
    names: &[
        "GroupMinSize",
        "GroupMaxSize",
        "GroupDesiredCapacity",
        "GroupInServiceInstances",
        "GroupPendingInstances",
        "GroupStandbyInstances",
        "GroupTerminatingInstances",
        "GroupTotalInstances",
        "GroupInServiceCapacity",
        "GroupPendingCapacity",
        "GroupStandbyCapacity",
        "GroupTerminatingCapacity",
        "GroupTotalCapacity",
        "WarmPoolMinSize",
        "WarmPoolDesiredCapacity",
        "WarmPoolTotalCapacity",
    ],
    dimensions: &[&["AutoScalingGroupName"]],
}];

const EVENTS: &[Group] = &[
    Group {
        names: &[
            "DeadLetterInvocations",
            "FailedInvocations",
            "IngestionToInvocationCompleteLatency",
            "IngestionToInvocationStartLatency",
            "IngestionToInvocationSuccessLatency",
            "InvocationAttempts",
            "Invocations",
            "InvocationsCreated",
            "InvocationsFailedToBeSentToDlq",
            "InvocationsSentToDlq",
            "MatchedEvents",
            "RetryInvocationAttempts",
            "SuccessfulInvocationAttempts",
            "ThrottledRules",
            "TriggeredRules",
        ],
        dimensions: &[
            &[],
            &["RuleName"],
            &["EventBusName"],
            &["EventBusName", "RuleName"],
        ],
    },
    Group {
        names: &[
            "PutEventsApproximateCallCount",
            "PutEventsApproximateFailedCount",
            "PutEventsApproximateSuccessCount",
            "PutEventsApproximateThrottledCount",
            "PutEventsEntriesCount",
            "PutEventsFailedEntriesCount",
            "PutEventsLatency",
            "PutEventsRequestSize",
        ],
        dimensions: &[&[]],
    },
];

const SCHEDULER: &[Group] = &[Group {
    names: &[
        "InvocationAttemptCount",
        "InvocationDroppedCount",
        "InvocationThrottleCount",
        "TargetErrorCount",
        "TargetErrorThrottledCount",
        "InvocationsSentToDeadLetterCount",
        "InvocationsFailedToBeSentToDeadLetterCount",
        "InvocationsSentToDeadLetterCount_Truncated_MessageSizeExceeded",
    ],
    dimensions: &[&[], &["ScheduleGroup"]],
}];

const SES: &[Group] = &[Group {
    names: &[
        "Send",
        "Delivery",
        "Bounce",
        "Complaint",
        "Reject",
        "Open",
        "Click",
        "RenderingFailure",
        "DeliveryDelay",
        "Subscription",
        "Reputation.BounceRate",
        "Reputation.ComplaintRate",
    ],
    dimensions: &[&[], &["ses:configuration-set"]],
}];

const LOGS: &[Group] = &[
    Group {
        names: &["IncomingBytes", "IncomingLogEvents"],
        dimensions: &[&[], &["LogGroupName"]],
    },
    Group {
        names: &[
            "DeliveryErrors",
            "DeliveryThrottling",
            "ForwardedBytes",
            "ForwardedLogEvents",
        ],
        dimensions: &[&["DestinationType", "FilterName", "LogGroupName"]],
    },
];

const CODE_BUILD: &[Group] = &[Group {
    names: &[
        "Builds",
        "FailedBuilds",
        "SucceededBuilds",
        "Duration",
        "BuildDuration",
        "DownloadSourceDuration",
        "FinalizingDuration",
        "InstallDuration",
        "PostBuildDuration",
        "PreBuildDuration",
        "ProvisioningDuration",
        "QueuedDuration",
        "SubmittedDuration",
        "UploadArtifactsDuration",
    ],
    dimensions: &[&[], &["ProjectName"]],
}];

const BILLING: &[Group] = &[Group {
    names: &["EstimatedCharges"],
    dimensions: &[
        &["Currency"],
        &["Currency", "ServiceName"],
        &["Currency", "LinkedAccount"],
        &["Currency", "LinkedAccount", "ServiceName"],
    ],
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dimension_set_stands_in_order_and_every_namespace_once() {
        for (namespace, groups) in TABLE {
            for group in *groups {
                assert!(
                    !group.names.is_empty() && !group.dimensions.is_empty(),
                    "{namespace}"
                );
                for set in group.dimensions {
                    assert!(set.is_sorted(), "{namespace}: {set:?}");
                }
            }
        }
        assert!(TABLE.windows(2).all(|w| w[0].0 < w[1].0));
    }
}
