//! `keys check`: fetches a key set as the gateway would, and prints what it found.

use std::process::ExitCode;

use clap::Args;

use super::{
    failure::Failure,
    terminal::{BAD, complain, print, shown, table},
};
use crate::authn::remote::{Fetched, PlainHttp, RemoteKeys};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the keys are, or with --issuer where the issuer's metadata is.
    url: String,
    /// Find the keys by the metadata (`discovery_url`), which has to name this issuer.
    #[arg(long, value_name = "ISS")]
    issuer: Option<String>,
    /// A host that may be asked without TLS (`allow_http`). May be repeated.
    #[arg(long, value_name = "HOST")]
    allow_http: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let plain = PlainHttp::hosts(&options.allow_http);
    let keys = match &options.issuer {
        Some(issuer) => RemoteKeys::discovery(&options.url, issuer, &plain),
        None => RemoteKeys::jwks(&options.url, &plain),
    };
    let keys = keys.map_err(|error| Failure::Usage(format!("the URL {error}")))?;
    let fetched = keys.fetch_once().map_err(|error| Failure::Other(shown(&error.to_string())))?;
    for key in &fetched.skipped {
        complain(&format!("{BAD}warning{BAD:#}: a key is left out: {}", shown(&key.to_string())));
    }
    print(&found(&fetched))?;
    Ok(ExitCode::SUCCESS)
}

fn found(fetched: &Fetched) -> String {
    let rows = fetched.keys.keys().iter().map(|key| {
        let key_id = key.key_id().map_or_else(|| "-".to_owned(), shown);
        vec![key_id, key.algorithm().to_string()]
    });
    format!("{}\n{}", shown(&fetched.url.to_string()), table(&["KID", "ALGORITHM"], rows))
}
