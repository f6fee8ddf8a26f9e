//! The ports on this machine: one SQLite file, a mailbox, a gateway and a function runtime.
