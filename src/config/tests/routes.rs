use super::{OPEN, assert_mistakes, config, mistakes, read};
use crate::{
    authz::{Access, Mode, PathExceptions, WebSocketToken},
    config::{OwnerSource, OwnershipSettings},
    jwt::ClaimPath,
};

/// An upstream, an issuer, an ownership, and these lines.
fn with(lines: &str) -> String {
    format!(
        "upstream.default.servers = 'builtin:echo'\nupstream.other.servers = 'builtin:echo'\n\
         issuer.main.signing_keys = 'keys'\nownership.plant = {{ variable = 'id', claim = ['own', 'plants'], unless = 'ADMIN' }}\n{lines}\n"
    )
}

#[test]
fn everything_that_is_set_arrives() {
    let config = config(&with(
        "[[route]]\nmatch = ['GET /plants/{id}', 'PUT|PATCH /plants/{id}']\npermissions = ['A B', 'C']\n\
         any_permission = 'D'\nowner = 'plant'\nupstream = 'other'\nallow = ['%2F', ';']\nissuers = 'main'\n\
         [[route]]\nmatch = '* /public/**'\naccess = 'public'\n[[route]]\nmatch = 'GET /x'\naccess = 'optional'",
    ));
    let [route, public, optional] = config.routes.as_slice() else { panic!("{:?}", config.routes) };
    let patterns: Vec<String> = route.patterns.iter().map(ToString::to_string).collect();
    assert_eq!(patterns, ["GET /plants/{id}", "PUT|PATCH /plants/{id}"]);
    assert_eq!(
        (&route.permissions[..], &route.any_permission[..]),
        (&["A B".to_owned(), "C".to_owned()][..], &["D".to_owned()][..])
    );
    assert_eq!((route.owner.as_deref(), route.upstream, route.access), (Some("plant"), 1, Access::Token));
    assert_eq!(route.allow, PathExceptions::ENCODED_SLASH.union(PathExceptions::SEMICOLON));
    assert_eq!(route.issuers, ["main"]);
    assert_eq!((public.access, public.upstream, optional.access), (Access::Public, 0, Access::Optional));
    let OwnershipSettings { name, ownership, source, .. } = &config.ownerships[0];
    assert_eq!((name.as_str(), ownership.variable.as_str()), ("plant", "id"));
    assert_eq!(ownership.unless, ["ADMIN"]);
    let claim = ClaimPath::nested(["own", "plants"]).unwrap();
    assert!(matches!(source, OwnerSource::Claim(found) if *found == claim), "{source:?}");
}

#[test]
fn without_routes_everything_needs_a_token() {
    for config in [config(&with("")), config(&format!("route = []\n{}", with("")))] {
        assert_eq!(config.routes.len(), 1);
        let route = &config.routes[0];
        assert_eq!((route.patterns[0].to_string().as_str(), route.access), ("* /**", Access::Token));
    }
}

#[test]
fn what_a_route_names_must_be_there() {
    let text = with("[[route]]\nmatch = 'GET /{id}'\nowner = 'plants'\nupstream = 'oter'\nissuers = ['main', 'x']");
    assert_mistakes(
        &text,
        &[
            ("`route.owner` names the ownership \"plants\", which is not there", "gateway.toml:7:9"),
            ("`route.upstream` names the upstream \"oter\", which is not there", "gateway.toml:8:12"),
            ("`route.issuers` names the issuer \"x\", which is not there", "gateway.toml:9:20"),
        ],
    );
    let rendered = mistakes(&text);
    assert!(rendered.contains("did you mean `plant`?") && rendered.contains("did you mean `other`?"), "{rendered}");
    assert!(rendered.contains("add `[issuer.x]`"), "{rendered}");
}

#[test]
fn the_variable_of_the_ownership_stands_in_every_path_of_the_route() {
    assert_mistakes(
        &with("[[route]]\nmatch = ['GET /a/{id}', 'GET /b/{uuid}', 'GET /{id}/**']\nowner = 'plant'"),
        &[("\"GET /b/{uuid}\" has no {id}, by which the ownership \"plant\" knows the resource", "gateway.toml:6:25")],
    );
}

