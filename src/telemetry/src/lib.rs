//! What a service emits: EMF metrics, X-Ray traces from OpenTelemetry spans, JSON logs.
