//! Paths and header fields that try to get by a rule: the upstream records what really reached it.

use bearergate::authz::{Access, PathExceptions, RouteSpec};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{
    Gateway, Setup, Upstream,
    client::header,
    http_2::{Answer, RawHttp2},
    routes, token, token_with,
};

/// An open area with a guarded one in it, within a guarded one.
fn guarded(upstream: &Upstream) -> Gateway {
    let mut setup = Setup::new(&[upstream.address]);
    setup.routes = routes(&[
        ("* /**", Access::Token),
        ("* /public/**", Access::Public),
        ("* /public/admin", Access::Token),
        ("* /public/admin/**", Access::Token),
        ("GET /public/{name}/keys", Access::Token),
        ("* /maybe", Access::Optional),
    ]);
    setup.start()
}

/// The status of a request with exactly these bytes as its target.
fn status(gateway: &Gateway, target: &[u8], fields: &str) -> u16 {
    let head = [b"GET ", target, b" HTTP/1.1\r\nHost: api\r\n", fields.as_bytes(), b"\r\n"].concat();
    gateway.connect().send(head).response().status
}

/// The target of the next request that reached the upstream.
fn target(upstream: &Upstream) -> String {
    upstream.received().split(' ').nth(1).unwrap().to_owned()
}

/// Not one of these is open, whatever reads it.
const GUARDED: &[&[u8]] = &[
    b"/public/../secret",
    b"/public/./admin",
    b"/public//admin",
    b"//public/x",
    b"//secret",
    b"/public/x/..",
    b"/public/%2e%2e/secret",
    b"/public/%2E%2e/secret",
    b"/public/.%2e/secret",
    b"/public/%252e%252e/secret",
    b"/public/%25252e%25252e/secret",
    b"/public/..;/secret",
    b"/public/..;x=1/secret",
    b"/public/..%3b/secret",
    b"/public/..%253b/secret",
    b"/public/;/admin",
    b"/public/admin;x",
    b"/public/%3b/admin",
    b"/public/..\\secret",
    b"/public\\..\\secret",
    b"/public/..%5csecret",
    b"/public/..%255csecret",
    b"/public/%00",
    b"/public/admin%00",
    b"/public/admin%00.png",
    b"/public/admin%2500",
    b"/public%2fadmin",
    b"/public/admin%2f",
    b"/public/admin%2fusers",
    b"/public/x%2f..%2f..%2fsecret",
    b"/public/%2fadmin",
    b"/public/%0d%0aX-User-Id:%20root",
    b"/public/%0a",
    b"/public/%7f",
    b"/public/%c0%ae%c0%ae/secret",
    b"/public/%e0%80%ae",
    b"/public/%ff",
    b"/public/%u002e%u002e/secret",
    b"/public/%",
    b"/public/%2",
    b"/public/%zz",
    b"/public/\xc0\xae\xc0\xae/secret",
    b"/public/\xc3\xa9",
    b"/public/\xef\xbc\x8e\xef\xbc\x8e/secret",
    b"/public/\x01",
    b"/public/a\tb",
    b"/public/a b",
    b"/public/\x7f",
    b"/publi%63/%61dmin",
    b"/%70ublic/admin",
    b"/public/admin",
    b"/public/admin/",
    b"/public/admin?x=/public/x",
    b"/public/admin#/public/x",
    b"/public/ADMIN",
    b"/public/Admin/x",
    b"/public/%41dmin",
    b"/public/admin.json",
    b"/public/alice/keys/",
    b"/public/alice/Keys.xml",
    b"/public/alice/keys",
    b"/public/alice/%6beys",
    b"/PUBLIC/x",
    b"/Public/x",
    b"/public",
    b"/publicity/x",
    b"/secret?/public/x",
    b"/secret#/public/x",
    b"/secret%23/public/x",
    b"/secret%3f/public/x",
    b"/?/public/x",
    b"?/public/x",
    b"#/public/x",
    b"*",
    b"public/x",
    b"",
    b"http:/public/x",
    b"http:///public/x",
    b"http://evil/public/x",
    b"http://user@api/public/x",
    b"https://api/public/x",
    b"http://api",
    b"http://api/secret",
    b"http://api?/public/x",
    b"http://api#/public/x",
    b"api:80",
    b"//api/public/x",
    b"/\\api/public/x",
];

