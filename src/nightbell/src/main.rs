//! The process: arguments, signals, exit code.

use std::process::ExitCode;

use clap::Parser;
use nightbell::cli::{Cli, Exit, run};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is wrong usage: 64, not clap's 2.
            let _ = error.print();
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            return ExitCode::from(exit.code());
        }
    };
    ExitCode::from(run(cli).code())
}
