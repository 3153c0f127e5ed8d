//! What the compiler does not check of the architecture (docs/architecture.md), read from the sources' tokens:
//!
//! 1. A module names only modules before it in the order.
//! 2. No file is longer than 400 lines.
//! 3. `jwt` knows nothing of HTTP, of the network, of files.
//! 4. Only `clock` asks what time it is. Tokio's clock, which measures how long something takes, is free to use.
//! 5. A `Permit` is made in one place.
//!
//! What is compiled for tests alone is left out, and so are `lib.rs` and `main.rs`, which put the parts together.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the repository has failed")]

use std::{fs, iter, path::Path};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// From the bottom to the top.
const ORDER: [&str; 16] = [
    "clock",
    "secret",
    "single_flight",
    "jwt",
    "authn",
    "authz",
    "rejection",
    "contract",
    "layer",
    "accounts",
    "store",
    "http1",
    "proxy",
    "config",
    "gateway",
    "cli",
];

const MOST_LINES: usize = 400;

/// What a pure module does not name.
const IMPURE: [&str; 16] = [
    "axum",
    "http",
    "http_body",
    "hyper",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "tokio",
    "tonic",
    "tower_layer",
    "tower_service",
    "tracing",
];

/// Types whose `now` asks the system for the time.
const CLOCKS: [&str; 7] = ["Instant", "Local", "OffsetDateTime", "SystemTime", "Timestamp", "Utc", "Zoned"];

/// The one file that makes a `Permit`.
const PERMIT_MAKER: &str = "authz/policy.rs";

#[test]
fn the_sources_keep_the_architecture() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 50, "these are not all of the sources: {}", sources.len());
    let complaints: Vec<String> = sources.iter().flat_map(|(name, text)| complaints(name, text)).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn a_permit_is_made_in_one_place() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let makers = |(name, text): &(String, String)| vec![name.clone(); permits(code(name, text), false)];
    let makers: Vec<String> = sources.iter().flat_map(makers).collect();
    assert_eq!(makers, [PERMIT_MAKER]);
}

/// Every source file in `folder` and below: its path from there, and its text.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below = self::sources(&path).into_iter();
            sources.extend(below.map(|(below, text)| (format!("{name}/{below}"), text)));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    sources
}

/// What is wrong with the file `name`, a path below `src`.
fn complaints(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let lines = text.lines().count();
    if lines > MOST_LINES {
        complaints.push(format!("src/{name}: has {lines} lines, more than {MOST_LINES}"));
    }
    if name == "lib.rs" || name == "main.rs" {
        return complaints;
    }
    let module = module_path(name);
    if position(&module[0]).is_none() {
        complaints.push(format!("src/{name}: `{}` has no place in the order of modules", module[0]));
    }
    let mut names = Vec::new();
    collect(code(name, text), &module, &mut names);
    let imports_tokio_instant = names.iter().any(|(_, path)| path.join("::") == "tokio::time::Instant");
    for (line, path) in &names {
        let complaint = out_of_order(&module[0], path)
            .or_else(|| impure(path).filter(|_| module[0] == "jwt"))
            .or_else(|| asks_the_time(path, imports_tokio_instant).filter(|_| module[0] != "clock"));
        complaints.extend(complaint.map(|complaint| format!("src/{name}:{line}: {complaint}")));
    }
    complaints
}

fn position(module: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == module)
}

fn out_of_order(module: &str, path: &[String]) -> Option<String> {
    let [root, named, ..] = path else { return None };
    if root != "crate" || named == module {
        return None;
    }
    match position(named) {
        None => Some(format!("`crate::{named}` is not a module of the order: name the module that it is from")),
        named_at if named_at < position(module) => None,
        Some(_) => Some(format!("`{module}` names `crate::{named}`, which comes after it")),
    }
}

fn impure(path: &[String]) -> Option<String> {
    let path = path.join("::");
    let named = |what: &&str| path.strip_prefix(*what).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    IMPURE.iter().find(|what| named(what)).map(|what| format!("a pure module names `{what}`"))
}

fn asks_the_time(path: &[String], imports_tokio_instant: bool) -> Option<String> {
    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
    let asks = match segments.as_slice() {
        ["tokio", "time", "Instant", ..] => false,
        ["std", "time", what, ..] => ["Instant", "SystemTime", "UNIX_EPOCH", "*"].contains(what),
        ["Instant", "now"] => !imports_tokio_instant,
        [.., what, "now"] => CLOCKS.contains(what),
        _ => false,
    };
    asks.then(|| format!("`{}`: the time comes from `clock`", path.join("::")))
}

/// `authz/route/table.rs` is `authz::route::table`, `authz/mod.rs` is `authz`.
fn module_path(name: &str) -> Vec<String> {
    let parts = name.trim_end_matches(".rs").split('/').filter(|part| *part != "mod");
    parts.map(str::to_owned).collect()
}

