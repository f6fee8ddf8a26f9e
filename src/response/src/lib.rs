//! Decides who is told what and when: pure functions of transitions, routes, journal and now.
