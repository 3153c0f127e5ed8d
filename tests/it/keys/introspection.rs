//! Opaque tokens: the issuer is asked about each, once, and no answer lets nobody in.

use std::{
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::provider::{Answer, Deployed, ROUTES, eventually, iss, issuer};
use crate::support::{Client, NOW, Upstream, client::header, deployment::SECRET, forge::Signer};

/// An issuer that is asked about tokens: for each its answer, one for all others, and what it was asked.
struct Provider {
    upstream: Upstream,
    answers: Arc<Mutex<Vec<(String, Answer)>>>,
    questions: Arc<Mutex<Vec<(String, String)>>>,
    most_at_once: Arc<AtomicUsize>,
}

impl Provider {
    fn new() -> Self {
        let answers = Arc::new(Mutex::new(Vec::<(String, Answer)>::new()));
        let questions = Arc::new(Mutex::new(Vec::new()));
        let (now, most_at_once) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let upstream = {
            let (answers, questions, most) = (Arc::clone(&answers), Arc::clone(&questions), Arc::clone(&most_at_once));
            Upstream::start(move |mut line| {
                while let Some((head, form)) = line.request() {
                    let form = String::from_utf8(form).unwrap();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    questions.lock().unwrap().push((head, form.clone()));
                    let known = |(token, _): &&(String, Answer)| form.starts_with(&format!("token={token}&"));
                    let answer = answers.lock().unwrap().iter().find(known).map(|(_, answer)| answer.clone());
                    let answer = answer.unwrap_or_else(|| Answer::body(r#"{"active":false}"#));
                    thread::sleep(answer.delay);
                    now.fetch_sub(1, Ordering::SeqCst);
                    if !line.send(&answer.bytes) || !is_whole(&answer.bytes) {
                        return;
                    }
                }
            })
        };
        Self { upstream, answers, questions, most_at_once }
    }

    /// From now on this is the answer about `token`, as a form writes it.
    fn say(&self, token: &str, answer: Answer) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|(known, _)| known != token);
        answers.push((token.to_owned(), answer));
    }

    fn say_active(&self, token: &str, change: Value) {
        self.say(token, active(change));
    }

    fn questions(&self) -> Vec<(String, String)> {
        self.questions.lock().unwrap().clone()
    }

    fn asked(&self) -> usize {
        self.questions.lock().unwrap().len()
    }

    fn source(&self) -> String {
        let url = format!("http://{}/introspect", self.upstream.address);
        format!("introspection_url = '{url}'\nclient_id = 'gate way'\nclient_secret = {{ env = 'KEY' }}\n")
    }

    /// A gateway that asks here, with `more` lines for its issuer.
    fn deploy(&self, more: &str) -> Deployed {
        Deployed::new(&format!("[issuer.main]\n{}{more}\n{ROUTES}", self.source()))
    }
}

/// Whether a client can tell where the answer ends.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    header(head, "content-length") == Some(&*body.len().to_string())
}