/// The tokens of a file; none if it is a file of tests.
fn code(name: &str, text: &str) -> TokenStream {
    if name.split('/').any(|part| part == "tests" || part == "tests.rs") {
        return TokenStream::new();
    }
    text.parse().unwrap_or_else(|error| panic!("src/{name}: {error}"))
}

/// Without the items that are compiled for tests alone.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let attribute = tokens.peek().filter(|_| is_punct(&token, '#')).map(ToString::to_string);
        let attribute = attribute.unwrap_or_default().replace(' ', "");
        if attribute.starts_with("[cfg(test)") || attribute.starts_with("[cfg(all(test,") {
            // The item ends with its body or with a semicolon.
            tokens.find(|token| is_punct(token, ';') || body(token).is_some());
        } else {
            kept.push(token);
        }
    }
    kept
}

/// Every path that the code of `module` names, with its line. Trees of `use` are taken apart; `crate`, `self` and
/// `super` are replaced by where they lead.
fn collect(tokens: TokenStream, module: &[String], names: &mut Vec<(usize, Vec<String>)>) {
    let tokens = without_tests(tokens);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match (token, tokens.get(at + 1), tokens.get(at + 2).and_then(body)) {
            (TokenTree::Ident(word), Some(TokenTree::Ident(name)), Some(inner)) if word == "mod" => {
                let below: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
                collect(inner.stream(), &below, names);
                at += 3;
            }
            // A field or a method is no path.
            (TokenTree::Ident(_), ..) if at == 0 || !is_punct(&tokens[at - 1], '.') => {
                let line = token.span().start().line;
                let mut paths = Vec::new();
                at += path(&tokens[at..], Vec::new(), &mut paths);
                names.extend(paths.into_iter().map(|path| (line, absolute(path, module))));
            }
            (TokenTree::Group(group), ..) => {
                collect(group.stream(), module, names);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// The path, or the tree of paths, that `tokens` begin with, behind `prefix`. How many tokens it takes.
fn path(tokens: &[TokenTree], mut prefix: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let mut at = 0;
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(segment)) => prefix.push(segment.to_string()),
            Some(token) if is_punct(token, '*') => prefix.push("*".to_owned()),
            Some(TokenTree::Group(tree)) if tree.delimiter() == Delimiter::Brace => {
                let branches: Vec<TokenTree> = tree.stream().into_iter().collect();
                for branch in branches.split(|token| is_punct(token, ',')).filter(|branch| !branch.is_empty()) {
                    path(branch, prefix.clone(), paths);
                }
                return at + 1;
            }
            // A turbofish: `Vec::<u8>`.
            _ => break,
        }
        at += 1;
        match tokens.get(at..at + 2) {
            Some([one, two]) if is_punct(one, ':') && is_punct(two, ':') => at += 2,
            _ => break,
        }
    }
    paths.push(prefix);
    at
}

fn absolute(path: Vec<String>, module: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|segment| *segment == "super" || *segment == "self").count();
    if supers == 0 {
        return path;
    }
    let up = path.iter().take(supers).filter(|segment| *segment == "super").count();
    let base = module.iter().take(module.len().saturating_sub(up)).cloned();
    iter::once("crate".to_owned()).chain(base).chain(path.into_iter().skip(supers)).collect()
}