#[test]
fn a_tie_names_both_places() {
    let rendered = mistakes(&with("[[route]]\nmatch = 'GET /a/{x}'\n[[route]]\nmatch = ['GET /b', 'GET|PUT /a/{y}']"));
    assert!(rendered.contains("\"GET|PUT /a/{y}\" and \"GET /a/{x}\" cover the same requests"), "{rendered}");
    assert!(rendered.contains("--> gateway.toml:8:20"), "{rendered}");
    assert!(rendered.contains("note: the other one is here\n --> gateway.toml:6:9"), "{rendered}");
    let rendered = mistakes(&with("[[route]]\nmatch = 'GET /a'\n[[route]]\nmatch = 'GET /a'"));
    assert!(rendered.contains("--> gateway.toml:8:9") && rendered.contains("--> gateway.toml:6:9"), "{rendered}");
}

#[test]
fn a_public_route_asks_nothing_of_a_token() {
    let text = with(
        "[[route]]\nmatch = 'GET /{id}'\naccess = 'public'\npermissions = ['A']\nany_permission = ['A']\nowner = 'plant'\nissuers = ['main']",
    );
    let why = |key: &str| format!("`route.{key}` has no meaning here: a public route ignores the token");
    let (all, any, owner, issuers) = (why("permissions"), why("any_permission"), why("owner"), why("issuers"));
    assert_mistakes(
        &text,
        &[
            (&all, "gateway.toml:8:1"),
            (&any, "gateway.toml:9:1"),
            (&owner, "gateway.toml:10:1"),
            (&issuers, "gateway.toml:11:1"),
        ],
    );
}

#[test]
fn requests_need_an_upstream_and_tokens_an_issuer() {
    assert_mistakes(
        "",
        &[
            ("there is no `[upstream.default]`, where requests go", "gateway.toml"),
            ("there is no issuer, so no token can be verified", "gateway.toml"),
        ],
    );
    let named = "upstream.a.servers = 'builtin:echo'\n[[route]]\nmatch = '* /**'\naccess = 'public'\nupstream = 'a'";
    config(named);
    let rendered = mistakes(&format!("{named}\n[[route]]\nmatch = 'GET /x'\naccess = 'optional'"));
    assert!(rendered.contains("there is no `[upstream.default]`"), "{rendered}");
    assert!(rendered.contains("note: this route needs one\n --> gateway.toml:6:1"), "{rendered}");
    config(OPEN);
}

#[test]
fn wrong_values_are_told_one_by_one() {
    assert_mistakes(
        &with(
            "[[route]]\naccess = 'open'\n[[route]]\nmatch = []\n[[route]]\nmatch = 'GET /x'\npermissions = ['']\nany_permission = []\nallow = '%2E'\n\
             [ownership.a]\nvariable = 1\n[ownership.b]\nclaim = 'x'\nvarable = 'x'",
        ),
        &[
            ("`route.match` is missing", "gateway.toml:5:1"),
            ("`route.access` must be \"token\" or \"public\" or \"optional\", not \"open\"", "gateway.toml:6:10"),
            ("`route.match` is an empty list", "gateway.toml:8:9"),
            ("`route.permissions` is empty", "gateway.toml:11:16"),
            ("`route.any_permission` is an empty list", "gateway.toml:12:18"),
            (
                "`route.allow` is not valid: \"%2E\" cannot be allowed in a path: only \"%2F\", \"%3B\", \"%25\" and \";\" can",
                "gateway.toml:13:9",
            ),
            ("`ownership.a.claim` is missing", "gateway.toml:14:12"),
            ("`ownership.a.variable` must be a string, not an integer", "gateway.toml:15:12"),
            ("`ownership.b.variable` is missing", "gateway.toml:16:12"),
            ("unknown key `varable` in `ownership.b`", "gateway.toml:18:1"),
        ],
    );
}

#[test]
fn a_mode_is_the_gateways_unless_the_route_has_its_own() {
    let lines = "[[route]]\nmatch = 'GET /a'\n[[route]]\nmatch = 'GET /b'\nmode = 'enforce'\n\
                 [[route]]\nmatch = 'GET /c'\nmode = 'report'";
    let modes = |text: &str| {
        let loaded = read(text).unwrap();
        let warned = loaded.warnings.render(false).contains("report mode");
        (loaded.config.mode, loaded.config.routes.iter().map(|route| route.mode).collect::<Vec<_>>(), warned)
    };
    let (enforce, report) = (Mode::Enforce, Mode::Report);
    assert_eq!(modes(&with(lines)), (enforce, vec![enforce, enforce, report], true));
    assert_eq!(modes(&format!("mode = 'report'\n{}", with(lines))), (report, vec![report, enforce, report], true));
    assert_eq!(modes(&format!("mode = 'report'\n{}", with(""))), (report, vec![report], true));
    assert_eq!(modes(&with("")), (enforce, vec![enforce], false));
}