#[test]
fn no_spelling_of_a_guarded_path_passes_by_its_rule() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    for target in GUARDED {
        let status = status(&gateway, target, "");
        assert!((400..=404).contains(&status), "{}: {status}", target.escape_ascii());
        let mut http_2 = RawHttp2::connect(gateway.running.address(), 65_535);
        http_2.send(b"GET", target, &[]);
        let answer = http_2.answer();
        assert!(answer != Answer::Success, "{} over HTTP/2: {answer:?}", target.escape_ascii());
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn an_open_path_arrives_byte_for_byte_and_a_fragment_not_at_all() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    for sent in [
        "/public/x",
        "/public/",
        "/public/a.b/..c/...",
        "/public/%20%41%e2%82%AC",
        "/public/x?",
        "/public/x?a=/../admin&b=%2e%2e%2f%00;\\",
        "/public/x?/public/admin",
        "/public/%23",
        "/public/%3f",
        "/public/~a:b@c,d=e&f+g!$'()*",
    ] {
        assert_eq!(status(&gateway, sent.as_bytes(), ""), 200, "{sent}");
        assert_eq!(target(&upstream), sent);
        let mut http_2 = RawHttp2::connect(gateway.running.address(), 65_535);
        http_2.send(b"GET", sent.as_bytes(), &[]);
        assert_eq!(http_2.answer(), Answer::Success, "{sent}");
        assert_eq!(target(&upstream), sent, "HTTP/2");
    }
    assert_eq!(status(&gateway, b"/public/x#/../admin", ""), 400);
    assert_eq!(status(&gateway, b"http://api/public/x?y", ""), 200, "the absolute form becomes the origin form");
    assert_eq!(target(&upstream), "/public/x?y");
    // No path is `/`, whatever follows.
    assert_eq!(status(&gateway, b"http://api?/public/x", ""), status(&gateway, b"/?/public/x", ""));
}

/// What a target is made of.
const PIECES: [&[u8]; 53] = [
    b"/",
    b"/",
    b"/",
    b"/",
    b"public",
    b"public",
    b"/public/",
    b"/public/",
    b"/public/",
    b"admin",
    b"secret",
    b"vault",
    b"vault",
    b"/public/vault",
    b"Vault",
    b"%56ault",
    b".json",
    b"x",
    b"keys",
    b"Keys",
    b".",
    b"..",
    b"...",
    b"%2e",
    b"%2E",
    b"%252e",
    b"%25252e",
    b"%2f",
    b"%252F",
    b"%5c",
    b"%255c",
    b"\\",
    b";",
    b";x=1",
    b"%3b",
    b"%253b",
    b"%00",
    b"%0d%0a",
    b"%20",
    b"%09",
    b"%61dmin",
    b"%41dmin",
    b"%C3%A9",
    b"\xc3\xa9",
    b"\xff",
    b"%c0%ae",
    b"%",
    b"#",
    b"?",
    b"%23",
    b"%3f",
    b"*",
    b" ",
];

/// Every path that an upstream could take `target` for: it may decode once, twice or not at all, cut parameters, an
/// extension and what stands behind a NUL off, take `\` for `/`, and tidy dots, slashes and case up.
fn readings(target: &str) -> Vec<String> {
    let path = target.split(['?', '#']).next().unwrap();
    let mut readings = vec![path.to_owned()];
    let steps =
        [decode, decode, cut_parameters, backslashes, cut_at_nul, tidy, str::to_ascii_lowercase, tidy, cut_extension];
    for step in steps {
        let more: Vec<String> = readings.iter().map(|reading| step(reading)).collect();
        readings.extend(more);
        readings.sort_unstable();
        readings.dedup();
    }
    readings
}

fn decode(path: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let pair = behind.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if *first == b'%' => {
                decoded.push(byte);
                rest = &behind[2..];
            }
            _ => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn cut_parameters(path: &str) -> String {
    let segments: Vec<_> = path.split('/').map(|segment| segment.split(';').next().unwrap()).collect();
    segments.join("/")
}

fn backslashes(path: &str) -> String {
    path.replace('\\', "/")
}

fn cut_at_nul(path: &str) -> String {
    path.split('\0').next().unwrap().to_owned()
}

fn tidy(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

fn cut_extension(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((name, extension)) if !extension.contains('/') && !name.is_empty() && !name.ends_with('/') => {
            name.to_owned()
        }
        _ => path.to_owned(),
    }
}

/// Who sends a request, and what a path asks for: each has what those before it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Nobody,
    HasToken,
    HasKeys,
}

