//! The program. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hayloft::cli::main(&std::env::args_os().collect::<Vec<_>>())
}
