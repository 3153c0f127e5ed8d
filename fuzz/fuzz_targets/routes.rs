//! Any lines as patterns of routes, the last one as a path: never a panic; a pattern is read again from how it is shown; and
//! of the rules that cover a request one is found, or none if there is none.

#![no_main]

use bearergate::{
    authn::Vocabulary,
    authz::{Pattern, RouteSpec, Routes},
};
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (patterns, path) = text.rsplit_once('\n').unwrap_or(("", text));
    let patterns: Vec<Pattern> = patterns.lines().take(8).filter_map(|line| line.parse().ok()).collect();
    for pattern in &patterns {
        assert_eq!(pattern.to_string().parse().as_ref(), Ok(pattern));
        assert!(pattern.covers_the_same(pattern));
    }
    let spec = |pattern: &Pattern| RouteSpec { patterns: vec![pattern.clone()], ..RouteSpec::token() };
    let Ok(routes) = Routes::build(patterns.iter().map(spec).collect(), &[], &mut Vocabulary::default()) else {
        return;
    };
    for method in [Method::GET, Method::DELETE] {
        let Ok(found) = routes.find(&method, path) else { continue };
        let mut covering = patterns.iter().filter(|pattern| pattern.covers(&method, path)).map(ToString::to_string);
        match found {
            Some(found) => assert!(covering.any(|pattern| pattern == found.rule().name()), "{}", found.rule().name()),
            None => assert_eq!(covering.next(), None),
        }
    }
});