/// The areas of [`guarded`], and one that a permission is needed for.
fn graded(upstream: &Upstream) -> Gateway {
    let mut setup = Setup::new(&[upstream.address]);
    setup.routes = routes(&[
        ("* /**", Access::Token),
        ("* /public/**", Access::Public),
        ("* /public/admin", Access::Token),
        ("* /public/admin/**", Access::Token),
        ("GET /public/{name}/keys", Access::Token),
    ]);
    for pattern in ["* /vault", "* /vault/**", "* /public/vault", "* /public/vault/**"] {
        let patterns = vec![pattern.parse().unwrap()];
        setup.routes.push(RouteSpec { patterns, ..RouteSpec::token().permission("KEYS") });
    }
    setup.start()
}

/// What an upstream that reads this path serves, by the rules of [`graded`] written once more.
fn asked(path: &str) -> Standing {
    let segments: Vec<_> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["vault", ..] | ["public", "vault", ..] => Standing::HasKeys,
        ["public", "admin", ..] | ["public", _, "keys"] => Standing::HasToken,
        ["public", ..] => Standing::Nobody,
        _ => Standing::HasToken,
    }
}

/// A number of targets in one area or another.
fn targets() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let starts = [&b"/"[..], b"/public/", b"/public/", b"/public/x", b"/vault", b"http://api/public/", b"http://api/"];
    let start = prop::sample::select(starts.to_vec());
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 1..8);
    prop::collection::vec((start, pieces).prop_map(|(start, pieces)| [&[start], &pieces[..]].concat().concat()), 60)
}

/// What may arrive of a target, if anything does: every byte of its path and query.
fn origin_form(sent: &[u8]) -> &[u8] {
    // A fragment is no part of a target; whatever it holds, it is left out.
    let whole = sent.split(|byte| *byte == b'#').next().unwrap();
    whole.strip_prefix(b"http://api").unwrap_or(whole)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// The path that is matched is the path that is forwarded: what arrives is what was sent, byte for byte, and whoever
    /// got it through may have it whatever the upstream reads.
    #[test]
    fn what_arrives_is_what_was_sent_and_no_reading_of_it_asks_for_more_than_its_sender_has(targets in targets()) {
        let upstream = Upstream::ok();
        let gateway = graded(&upstream);
        let bearer = |token| format!("Authorization: Bearer {token}\r\n");
        let senders = [
            (Standing::Nobody, String::new()),
            (Standing::HasToken, bearer(token("alice"))),
            (Standing::HasKeys, bearer(token_with(json!({ "sub": "alice", "permissions": ["KEYS"] })))),
        ];
        for sent in targets {
            let shown = format!("{:?}", sent.escape_ascii().to_string());
            let mut arrived = Vec::new();
            for (sender, fields) in &senders {
                match status(&gateway, &sent, fields) {
                    200 => arrived.push((*sender, target(&upstream))),
                    refused => prop_assert!((400..=404).contains(&refused), "{}: {}", shown, refused),
                }
            }
            let mut http_2 = RawHttp2::connect(gateway.running.address(), 65_535);
            http_2.send(b"GET", &sent, &[]);
            if http_2.answer() == Answer::Success {
                arrived.push((Standing::Nobody, target(&upstream)));
            }
            for (sender, received) in arrived {
                prop_assert_eq!(received.as_bytes(), origin_form(&sent), "{}", shown);
                for reading in readings(&received) {
                    prop_assert!(asked(&reading) <= sender, "{} of {:?}: {}", shown, sender, reading);
                }
            }
            prop_assert!(upstream.received_nothing_else(), "{}", shown);
        }
    }
}

#[test]
fn an_exception_opens_its_own_rule_and_no_other() {
    let upstream = Upstream::ok();
    let mut setup = Setup::new(&[upstream.address]);
    setup.routes =
        routes(&[("* /open/{name}/x", Access::Public), ("* /open/**", Access::Token), ("* /**", Access::Public)]);
    setup.routes[0].allow = ["%2F", "%3B", ";"]
        .map(|text| text.parse().unwrap())
        .into_iter()
        .fold(PathExceptions::NONE, PathExceptions::union);
    let gateway = setup.start();
    for allowed in ["/open/a%2Fb/x", "/open/a;v=1/x", "/open/a%3Bb/x", "/open/a;/x;y"] {
        assert_eq!(status(&gateway, allowed.as_bytes(), ""), 200, "{allowed}");
        assert_eq!(target(&upstream), allowed);
    }
    for refused in [
        "/a;b",
        "/a%2fb",
        // What is left of these segments without their parameters, or once decoded, is nothing: an upstream that tidies
        // slashes up reads another path.
        "/open/;/x",
        "/open/;v=1/x",
        "/open/%3B/x",
        "/open/%3Bv/x",
        "/open/%2F/x",
        "/open/a%2F/x",
        "/open/%2Fa/x",
        "/open/a%2F%2Fb/x",
        "/open/a%2F;b/x",
        "/open/..%2Fa/x",
        "/open/a%2F..;/x",
    ] {
        assert_eq!(status(&gateway, refused.as_bytes(), ""), 400, "{refused}");
    }
    assert!(upstream.received_nothing_else());
}

