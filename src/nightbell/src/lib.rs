//! The binary: commands, daemon tasks, API and console.
