//! Nothing here; see the test binaries.