#[test]
fn methods_in_small_letters_trace_and_connect_are_refused_and_options_opens_nothing() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    for method in ["get", "Get", "options", "TRACE", "trace", "CONNECT", "connect", "G@T", "GET\u{b}"] {
        let request = format!("{method} /public/x HTTP/1.1\r\nHost: api\r\n\r\n");
        assert_eq!(gateway.connect().send(request).response().status, 400, "{method}");
        let mut http_2 = RawHttp2::connect(gateway.running.address(), 65_535);
        http_2.send(method.as_bytes(), b"/public/x", &[]);
        assert!(http_2.answer() != Answer::Success, "{method} over HTTP/2");
    }
    let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n";
    for request in [
        format!("OPTIONS /secret HTTP/1.1\r\nHost: api\r\n{preflight}\r\n"),
        "OPTIONS * HTTP/1.1\r\nHost: api\r\n\r\n".to_owned(),
        "HEAD /secret HTTP/1.1\r\nHost: api\r\n\r\n".to_owned(),
        "HEAD /public/alice/keys HTTP/1.1\r\nHost: api\r\n\r\n".to_owned(),
        "PROPFIND /secret HTTP/1.1\r\nHost: api\r\n\r\n".to_owned(),
    ] {
        let head = gateway.connect().send(&request).head();
        assert!(head.starts_with("HTTP/1.1 401 ") || head.starts_with("HTTP/1.1 400 "), "{request}: {head}");
        assert!(!head.to_ascii_lowercase().contains("access-control"), "{head}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn neither_a_health_path_nor_a_header_gets_anybody_in() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    for path in ["/health", "/healthz", "/livez", "/readyz", "/metrics", "/routes", "/actuator/health", "/favicon.ico"]
    {
        let agent = "User-Agent: kube-probe/1.33\r\n";
        assert_eq!(status(&gateway, path.as_bytes(), agent), 401, "{path}");
    }
    for field in [
        "X-Original-URL: /public/x",
        "X-Rewrite-URL: /public/x",
        "X-Forwarded-Uri: /public/x",
        "X-Forwarded-Path: /public/x",
        "X-Forwarded-Prefix: /public",
        "X-Accel-Redirect: /public/x",
        "X-HTTP-Method-Override: OPTIONS",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-User: root",
        "X-User-Id: root",
        "X-Real-IP: 127.0.0.1",
        "Via: 1.1 internal",
        "Referer: http://api/public/x",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Cookie: session=1",
        "Authorization:",
        "Proxy-Authorization: Bearer x",
    ] {
        assert_eq!(status(&gateway, b"/secret", &format!("{field}\r\n")), 401, "{field}");
    }
    let query = format!("/secret?access_token={}", token("alice"));
    assert_eq!(status(&gateway, query.as_bytes(), ""), 401, "a token in the query is none");
    assert_eq!(upstream.connections(), 0);
}

/// The values that the upstream got for every name that it may take for `wanted`.
fn values_of<'h>(head: &'h str, wanted: &str) -> Vec<&'h str> {
    let fold = |name: &str| name.to_ascii_lowercase().replace(|other: char| !other.is_ascii_alphanumeric(), "-");
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.filter(|(name, _)| fold(name) == wanted).map(|(_, value)| value.trim()).collect()
}

#[test]
fn no_spelling_of_an_identity_header_survives_on_any_route() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let token = token("alice");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (path, authorization, expected) in [
        ("/public/x", "", &[][..]),
        ("/public/x", bearer.as_str(), &[]),
        ("/maybe", "", &[]),
        ("/maybe", &bearer, &["alice"]),
        ("/secret", &bearer, &["alice"]),
    ] {
        for name in [
            "X-User-Id",
            "x-user-id",
            "X_User_Id",
            "X.User.Id",
            "x-USER_id",
            "X_USER-ID",
            "X~User~Id",
            "X!User|Id",
            "X+User^Id",
            "X-User`Id",
            "X'User*Id",
            "X#User$Id",
            "X%User&Id",
        ] {
            let fields = format!("{name}: root\r\n{authorization}Connection: {name}, x-user-name\r\n{name}: admin\r\n");
            assert_eq!(status(&gateway, path.as_bytes(), &fields), 200, "{name} on {path}");
            let head = upstream.received();
            assert_eq!(values_of(&head, "x-user-id"), expected, "{name} on {path}: {head}");
            assert!(!head.contains("root") && !head.contains("admin"), "{head}");
        }
    }
    let mut http_2 = RawHttp2::connect(gateway.running.address(), 65_535);
    http_2.send(b"GET", b"/maybe", &[("x_user_id", "root"), ("x-user-id", "root"), ("x~user~id", "root")]);
    assert_eq!(http_2.answer(), Answer::Success);
    let head = upstream.received();
    assert!(values_of(&head, "x-user-id").is_empty(), "{head}");
}

