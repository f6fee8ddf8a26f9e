//! CloudWatch's alarm semantics as pure functions of data and time.
