//! `explain`: which rule a request falls under, how each check goes, and what the client would get.
//!
//! Without `--admin` the configuration decides, with keys fetched as the gateway would fetch them, and with what the store
//! says of revocations and roles. What only a gateway that runs knows (owners that are asked for) is said to be unknown.

use std::{
    fs,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use serde_json::Value;

use super::{
    admin,
    configuration::Configuration,
    failure::Failure,
    inspect, presented, steps,
    terminal::{BAD, BOLD, FAINT, GOOD, print, shown},
};
use crate::{
    authn::Vocabulary,
    clock::Clock,
    config::{Config, KeySource},
    contract::Contract,
    gateway::{
        PrepareError,
        explain::{Gate, PUBLISHED, Question, REPORTED, Step},
        prepare,
    },
};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The method: GET
    method: String,
    /// The path, perhaps with a query: /plants/1
    path: String,
    /// The token, or a whole `Bearer …`; with -, standard input.
    #[arg(long)]
    token: Option<String>,
    /// A file with the token.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// Ask the gateway that runs: the address of its admin listener.
    #[arg(long, value_name = "URL", value_parser = address)]
    admin: Option<SocketAddr>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let address = authority.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    address.ok_or_else(|| "write it like http://127.0.0.1:9901".to_owned())
}