#[test]
fn a_mode_that_means_nothing_is_a_mistake() {
    let public = with("[[route]]\nmatch = 'GET /a'\naccess = 'public'\nmode = 'report'");
    assert_mistakes(
        &public,
        &[("`route.mode` has no meaning here: a public route ignores the token", "gateway.toml:8:1")],
    );
    let nowhere = "mode = 'report'\nupstream.other.servers = 'builtin:echo'\nissuer.main.signing_keys = 'keys'\n\
                   [[route]]\nmatch = 'GET /a'\nupstream = 'other'\n";
    assert!(mistakes(nowhere).contains("where requests go that no route covers"), "{}", mistakes(nowhere));
}

#[test]
fn what_is_wrong_with_an_ownership_is_said_once_and_not_of_each_of_its_routes() {
    let text = with("[[route]]\nmatch = 'GET /a/{id}'\nowner = 'lost'").replace(
        "ownership.plant =",
        "ownership.lost = { variable = 'id', query = { database = { env = 'NO_SUCH' }, \
         sql = 'SELECT $resource::uuid = $subject' } }\nownership.plant =",
    );
    let mistakes = mistakes(&text);
    assert_eq!(mistakes.matches("error:").count(), 1, "{mistakes}");
    assert!(mistakes.contains("the environment variable `NO_SUCH` is not set"), "{mistakes}");
}

#[test]
fn a_route_says_whether_a_connection_may_become_a_websocket_and_where_its_token_stands() {
    let config = config(&with(
        "[[route]]\nmatch = 'GET /a'\n[[route]]\nmatch = 'GET /b'\nupgrade = ['websocket']\nclose_at_exp = true\n\
         [[route]]\nmatch = 'GET /c'\nupgrade = 'websocket'\nwebsocket_token = 'subprotocol'",
    ));
    let said: Vec<_> = config.routes.iter().map(|route| (route.websocket, route.close_at_exp)).collect();
    let expected = [(None, false), (Some(WebSocketToken::Header), true), (Some(WebSocketToken::Subprotocol), false)];
    assert_eq!(said, expected);
    assert_mistakes(
        &with(
            "[[route]]\nmatch = 'GET /a'\nupgrade = ['h2c']\n[[route]]\nmatch = 'GET /b'\nwebsocket_token = 'subprotocol'\n\
             [[route]]\nmatch = 'GET /c'\naccess = 'public'\nupgrade = 'websocket'\nclose_at_exp = true",
        ),
        &[
            ("`route.upgrade` must be \"websocket\", not \"h2c\"", "gateway.toml:7:12"),
            (
                "`route.websocket_token` has no meaning here: the route does not let a connection become a WebSocket",
                "gateway.toml:10:19",
            ),
            ("`route.close_at_exp` has no meaning here: a public route ignores the token", "gateway.toml:15:1"),
        ],
    );
}

#[test]
fn a_websocket_does_not_go_to_servers_of_http_2() {
    let text = |default: &str, other: &str| {
        format!(
            "upstream.default.servers = {default}\nupstream.other.servers = {other}\nissuer.main.signing_keys = 'keys'\n\
             [[route]]\nmatch = 'GET /a'\nupgrade = 'websocket'\n\
             [[route]]\nmatch = 'GET /b'\nupstream = 'other'\nupgrade = ['websocket']\n\
             [[route]]\nmatch = 'GET /c'\nupstream = 'other'\n"
        )
    };
    config(&text("'http://a'", "['https://a', 'unix:/a', 'builtin:echo']"));
    let cause = |server: &str, name: &str| {
        format!("`route.upgrade` needs HTTP/1.1, which is not spoken with \"{server}\" of the upstream \"{name}\"")
    };
    let (first, second) = (cause("h2c://a:80", "default"), cause("h2://b:443", "other"));
    assert_mistakes(
        &text("'h2c://a'", "['http://a', 'h2://b']"),
        &[(first.as_str(), "gateway.toml:6:11"), (second.as_str(), "gateway.toml:10:12")],
    );
}
