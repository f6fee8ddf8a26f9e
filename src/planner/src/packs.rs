//! Default alarms of discovered resources.

use model::AlarmSpec;

/// A default alarm of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct PackAlarm {
    /// The alarm.
    pub spec: AlarmSpec,
    /// The ARN of the resource that it watches.
    pub resource: String,
    /// `lambda.errors`: kind and rule, as `alarms/packs.yaml` names them.
    pub rule: String,
    /// Why its threshold is what it is.
    pub reason: String,
}