/// How often a `Permit` is written out, `Self { … }` in its own code included: `own` says that this is such.
fn permits(tokens: TokenStream, own: bool) -> usize {
    let tokens = without_tests(tokens);
    let mut count = 0;
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let ident = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at)).map(ToString::to_string);
        let is_body = group.delimiter() == Delimiter::Brace;
        let name = ident(1).filter(|_| is_body).unwrap_or_default();
        // `struct Permit { … }`, `impl Permit { … }`, `impl Debug for Permit { … }`, `fn permit() -> Permit { … }`.
        let introduced = ident(2).is_some_and(|before| ["struct", "impl", "for", ">"].contains(&before.as_str()));
        if name == "Permit" && !introduced || name == "Self" && own && !introduced {
            count += 1;
        }
        count += permits(group.stream(), own || name == "Permit" && introduced);
    }
    count
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn body(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

#[track_caller]
fn assert_complaint(name: &str, text: &str, expected: &str) {
    let complaints = complaints(name, text);
    assert_eq!(complaints.len(), 1, "{complaints:?}: {text}");
    assert!(complaints[0].contains(expected), "{complaints:?}");
}

#[test]
fn a_module_that_names_a_later_one_is_found() {
    let late = "names `crate::gateway`, which comes after it";
    for text in [
        "use crate::gateway::run;",
        "use crate::{clock::Clock, gateway::{run}};",
        "fn f() {\n    crate::gateway::run();\n}",
        "use super::super::gateway;",
        "mod inner {\n    use super::super::super::gateway;\n}",
        "macro_rules! m { () => { $crate::gateway::run() }; }",
        "pin_project! { struct S { #[pin] inner: crate::gateway::Body } }",
        "#[cfg(test)]\nmod tests;\nuse crate::gateway::run;",
        "#[cfg(test)]\nmod tests { fn f() {} }\nuse self::super::super::gateway as house;",
        "#[cfg(not(test))]\nuse crate::gateway::run;",
    ] {
        assert_complaint("authz/route.rs", text, late);
    }
    assert_complaint("authz/route.rs", "\n\nuse crate::gateway::run;", "src/authz/route.rs:3: ");
    assert_complaint("jwt/mod.rs", "use crate::authn::Principal;", "`jwt` names `crate::authn`");
    assert_complaint("authz/mod.rs", "use crate::*;", "`crate::*` is not a module");
    assert_complaint("authz/mod.rs", "use crate::BearerLayer;", "`crate::BearerLayer` is not a module");
    assert_complaint("rest/mod.rs", "", "`rest` has no place");
}

#[test]
fn a_module_may_name_what_comes_before_it_itself_and_anything_in_its_tests() {
    for text in [
        "use crate::{authn::{self, Principal}, clock::Clock};\npub(crate) fn f() -> crate::jwt::Claims { todo() }",
        "use super::{path, super::authn};\nuse crate::authz::route::Rule;",
        "#[cfg(test)]\nmod tests {\n    use crate::gateway::run;\n}",
        "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\n#[cfg(all(test, unix))]\nuse crate::{gateway, cli};",
        "// crate::gateway\nconst TEXT: &str = \"crate::gateway\";",
        "fn f(s: S) { s.gateway.http(1 .. 2, Vec::<u8>::new()) }",
    ] {
        assert_eq!(complaints("authz/route.rs", text), [""; 0], "{text}");
    }
    assert_eq!(complaints("authz/route/tests.rs", "use crate::gateway::run;"), [""; 0]);
    assert_eq!(complaints("lib.rs", "pub mod gateway;\npub use crate::gateway::run;"), [""; 0]);
}

#[test]
fn a_file_that_is_too_long_is_found() {
    assert_complaint("jwt/tests.rs", &"\n".repeat(MOST_LINES + 1), "has 401 lines");
    assert_eq!(complaints("jwt/tests.rs", &"\n".repeat(MOST_LINES)), [""; 0]);
}

#[test]
fn http_and_files_in_the_pure_module_are_found() {
    assert_complaint("jwt/key.rs", "use http::HeaderMap;", "`http`");
    assert_complaint("jwt/key.rs", "use std::{fmt, net::IpAddr};", "`std::net`");
    assert_complaint("jwt/key.rs", "fn f() { ::std::fs::read(\"key\"); }", "`std::fs`");
    assert_complaint("jwt/key.rs", "async fn f() { tokio::task::yield_now().await }", "`tokio`");
    assert_eq!(complaints("jwt/key.rs", "use std::fmt;\nfn f(s: S) { s.http }"), [""; 0]);
    assert_eq!(complaints("layer/mod.rs", "use http::HeaderMap;"), [""; 0]);
}

#[test]
fn whoever_else_asks_for_the_time_is_found() {
    let time = "the time comes from `clock`";
    assert_complaint("proxy/pool.rs", "fn f() { std::time::SystemTime::now(); }", time);
    assert_complaint("proxy/pool.rs", "use std::time::{Duration, Instant};", time);
    assert_complaint("proxy/pool.rs", "use std::time::*;", time);
    assert_complaint("proxy/pool.rs", "fn f() { Instant::now(); }", time);
    assert_complaint("proxy/pool.rs", "fn f() { map(jiff::Zoned::now) }", time);
    let free =
        "use tokio::time::{Instant, sleep};\nuse std::time::Duration;\nfn f(c: Clock) { Instant::now(); c.now() }";
    assert_eq!(complaints("proxy/pool.rs", free), [""; 0]);
    assert_eq!(complaints("clock.rs", "use std::time::SystemTime;\nfn f() { SystemTime::now(); }"), [""; 0]);
}

#[test]
fn every_permit_that_is_made_is_counted() {
    let count = |text: &str| permits(code("any.rs", text), false);
    assert_eq!(count("pub struct Permit { rule: Rule }\nimpl Permit { fn rule(&self) -> &Rule { &self.rule } }"), 0);
    assert_eq!(count("fn f() -> Permit { todo() }\nimpl Debug for Permit { fn f() { g() } }"), 0);
    assert_eq!(count("fn f() -> Result<Permit, E> { Ok(Permit { rule, principal: None }) }"), 1);
    assert_eq!(
        count("fn f() -> Permit { policy::Permit { rule } }\nimpl Permit { fn new() -> Self { Self { rule } } }"),
        2
    );
    assert_eq!(count("#[cfg(test)]\nfn f() -> Permit { Permit { rule } }"), 0);
}
