//! A request that shows the gateway at work: a path that `GET` reaches, by the route that it is an example of.

use http::Method;

use crate::{
    authz::{Access, RouteSpec, Routes},
    config::{Config, Issuer, OwnerSource},
    jwt::ClaimPath,
};

/// What stands for `{variables}`, and for `/**` behind the root, behind `/api` and elsewhere; tried in this order, because
/// a more specific route may cover the first.
const STAND_INS: [[&str; 4]; 3] = [
    ["1", "api/v1/readings", "v1/readings", "readings"],
    ["example", "example", "example", "example"],
    ["example-2", "an/example", "an/example", "an/example"],
];

/// A request that a route lets through.
#[derive(Debug)]
pub(super) struct Example<'a> {
    pub(super) path: String,
    pub(super) route: &'a RouteSpec,
    /// The claim that has to name the resource, and the resource.
    pub(super) owned: Option<(&'a ClaimPath, String)>,
}

/// A request that a token of `issuer` gets through with, the simplest first.
pub(super) fn with_token<'a>(config: &'a Config, routes: &Routes, issuer: Option<&Issuer>) -> Option<Example<'a>> {
    let accepted = |route: &RouteSpec| {
        let accepts = |issuer: &Issuer| route.issuers.is_empty() || route.issuers.contains(&issuer.name);
        route.access == Access::Token && issuer.is_none_or(accepts)
    };
    find(config, routes, accepted)
}

/// A request that anyone gets through with.
pub(super) fn public<'a>(config: &'a Config, routes: &Routes) -> Option<Example<'a>> {
    find(config, routes, |route| route.access != Access::Token)
}

fn find<'a>(config: &'a Config, routes: &Routes, fits: impl Fn(&RouteSpec) -> bool) -> Option<Example<'a>> {
    // An endpoint of the gateway's own wants a user, which a token alone does not make.
    let fitting = config.routes.iter().filter(|route| route.builtin.is_empty() && fits(route));
    // Whose a resource is that somebody else tells of, nobody knows here.
    let lets_through = |example: &Example<'_>| example.route.owner.is_none() || example.owned.is_some();
    let examples = fitting.flat_map(|route| {
        let patterns = route.patterns.iter().map(ToString::to_string);
        patterns.filter_map(move |pattern| example(&pattern, route, config, routes))
    });
    examples.filter(lets_through).min_by_key(|example| example.route.owner.is_some())
}

fn example<'a>(pattern: &str, route: &'a RouteSpec, config: &'a Config, routes: &Routes) -> Option<Example<'a>> {
    let (_, template) = pattern.split_once(' ')?;
    STAND_INS.into_iter().find_map(|stand_ins| {
        let path = filled(template, stand_ins);
        let found = routes.find(&Method::GET, &path).ok()??;
        (found.rule().name() == pattern).then(|| {
            let owner = route.owner.as_ref();
            let ownership = owner.and_then(|name| config.ownerships.iter().find(|known| known.name == *name));
            let owned = ownership.and_then(|ownership| match &ownership.source {
                OwnerSource::Claim(claim) => Some((claim, stand_ins[0].to_owned())),
                _ => None,
            });
            Example { path, route, owned }
        })
    })
}

fn filled(template: &str, [variable, behind_root, behind_api, elsewhere]: [&str; 4]) -> String {
    let mut path = String::new();
    for segment in template.split('/').skip(1) {
        let text = match segment {
            "**" if path.is_empty() => behind_root,
            "**" if path.ends_with("/api") => behind_api,
            "**" => elsewhere,
            name if name.starts_with('{') => variable,
            literal => literal,
        };
        path.push('/');
        path.push_str(text);
    }
    path
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{authn::Vocabulary, config};

    fn path_of(routes: &str) -> Option<String> {
        let text = format!(
            "{routes}\n[upstream.default]\nservers = [\"builtin:echo\"]\n[ownership.plant]\nvariable = \"id\"\nclaim = \"plants\"\n\
             [issuer.api]\nalgorithms = [\"ES256\"]\nsigning_keys = \"keys\"\n"
        );
        let config = config::parse(&text, "gateway.toml", Path::new("/nowhere"), &|_| None).unwrap().config;
        let table = config.routes(&mut Vocabulary::default()).unwrap();
        with_token(&config, &table, config.issuers.first()).map(|example| example.path)
    }

    fn route(pattern: &str, more: &str) -> String {
        format!("[[route]]\nmatch = \"{pattern}\"\n{more}\n")
    }

    #[test]
    fn a_path_is_made_for_each_kind_of_pattern() {
        assert_eq!(path_of("").as_deref(), Some("/api/v1/readings"));
        assert_eq!(path_of(&route("* /api/**", "")).as_deref(), Some("/api/v1/readings"));
        assert_eq!(path_of(&route("GET /plants/{id}/devices/", "")).as_deref(), Some("/plants/1/devices/"));
        assert_eq!(path_of(&route("GET /", "")).as_deref(), Some("/"));
    }

    #[test]
    fn what_a_more_specific_route_covers_is_no_example() {
        let routes = route("* /**", "") + &route("* /api/**", "access = \"public\"");
        assert_eq!(path_of(&routes).as_deref(), Some("/example"));
    }

    #[test]
    fn a_route_without_an_owner_is_the_better_example_and_only_get_counts() {
        let routes = route("GET /plants/{id}", "owner = \"plant\"") + &route("POST /posts", "") + &route("GET /a", "");
        assert_eq!(path_of(&routes).as_deref(), Some("/a"));
        assert_eq!(path_of(&route("POST /posts", "")), None);
    }
}
