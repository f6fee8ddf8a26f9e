//! One small binary per deployed function.
