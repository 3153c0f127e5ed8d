//! A token as somebody hands it over: an argument, or standard input.

use std::io::{self, IsTerminal, Read};

use super::{failure::Failure, terminal::complain};

/// More than this is no token, whatever the limit of the configuration.
const MOST_BYTES: u64 = 4 << 20;

/// The argument, or standard input if there is none or it is `-`; without the white space around it.
pub(super) fn text(argument: Option<&str>) -> Result<String, Failure> {
    let text = match argument {
        Some(text) if text != "-" => text.to_owned(),
        _ => standard_input()?,
    };
    match text.trim() {
        "" => Err(Failure::Usage("there is no token: give one as an argument or on standard input".to_owned())),
        text => Ok(text.to_owned()),
    }
}

fn standard_input() -> Result<String, Failure> {
    let input = io::stdin().lock();
    if io::stdin().is_terminal() {
        complain("Paste the token, then press Enter and Ctrl-D.");
    }
    let mut bytes = Vec::new();
    input
        .take(MOST_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Other(format!("cannot read standard input: {error}")))?;
    // What is not UTF-8 is not a token either; the checks will say so.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
