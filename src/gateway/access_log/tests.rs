use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use http::{Method, Request, Version};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    entry::{Entry, Lane, Recorder},
    format::Formatter,
    record::{BrokeOff, Outcome, Record, Text, Texts},
};
use crate::{
    clock::{Clock, Timestamp},
    config::AccessLogFormat,
    gateway::{
        metrics::Gauges,
        request_log::{Ids, RequestLog},
    },
    proxy::Peer,
    rejection::Reason,
};

const TEXTS: [Text; 9] = [
    Text::Path,
    Text::Rule,
    Text::Issuer,
    Text::Subject,
    Text::Upstream,
    Text::Server,
    Text::Id,
    Text::Agent,
    Text::Referer,
];
const AT: Timestamp = Timestamp::from_millis(1_765_536_322_007);

fn record(texts: &[(Text, &str)]) -> Record {
    let mut record = Record::new();
    record.started = Instant::now();
    record.ended = record.started + Duration::from_micros(1_234_567);
    record.client = "2001:db8::7".parse().unwrap();
    record.method = Method::POST;
    record.version = Version::HTTP_2;
    (record.status, record.bytes, record.outcome) = (201, 17, Outcome::Forwarded);
    for (text, value) in texts {
        record.texts.set(*text, value);
    }
    record
}

fn line(format: AccessLogFormat, record: &Record) -> String {
    let mut out = Vec::new();
    Formatter::new(format).line(record, AT, &mut out);
    String::from_utf8(out).unwrap()
}

fn json_line(record: &Record) -> Value {
    serde_json::from_str(&line(AccessLogFormat::Json, record)).unwrap()
}

#[test]
fn a_line_of_json_has_what_is_known_and_nothing_else() {
    let mut known = record(&[
        (Text::Path, "/plants/7"),
        (Text::Rule, "POST /plants/{id}"),
        (Text::Issuer, "main"),
        (Text::Subject, "alice"),
        (Text::Upstream, "default"),
        (Text::Server, "10.0.0.1:80"),
        (Text::Id, "abc"),
        (Text::Agent, "curl/8"),
        (Text::Referer, "https://example.com/"),
    ]);
    assert_eq!(
        line(AccessLogFormat::Json, &known),
        "{\"time\":\"2025-12-12T10:45:22.007Z\",\"client\":\"2001:db8::7\",\"method\":\"POST\",\"path\":\"/plants/7\",\
         \"version\":\"HTTP/2.0\",\"status\":201,\"bytes\":17,\"duration_us\":1234567,\"outcome\":\"forwarded\",\
         \"rule\":\"POST /plants/{id}\",\"issuer\":\"main\",\"subject\":\"alice\",\"upstream\":\"default\",\
         \"server\":\"10.0.0.1:80\",\"request_id\":\"abc\",\"user_agent\":\"curl/8\"}\n"
    );
    known.would_refuse = Some(Reason::NotOwner);
    known.broke_off = Some(BrokeOff::Upstream);
    let found = json_line(&known);
    assert_eq!((&found["would_refuse"], &found["broke_off"]), (&json!("not_owner"), &json!("upstream")));
    let mut bare = record(&[]);
    (bare.status, bare.outcome) = (401, Outcome::Refused(Reason::NotAuthenticated));
    let found = json_line(&bare);
    assert_eq!((&found["outcome"], &found["reason"]), (&json!("refused"), &json!("not_authenticated")));
    let names: Vec<&str> = found.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "time client method path version status bytes duration_us outcome reason request_id";
    assert_eq!(names, expected.split(' ').collect::<Vec<_>>());
}

