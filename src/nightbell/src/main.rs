//! The process: arguments, signals, exit code.
fn main() {}