#[test]
fn what_an_absent_claim_would_say_cannot_be_said_by_the_client() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let bearer = format!("Authorization: Bearer {}\r\nX-User-Name: root\r\n", token("alice"));
    assert_eq!(status(&gateway, b"/secret", &bearer), 200);
    let head = upstream.received();
    assert!(values_of(&head, "x-user-name").is_empty() && values_of(&head, "x-user-id") == ["alice"], "{head}");
}

#[test]
fn connection_takes_nothing_away_that_is_ours_or_frames_the_message() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let names = "close, x-user-id, x-forwarded-for, x-forwarded-host, x-forwarded-proto, host, authorization, \
                 content-length, content-type, transfer-encoding, cookie, x-drop";
    let request = format!(
        "POST /secret HTTP/1.1\r\nHost: api\r\nConnection: {names}\r\nAuthorization: Bearer {}\r\nX-Drop: 1\r\n\
         Cookie: a=b\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody",
        token("alice")
    );
    assert_eq!(gateway.connect().send(request).response().status, 200);
    let head = upstream.received();
    for (name, value) in [
        ("x-user-id", "alice"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "api"),
        ("x-forwarded-proto", "http"),
        ("host", "api"),
        ("content-length", "4"),
        ("content-type", "text/plain"),
        ("cookie", "a=b"),
    ] {
        assert_eq!(values_of(&head, name), [value], "{name}: {head}");
    }
    assert_eq!(values_of(&head, "authorization").len(), 1);
    assert!(values_of(&head, "x-drop").is_empty() && values_of(&head, "connection").is_empty());
}

#[test]
fn where_a_request_came_from_is_told_by_the_gateway_alone() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    let names = [
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X.Forwarded.For",
        "X~Forwarded~For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-Forwarded-Ssl",
        "X-Forwarded-User",
        "X-Forwarded",
        "Forwarded",
        "X-Real-IP",
        "X_Real_IP",
        "X-Client-IP",
        "True-Client-IP",
        "X-Cluster-Client-IP",
        "X-Original-URL",
        "X_Original_URL",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-Accel-Redirect",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X_HTTP_Method_Override",
        "X-Host",
        "Front-End-Https",
        "Proxy",
    ];
    let fields: String = names.iter().map(|name| format!("{name}: 6.6.6.6\r\n")).collect();
    assert_eq!(status(&gateway, b"/public/x", &fields), 200);
    let head = upstream.received();
    assert!(!head.contains("6.6.6.6"), "{head}");
    let mut left: Vec<_> = head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    left.sort_unstable();
    assert_eq!(left, ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"], "{head}");
    assert_eq!(header(&head, "x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn a_claim_never_becomes_a_second_header() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream);
    for evil in ["a\r\nX-Admin: 1", "a\nX-Admin: 1", "a\rX-Admin: 1", "a\0b", "\u{7f}", "a\r\n\r\nGET /x HTTP/1.1"] {
        for claims in
            [json!({ "sub": evil }), json!({ "sub": "a", "name": evil }), json!({ "sub": "a", "name": [evil] })]
        {
            let bearer = format!("Authorization: Bearer {}\r\n", token_with(claims));
            assert_eq!(status(&gateway, b"/secret", &bearer), 401, "{evil:?}");
        }
    }
    assert_eq!(upstream.connections(), 0);
    // JSON escapes what an object holds; it is one line then.
    let nested = token_with(json!({ "sub": "a", "name": { "x": "a\r\nX-Admin: 1" } }));
    let status = status(&gateway, b"/secret", &format!("Authorization: Bearer {nested}\r\n"));
    if status == 200 {
        let head = upstream.received();
        assert!(values_of(&head, "x-admin").is_empty(), "{head}");
    } else {
        assert_eq!(status, 401);
    }
}