#[test]
fn a_line_of_the_combined_format_is_as_its_readers_know_it() {
    let combined = |record: &Record| line(AccessLogFormat::Combined, record);
    let known = record(&[
        (Text::Path, "/plants/7"),
        (Text::Subject, "alice smith"),
        (Text::Agent, "a \"quoted\" \\ agent"),
        (Text::Referer, "https://example.com/ä"),
    ]);
    assert_eq!(
        combined(&known),
        "2001:db8::7 - alice\\x20smith [12/Dec/2025:10:45:22 +0000] \"POST /plants/7 HTTP/2.0\" 201 17 \
         \"https://example.com/\\xC3\\xA4\" \"a \\x22quoted\\x22 \\x5C agent\"\n"
    );
    let mut gone = record(&[]);
    (gone.status, gone.outcome, gone.bytes) = (0, Outcome::Abandoned, 0);
    assert_eq!(combined(&gone), "2001:db8::7 - - [12/Dec/2025:10:45:22 +0000] \"POST - HTTP/2.0\" 499 0 \"-\" \"-\"\n");
    assert_eq!(json_line(&gone)["status"], 499);
}

#[test]
fn the_second_is_formatted_anew_when_it_is_another() {
    let (record, mut out) = (record(&[]), Vec::new());
    let mut formatter = Formatter::new(AccessLogFormat::Json);
    for millis in [999, 1000, 1001, 86_400_000, 500] {
        formatter.line(&record, Timestamp::from_millis(millis), &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    let times: Vec<&str> = text.lines().map(|line| &line[9..33]).collect();
    let clocks = ["01T00:00:00.999Z", "01T00:00:01.000Z", "01T00:00:01.001Z", "02T00:00:00.000Z", "01T00:00:00.500Z"];
    assert_eq!(times, clocks.map(|clock| format!("1970-01-{clock}")));
}

/// A text with what splits lines, fields and strings of any kind in it.
fn nasty() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        any::<char>(),
        proptest::sample::select(vec![
            '\r', '\n', '"', '\\', '\0', '\u{1b}', '\u{85}', '\u{2028}', '\u{2029}', ' ', ']'
        ]),
    ];
    proptest::collection::vec(nasty, 0..40).prop_map(String::from_iter)
}

/// The fields of a line of the Combined Log Format.
fn fields(line: &str) -> Option<Vec<&str>> {
    let (client, rest) = line.strip_suffix('\n')?.split_once(" - ")?;
    let (user, rest) = rest.split_once(" [")?;
    let (time, rest) = rest.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let (numbers, rest) = rest.split_once(" \"")?;
    let (referer, rest) = rest.split_once("\" \"")?;
    Some(vec![client, user, time, request, numbers, referer, rest.strip_suffix('"')?])
}

proptest! {
    #[test]
    fn no_text_splits_a_line_and_json_says_it_unchanged(texts in proptest::collection::vec(nasty(), 9)) {
        let set: Vec<(Text, &str)> = TEXTS.into_iter().zip(texts.iter().map(String::as_str)).collect();
        let record = record(&set);
        let text = line(AccessLogFormat::Json, &record);
        let splits = |one: char| one.is_control() || one == '\u{2028}' || one == '\u{2029}';
        prop_assert_eq!(text.find(splits), Some(text.len() - 1));
        let found: Value = serde_json::from_str(&text).unwrap();
        for (name, text) in [
            ("path", Text::Path), ("rule", Text::Rule), ("issuer", Text::Issuer), ("subject", Text::Subject),
            ("upstream", Text::Upstream), ("server", Text::Server), ("user_agent", Text::Agent),
        ] {
            let said = found.get(name).map_or("", |value| value.as_str().unwrap());
            prop_assert_eq!(said, &texts[text as usize], "{}", name);
        }

        let text = line(AccessLogFormat::Combined, &record);
        prop_assert_eq!(text.find(|one: char| !(' '..='~').contains(&one)), Some(text.len() - 1));
        let fields = fields(&text).unwrap();
        prop_assert_eq!(fields.len(), 7);
        prop_assert!(!fields[1].contains(' ') && fields.iter().all(|field| !field.contains('"')), "{}", text);
        prop_assert_eq!(fields[4], "201 17");
    }

    #[test]
    fn a_long_text_is_cut_between_characters(text in "[a-zä€😀]{0,3000}") {
        for (place, longest) in [(Text::Path, 2048), (Text::Subject, 256)] {
            let mut texts = Texts::default();
            texts.set(Text::Rule, "before");
            texts.set(place, &text);
            texts.set(Text::Issuer, "behind");
            let kept = texts.get(place).unwrap_or_default().into_owned();
            if text.len() <= longest {
                prop_assert_eq!(&kept, &text);
            } else {
                let kept = kept.strip_suffix('…').unwrap();
                prop_assert!(text.starts_with(kept) && (longest - 3..=longest).contains(&kept.len()));
            }
            prop_assert_eq!(texts.get(Text::Rule).unwrap_or_default(), "before");
            prop_assert_eq!(texts.get(Text::Issuer).unwrap_or_default(), "behind");
            texts.clear();
            prop_assert!(TEXTS.into_iter().all(|text| texts.get(text).is_none()));
        }
    }
}