/// A good answer, changed by `change`.
fn active(change: Value) -> Answer {
    let mut claims = json!({
        "active": true, "iss": iss("main"), "aud": "orders", "sub": "alice", "token_type": "Bearer", "exp": NOW + 3600,
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    Answer::body(claims.to_string())
}

#[test]
fn a_question_has_the_form_of_the_specification_and_says_who_asks() {
    let provider = Provider::new();
    let deployed = provider.deploy("");
    provider.say_active("a%2Bb%2Fc%7E.-_%3D%3D", json!({}));
    assert_eq!(deployed.status("a+b/c~.-_=="), 200);
    let questions = provider.questions();
    let [(head, form)] = questions.as_slice() else { panic!("{questions:?}") };
    assert!(head.starts_with("POST /introspect HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(head, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(header(head, "accept"), Some("application/json"));
    let secret = SECRET.replace(' ', "+").replace(',', "%2C");
    let credentials = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("gate+way:{secret}"));
    assert_eq!(header(head, "authorization"), Some(&*format!("Basic {credentials}")));
    assert_eq!(form, "token=a%2Bb%2Fc%7E.-_%3D%3D&token_type_hint=access_token");
}

#[test]
fn what_the_answer_says_decides_and_is_not_asked_for_again() {
    let provider = Provider::new();
    let checks = format!("issuer = '{}'\naudience = 'orders'\nrequired_claims = {{ tenant = 7 }}", iss("main"));
    let deployed = provider.deploy(&checks);
    for (token, change, status) in [
        ("good", json!({ "tenant": 7 }), 200),
        ("endless", json!({ "tenant": 7, "nbf": NOW }), 200),
        ("expired", json!({ "tenant": 7, "exp": NOW }), 401),
        ("early", json!({ "tenant": 7, "nbf": NOW + 1 }), 401),
        ("other-audience", json!({ "tenant": 7, "aud": ["others"] }), 401),
        ("other-issuer", json!({ "tenant": 7, "iss": iss("other") }), 401),
        ("other-tenant", json!({ "tenant": "7" }), 401),
        ("bound", json!({ "tenant": 7, "token_type": "DPoP" }), 401),
        ("wrong-type", json!({ "tenant": 7, "sub": ["alice"] }), 401),
        ("inactive", json!({ "tenant": 7, "active": false }), 401),
    ] {
        provider.say_active(token, change);
        let before = provider.asked();
        for _ in 0..3 {
            assert_eq!(deployed.status(token), status, "{token}");
        }
        assert_eq!(provider.asked(), before + 1, "{token}");
    }
    deployed.assert_metric("bearergate_invalid_tokens_total{cause=\"inactive\"} 3");
    deployed.assert_metric("bearergate_introspections_total{issuer=\"main\",outcome=\"active\"} 7");
    deployed.assert_metric("bearergate_introspections_total{issuer=\"main\",outcome=\"refused\"} 3");
    let metrics = deployed.admin("/metrics");
    assert!(!metrics.contains("bearergate_keys{"), "it has none: {metrics}");
}

#[test]
fn what_is_no_answer_is_503_and_never_lets_in_and_the_next_request_asks_again() {
    let provider = Provider::new();
    let deployed = provider.deploy("");
    let good = String::from_utf8(active(json!({})).bytes).unwrap();
    let (_, good) = good.split_once("\r\n\r\n").unwrap();
    let head = |head: &str| Answer::raw(format!("{head}\r\nContent-Length: {}\r\n\r\n{good}", good.len()));
    for (answer, error) in [
        (Answer::down(), "cannot be reached"),
        (Answer::raw("SSH-2.0-OpenSSH_9.2\r\n"), "cannot be reached"),
        (head("HTTP/1.1 401 Unauthorized"), "`client_id` and `client_secret` (status 401)"),
        (head("HTTP/1.1 403 Forbidden"), "status 403"),
        (head("HTTP/1.1 201 Created"), "status 201"),
        (head("HTTP/1.1 500 Internal Server Error"), "status 500"),
        (head("HTTP/1.1 302 Found\r\nLocation: /introspect"), "redirect (302)"),
        (head("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/"), "redirect (307)"),
        (Answer::body("<html>active</html>"), "not strict JSON"),
        (Answer::body("{}"), "`active` is neither"),
        (Answer::body(r#"{"active":"true"}"#), "`active` is neither"),
        (Answer::body(r#"{"active":1}"#), "`active` is neither"),
        (Answer::body(r#"[{"active":true}]"#), "`active` is neither"),
        (Answer::body(r#"{"active":false,"active":true}"#), "not strict JSON"),
        (Answer::body(r#"{"active":true,"sub":"a","sub":"b"}"#), "not strict JSON"),
        (Answer::body(format!("{{\"active\":true}}{}", " ".repeat(1 << 20))), "longer than 1 MiB"),
        (Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"active\":true}"), "broke off"),
    ] {
        provider.say("opaque", answer);
        let refused = deployed.gateway.connect().bear("GET", "/", "opaque");
        assert_eq!(refused.status, 503, "{error}");
        let retry_after: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&retry_after), "{retry_after}");
        let keys = deployed.keys();
        assert!(keys["last_error"].as_str().unwrap_or_default().contains(error), "{error}: {keys}");
    }
    provider.say_active("opaque", json!({}));
    assert_eq!(deployed.status("opaque"), 200);
    let keys = deployed.keys();
    assert_eq!((&keys["introspection"], &keys["last_error"]), (&json!(true), &Value::Null));
}

#[test]
fn a_hundred_requests_with_one_new_token_are_one_question() {
    let provider = Provider::new();
    let deployed = provider.deploy("");
    provider.say("opaque", active(json!({})).after(Duration::from_millis(700)));
    provider.say("bad", Answer::body(r#"{"active":false}"#).after(Duration::from_millis(700)));
    let address = deployed.gateway.running.address();
    thread::scope(|scope| {
        let ask = |token: &'static str| move || Client::connect(address).bear("GET", "/", token).status;
        let asked: Vec<_> =
            (0..100).map(|number| if number % 2 == 0 { ("opaque", 200) } else { ("bad", 401) }).collect();
        let asked: Vec<_> = asked.into_iter().map(|(token, status)| (scope.spawn(ask(token)), status)).collect();
        for (answer, status) in asked {
            assert_eq!(answer.join().unwrap(), status);
        }
    });
    assert_eq!(provider.asked(), 2);
}

#[test]
fn a_slow_provider_holds_a_request_two_seconds_and_nobody_who_is_known() {
    let provider = Provider::new();
    let deployed = provider.deploy("");
    provider.say_active("known", json!({}));
    assert_eq!(deployed.status("known"), 200);
    provider.say("slow", active(json!({})).after(Duration::from_secs(4)));
    let address = deployed.gateway.running.address();
    let waiting = thread::spawn(move || {
        let started = Instant::now();
        (Client::connect(address).bear("GET", "/", "slow").status, started.elapsed())
    });
    eventually(|| provider.asked() == 2);
    let started = Instant::now();
    assert_eq!(deployed.status("known"), 200);
    assert!(started.elapsed() < Duration::from_millis(900));
    let (status, elapsed) = waiting.join().unwrap();
    assert_eq!(status, 503);
    assert!((Duration::from_millis(1900)..Duration::from_secs(4)).contains(&elapsed), "{elapsed:?}");
    assert_eq!(deployed.keys()["last_error"], "the provider did not answer in time");
}

#[test]
fn a_flood_of_invented_tokens_is_asked_about_64_at_a_time_and_pushes_no_good_one_out() {
    let provider = Provider::new();
    let deployed = Deployed::new(&format!("[cache]\nentries = 8\n[issuer.main]\n{}\n{ROUTES}", provider.source()));
    provider.say_active("good", json!({}));
    assert_eq!(deployed.status("good"), 200);
    let address = deployed.gateway.running.address();
    thread::scope(|scope| {
        for thread in 0..80 {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for number in 0..5 {
                    assert_eq!(client.bear("GET", "/", &format!("invented.{thread}.{number}")).status, 401);
                }
            });
        }
    });
    assert_eq!(provider.asked(), 401);
    assert_eq!(deployed.status("good"), 200);
    assert_eq!(provider.asked(), 401, "it is still known");
    assert!(provider.most_at_once.load(Ordering::SeqCst) <= 64);
    assert!(provider.upstream.connections() < 200, "connections are used again: {}", provider.upstream.connections());
}

#[test]
fn a_provider_that_is_down_takes_only_its_own_tokens_with_it() {
    let provider = Provider::new();
    let other = "[issuer.other]\nissuer = 'https://other.example.com'\nsecret = { env = 'KEY' }\n";
    let main = issuer("main", &provider.source(), "").replace("algorithms = ['EdDSA']\n", "");
    let deployed = Deployed::new(&format!("{main}{other}{ROUTES}"));
    assert_eq!(deployed.admin("/readyz"), "ready\n", "it has not been asked yet");
    assert_eq!((&deployed.keys()["introspection"], &deployed.keys()["age_seconds"]), (&json!(true), &Value::Null));
    provider.say("opaque", Answer::down());
    assert_eq!(deployed.status("opaque"), 503);
    assert_eq!(deployed.admin("/readyz"), "ready\nkeys missing: main\n");

    let secret = Signer::secret(SECRET.as_bytes());
    let jwt = |iss: String| secret.sign(r#"{"alg":"HS256"}"#, json!({ "iss": iss, "exp": NOW + 60 }).to_string());
    assert_eq!(deployed.status(&jwt(iss("other"))), 200);
    let before = provider.asked();
    assert_eq!(deployed.status(&jwt(iss("nobody"))), 401, "a JWS says whose it is");
    assert_eq!(deployed.status("eyJhbGciOiJIUzI1NiJ9.e30.AA"), 401);
    assert_eq!(provider.asked(), before);

    provider.say_active("opaque", json!({}));
    assert_eq!(deployed.status("opaque"), 200);
    assert_eq!(deployed.admin("/readyz"), "ready\n");
    deployed.clock.advance(Duration::from_secs(90));
    assert_eq!(deployed.keys()["age_seconds"], 90);
    deployed.assert_metric("bearergate_introspection_age_seconds{issuer=\"main\"} 90");
    deployed.assert_metric("bearergate_introspections_total{issuer=\"main\",outcome=\"failed\"} 1");
}

#[test]
fn a_jws_of_the_issuer_that_is_asked_is_asked_about_whoever_signed_it() {
    let provider = Provider::new();
    let deployed = provider.deploy(&format!("issuer = '{}'", iss("main")));
    let claims = json!({ "iss": iss("main"), "sub": "mallory", "exp": NOW + 60 }).to_string();
    let forged = Signer::ed25519().sign(r#"{"alg":"EdDSA"}"#, &claims);
    assert_eq!(deployed.status(&forged), 401);
    let token = Signer::ed25519().sign(r#"{"alg":"EdDSA"}"#, &claims);
    provider.say_active(&token, json!({}));
    assert_eq!(deployed.status(&token), 200);
    assert_eq!(provider.asked(), 2);
}

#[test]
fn an_answer_is_good_for_the_longest_time_in_the_cache_or_until_exp() {
    let provider = Provider::new();
    let deployed = Deployed::new(&format!("[cache]\nmax_ttl = '5m'\n[issuer.main]\n{}\n{ROUTES}", provider.source()));
    provider.say_active("long", json!({}));
    provider.say_active("short", json!({ "exp": NOW + 60 }));
    assert_eq!((deployed.status("long"), deployed.status("short")), (200, 200));
    deployed.clock.advance(Duration::from_secs(60));
    let expired = deployed.gateway.connect().bear("GET", "/", "short");
    assert_eq!(expired.status, 401);
    deployed.assert_metric("bearergate_requests_total{outcome=\"refused\",reason=\"token_expired\"} 1");
    provider.say("long", Answer::body(r#"{"active":false}"#));
    deployed.clock.advance(Duration::from_millis(239_999));
    assert_eq!(deployed.status("long"), 200);
    deployed.clock.advance(Duration::from_millis(1));
    assert_eq!((deployed.status("long"), provider.asked()), (401, 3));
}

#[test]
fn without_an_issuer_to_ask_an_opaque_token_is_invalid() {
    let deployed = Deployed::new(&format!("[issuer.main]\nsecret = {{ env = 'KEY' }}\n{ROUTES}"));
    assert_eq!(deployed.status("opaque"), 401);
    deployed.assert_metric("bearergate_invalid_tokens_total{cause=\"not_three_parts\"} 1");
}

#[test]
fn token_inspect_asks_the_issuer_and_tells_what_it_says() {
    let (provider, folder) = (Provider::new(), tempfile::tempdir().unwrap());
    let configuration = format!(
        "[upstream.default]\nservers = ['builtin:echo']\n[issuer.main]\naudience = 'orders'\n{}",
        provider.source()
    );
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, configuration).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bearergate"));
        let output = command.arg("--config").arg(&path).args(arguments).env("KEY", SECRET).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, _, stderr) = run(&["check"]);
    assert_eq!((code, provider.asked()), (0, 0), "{stderr}");

    let inspect = |token: &str| run(&["token", "inspect", "--at", &NOW.to_string(), token]);
    provider.say_active("opaque", json!({ "name": "Alice" }));
    let (code, stdout, stderr) = inspect("opaque");
    assert_eq!(code, 0, "{stdout}{stderr}");
    for part in ["\"name\": \"Alice\"", "opaque: only its issuer can tell", "active", "accepts this token", "alice's"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let (code, stdout, _) = inspect("unknown");
    assert_eq!(code, 1);
    assert!(stdout.contains("the issuer says that the token is not active"), "{stdout}");
    provider.say("opaque", Answer::body("<html>"));
    let (code, stdout, stderr) = inspect("opaque");
    assert_eq!(code, 1);
    assert!(stdout.contains("keys_unavailable") && stderr.contains("not strict JSON"), "{stdout}{stderr}");
}