pub(super) fn run(
    options: &Options,
    load: impl FnOnce() -> Result<Configuration, Failure>,
) -> Result<ExitCode, Failure> {
    let question = Question { method: options.method.clone(), target: options.path.clone(), token: token(options)? };
    let explanation = match options.admin {
        Some(address) => ask(address, &question)?,
        None => explain(&question, &load()?)?,
    };
    print(&if options.json { format!("{explanation:#}\n") } else { told(&explanation) })?;
    let is_answered = ["passes", PUBLISHED, REPORTED].contains(&explanation["outcome"].as_str().unwrap_or_default());
    Ok(if is_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn token(options: &Options) -> Result<Option<String>, Failure> {
    let Some(file) = &options.token_file else {
        return options.token.as_deref().map(|token| presented::text(Some(token))).transpose();
    };
    let text = fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    Ok(Some(text.trim().to_owned()))
}

fn ask(address: SocketAddr, question: &Question) -> Result<Value, Failure> {
    match admin::post(address, "/explain", &question.show())? {
        Some((200, explanation)) => Ok(explanation),
        Some((status, answer)) => {
            let told = answer["detail"].as_str().unwrap_or("it is no gateway's answer");
            Err(Failure::Other(format!("the gateway at {address}: {status}: {}", shown(told))))
        }
        None => Err(Failure::Other(format!("no gateway answers at {address}"))),
    }
}

/// By the configuration alone.
fn explain(question: &Question, configuration: &Configuration) -> Result<Value, Failure> {
    let (config, clock) = (&configuration.config, Clock::system());
    let authenticator = configuration.authenticator(&clock, |issuer| inspect::elsewhere(issuer, &clock))?;
    let revocations = inspect::look_at_store(config.store.as_ref(), &authenticator, clock.now());
    // The same routes give permissions the same places as they have in the authenticator.
    let routes = config.routes(&mut Vocabulary::default()).map_err(PrepareError::Routes)?;
    // As long as somebody could answer, the question for an owner stays open.
    let (policy, _lookups) = prepare::policy(config, routes, &clock);
    let gate = Gate {
        authenticator: &authenticator,
        policy: &policy,
        contract: &Contract::new(config.dialect.clone()),
        limits: &config.limits,
        rate_limits: config.rate_limits.iter().map(ToString::to_string).collect(),
        clock: &clock,
        upstreams: upstreams(config),
        publishes: config.issuers.iter().any(|issuer| matches!(issuer.keys, KeySource::SigningKeys(_))),
        strips_authorization: config.identity_headers.strip_authorization,
        keys: Box::new(|issuer| inspect::keys_of(issuer, config)),
        revocations,
        is_running: false,
    };
    Ok(gate.explain_at_once(question))
}

fn upstreams(config: &Config) -> Vec<(String, Vec<String>)> {
    let upstreams = config.upstreams.iter();
    upstreams
        .map(|upstream| (upstream.name.clone(), upstream.servers.iter().map(ToString::to_string).collect()))
        .collect()
}

/// For people. It may come from another machine, so nothing in it acts on the terminal.
fn told(explanation: &Value) -> String {
    let text = |value: &Value| shown(value.as_str().unwrap_or_default());
    let mut told = format!("{BOLD}{} {}{BOLD:#}\n", text(&explanation["method"]), text(&explanation["path"]));
    told.push_str(&match explanation["rule"]["match"].as_str() {
        Some(rule) => format!("  falls under {BOLD}{}{BOLD:#}{}\n", shown(rule), asked(&explanation["rule"])),
        None => "  falls under no rule\n".to_owned(),
    });
    told.push_str(&format!("\n{BOLD}Checks{BOLD:#}\n"));
    let checks = explanation["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    told.push_str(&steps::lines(&checks.iter().filter_map(Step::read).collect::<Vec<_>>()));
    told.push('\n');
    let (reason, cause) = (text(&explanation["reason"]), text(&explanation["cause"]));
    told.push_str(&match explanation["outcome"].as_str() {
        Some("passes") => format!("{GOOD}It passes{GOOD:#}, and {}", forwarded(&explanation["forwarded"])),
        Some("refused") => {
            format!(
                "{BAD}It is refused{BAD:#}: {reason}, because {cause}.\nThe client gets {}",
                answer(&explanation["answer"])
            )
        }
        Some("not known") => {
            format!(
                "{BOLD}It is not known{BOLD:#} from here: whose the resource is, only the running gateway can ask.\n"
            )
        }
        Some(PUBLISHED) => format!("{GOOD}The gateway answers it itself{GOOD:#}, with its public keys.\n"),
        _ => format!(
            "{BAD}It would be refused{BAD:#}: {reason}, because {cause}.\nThe client would get {}\n\
             {BOLD}In report mode it passes{BOLD:#} all the same, and {}",
            answer(&explanation["answer"]),
            forwarded(&explanation["forwarded"])
        ),
    });
    told
}

/// What the rule asks for.
fn asked(rule: &Value) -> String {
    let names = |member: &str| {
        let names = rule[member].as_array().map(Vec::as_slice).unwrap_or_default().iter();
        names.filter_map(Value::as_str).map(shown).collect::<Vec<_>>().join(", ")
    };
    let mut parts = vec![rule["access"].as_str().map(shown).unwrap_or_default()];
    let owner = rule["owner"].as_str().map(shown).unwrap_or_default();
    for (name, value) in [
        ("permissions", names("permissions")),
        ("owner", owner),
        ("issuers", names("issuers")),
        ("rate limit", names("rate_limits")),
        ("upgrade", names("upgrade")),
        (
            "token as",
            rule["websocket_token"].as_str().filter(|token| *token != "header").map(shown).unwrap_or_default(),
        ),
    ] {
        if !value.is_empty() {
            parts.push(format!("{name} {value}"));
        }
    }
    if rule["close_at_exp"] == true {
        parts.push("ends with the token".to_owned());
    }
    if rule["mode"] == "report" {
        parts.push("report mode".to_owned());
    }
    format!(" {FAINT}({}){FAINT:#}", parts.join("; "))
}

/// The answer as it is sent, further in.
fn answer(answer: &Value) -> String {
    let status = answer["status"].as_u64().unwrap_or_default();
    let mut text = format!("{status} {}\n", answer["status_text"].as_str().map(shown).unwrap_or_default());
    text.push_str(&fields(&answer["headers"]));
    if let Some(body) = answer["body"].as_str().filter(|body| !body.is_empty()) {
        text.push_str(&format!("\n  {}\n", shown(body)));
    }
    text
}

fn forwarded(forwarded: &Value) -> String {
    if forwarded["built_in"] == true {
        return "is answered by a built-in endpoint\n".to_owned();
    }
    let servers = forwarded["servers"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let servers = servers.filter_map(Value::as_str).map(shown).collect::<Vec<_>>().join(", ");
    let upstream = forwarded["upstream"].as_str().map(shown).unwrap_or_default();
    let identity = fields(&forwarded["identity_headers"]);
    let identity = if identity.is_empty() { "  no identity headers\n".to_owned() } else { identity };
    let token = if forwarded["authorization"] == "strip" { "  without the token\n" } else { "" };
    format!("is forwarded to {upstream} ({servers}) with\n{identity}{token}")
}

fn fields(fields: &Value) -> String {
    let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let text = |value: &Value| shown(value.as_str().unwrap_or_default());
    fields.map(|field| format!("  {}: {}\n", text(&field[0]), text(&field[1]))).collect()
}