/// One request of a recorder.
fn begin(recorder: &Rc<Recorder>, path: &str) -> Entry {
    let peer = Peer::new("192.0.2.1:1".parse().unwrap(), &[]);
    let referer = "https://example.com/a?code=s3cr3t";
    let request = Request::get(path).header("user-agent", "x?y").header("referer", referer).body(()).unwrap();
    let log = RequestLog::new(&request, &peer, &Ids::new(0, &Clock::manual(AT)));
    Entry::begin(Some(recorder), &request, &log, || peer.address(), Instant::now())
}

fn recorder(queue: usize) -> (Rc<Recorder>, Arc<Lane>, Arc<Gauges>) {
    let (lane, gauges) = (Arc::new(Lane::new(queue)), Arc::new(Gauges::default()));
    let recorder = Recorder::new(lane.clone(), gauges.clone(), true, thread::current());
    (Rc::new(recorder), lane, gauges)
}

fn dropped(gauges: &Gauges) -> u64 {
    gauges.access_log_dropped.load(Ordering::Relaxed)
}

#[test]
fn a_full_queue_drops_what_comes_and_counts_it() {
    let (recorder, lane, gauges) = recorder(3);
    for number in 0..10 {
        drop(begin(&recorder, &format!("/{number}")));
    }
    assert_eq!((lane.filled.len(), dropped(&gauges)), (3, 7));
    let paths: Vec<_> = std::iter::from_fn(|| lane.filled.pop()).collect();
    let paths: Vec<_> = paths.iter().filter_map(|record| record.texts.get(Text::Path)).collect();
    assert_eq!(paths, ["/0", "/1", "/2"]);
    drop(begin(&recorder, "/last"));
    assert_eq!((lane.filled.len(), dropped(&gauges)), (1, 7), "there is room again");
}

#[test]
fn a_record_that_is_used_again_says_nothing_of_the_request_before() {
    let (recorder, lane, _) = recorder(3);
    let mut entry = begin(&recorder, "/secret?query");
    entry.refused(Reason::NotOwner, Some("GET /secret"), Some("main"), None);
    entry.would_refuse(Reason::NoRoute);
    drop(entry);
    let mut record = lane.filled.pop().unwrap();
    assert_eq!(json_line(&record)["request_id"], record.id.to_string());
    assert_eq!(record.texts.get(Text::Path).as_deref(), Some("/secret"), "no query");
    let combined = line(AccessLogFormat::Combined, &record);
    assert!(combined.ends_with("\"https://example.com/a\" \"x?y\"\n"), "no query: {combined}");
    record.texts.shrink();
    lane.spare.push(record).unwrap();
    drop(begin(&recorder, "/"));
    assert!(lane.spare.is_empty(), "the same record");
    let found = json_line(&lane.filled.pop().unwrap());
    assert_eq!(found["outcome"], "abandoned");
    for absent in ["rule", "issuer", "would_refuse", "reason", "broke_off"] {
        assert_eq!(found.get(absent), None, "{absent}");
    }
}
