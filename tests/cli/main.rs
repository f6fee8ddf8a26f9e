//! What the commands print, as transcripts: `tests/cli/*.trycmd`; a folder `NAME.in` beside one is
//! where its commands run, and `broken/` has a project for each way in which files can be wrong.
//!
//! `TRYCMD=overwrite cargo test -p tests --test cli` writes them anew; read the difference.

#[path = "../binary.rs"]
mod binary;

#[test]
fn the_commands_say_what_the_transcripts_say() {
    trycmd::TestCases::new()
        .register_bin("nightbell", binary::nightbell())
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .case("cli/*.trycmd")
        .case("cli/broken/*.trycmd");
}
