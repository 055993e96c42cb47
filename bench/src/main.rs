//! Loads a SockJS server and says what it cost; see [`sockjs_bench::USAGE`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

use sockjs_bench::{Options, run};

fn main() -> ExitCode {
    let ran = Options::parse(std::env::args().skip(1)).and_then(|options| {
        let report = run(&options)?;
        match options.is_json() {
            true => println!("{}", serde_json::to_string(&report)?),
            false => print!("{report}"),
        }
        Ok(())
    });
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
