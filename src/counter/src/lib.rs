//! The counter service: GET /count increments and answers the visitor count.
