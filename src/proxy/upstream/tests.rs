//! Servers that are chosen, ejected and found, without a connection.

use std::net::SocketAddr;

use super::*;

/// An upstream with one server.
pub(in crate::proxy) fn alone(server: &str) -> (Rc<Upstream>, Rc<crate::proxy::pool::Pool>) {
    let upstream = upstream(&[server], |_| {});
    let choice = upstream.choose(&upstream.view(), Tried::default(), None).unwrap();
    let Way::Http1(pool) = &choice.backend.way else { panic!("it speaks HTTP/1") };
    let pool = Rc::clone(pool);
    (upstream, pool)
}

/// A request to the only server.
pub(in crate::proxy) fn busy(upstream: &Upstream) -> Busy {
    upstream.choose(&upstream.view(), Tried::default(), None).unwrap().begin().unwrap()
}

fn upstream(servers: &[&str], set: impl FnOnce(&mut UpstreamSettings)) -> Rc<Upstream> {
    let servers = servers.iter().map(|server| Server::http1(server.parse().unwrap())).collect();
    let mut settings = UpstreamSettings::new("default", servers);
    set(&mut settings);
    Rc::new(Upstream::new(Arc::new(settings), Draw::seeded(7)))
}

fn place(choice: &Choice) -> String {
    choice.backend.endpoint.place().to_owned()
}

fn next(upstream: &Upstream) -> Choice {
    upstream.choose(&upstream.view(), Tried::default(), None).unwrap()
}

/// How often each server is chosen for one of these keys, and for which.
fn by_key(upstream: &Upstream, keys: std::ops::Range<u64>) -> Vec<String> {
    keys.map(|key| place(&upstream.choose(&upstream.view(), Tried::default(), Some(key)).unwrap())).collect()
}

fn eject(upstream: &Upstream, server: &str) {
    let endpoints = upstream.settings().endpoints();
    let endpoint = endpoints.iter().find(|endpoint| endpoint.place() == server).unwrap();
    for _ in 0..5 {
        upstream.settings().failed(endpoint, Counter::Connect);
    }
}

const THREE: [&str; 3] = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"];

#[test]
fn servers_take_turns_if_they_are_to() {
    let upstream = upstream(&THREE, |settings| settings.balance = Balance::RoundRobin);
    let places: Vec<_> = (0..4).map(|_| place(&next(&upstream))).collect();
    assert_eq!(places, [THREE[0], THREE[1], THREE[2], THREE[0]]);
    let shown: Vec<_> = upstream.settings().servers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["http://10.0.0.1:1", "http://10.0.0.2:1", "http://10.0.0.3:1"]);
}

#[test]
fn an_upstream_without_servers_has_no_next_one() {
    let upstream = upstream(&[], |_| {});
    assert!(upstream.choose(&upstream.view(), Tried::default(), None).is_none());
}

#[test]
fn of_two_servers_the_one_with_less_to_do_is_taken() {
    let upstream = upstream(&THREE[..2], |_| {});
    let first = next(&upstream);
    let held: Vec<_> = (0..3).map(|_| first.begin().unwrap()).collect();
    for _ in 0..20 {
        assert_ne!(place(&next(&upstream)), place(&first), "it has three");
    }
    drop(held);
    let places: std::collections::BTreeSet<_> = (0..20).map(|_| place(&next(&upstream))).collect();
    assert_eq!(places.len(), 2);
}

#[test]
fn a_slow_server_gets_little_and_is_looked_at_again_now_and_then() {
    let upstream = upstream(&THREE[..2], |_| {});
    let view = upstream.view();
    view.backends[0].took(Duration::from_millis(100));
    view.backends[1].took(Duration::from_millis(1));
    let slow = (0..2000).filter(|_| {
        let choice = next(&upstream);
        choice.backend.took(Duration::from_millis(if choice.index == 0 { 100 } else { 1 }));
        choice.index == 0
    });
    let slow = slow.count();
    assert!((1..=40).contains(&slow), "{slow}");
}

#[test]
fn what_was_tried_is_not_tried_again_until_all_were() {
    let upstream = upstream(&THREE, |_| {});
    for key in [None, Some(42)] {
        let (view, mut tried, mut places) = (upstream.view(), Tried::default(), std::collections::BTreeSet::new());
        for _ in 0..3 {
            let choice = upstream.choose(&view, tried, key).unwrap();
            tried.add(choice.index);
            places.insert(place(&choice));
        }
        assert_eq!(places.len(), 3);
        assert!(upstream.choose(&view, tried, key).is_some());
    }
}

#[test]
fn an_ejected_server_is_not_chosen_and_never_are_all_of_them_ejected() {
    for balance in [Balance::P2c, Balance::RoundRobin] {
        let upstream = upstream(&THREE, |settings| settings.balance = balance);
        eject(&upstream, THREE[1]);
        eject(&upstream, THREE[0]);
        let up: Vec<_> = upstream.settings().endpoints().iter().map(|endpoint| endpoint.is_up()).collect();
        assert_eq!(up, [true, false, true], "half of three is one");
        assert!((0..50).all(|_| place(&next(&upstream)) != THREE[1]));
    }
    let single = upstream(&THREE[..1], |_| {});
    eject(&single, THREE[0]);
    assert!(single.settings().is_up());
}

#[test]
fn one_request_probes_a_server_whose_time_is_over() {
    let upstream = upstream(&THREE[..2], |settings| {
        settings.ejection = Some(Ejection { time: Duration::from_nanos(1), ..Ejection::default() });
        settings.slow_start = Duration::ZERO;
    });
    let endpoints = upstream.settings().endpoints();
    eject(&upstream, THREE[0]);
    let probe = (0..50).map(|_| next(&upstream)).find(|choice| choice.index == 0).unwrap().begin().unwrap();
    assert!((0..50).all(|_| next(&upstream).index == 1), "while it is under way");
    drop(probe);
    let probe = (0..50).map(|_| next(&upstream)).find(|choice| choice.index == 0).unwrap().begin().unwrap();
    assert!(endpoints[0].is_ejected(), "a request that is given up tells nothing");
    probe.answered(http::StatusCode::OK, None);
    assert!(endpoints[0].is_up());
}

#[test]
fn a_server_that_warms_up_gets_its_share_and_a_key_its_server() {
    let upstream = upstream(&THREE[..2], |settings| settings.slow_start = Duration::from_secs(3600));
    let keys = by_key(&upstream, 0..100);
    let health = &upstream.settings().endpoints()[0].health;
    health.eject(Duration::ZERO, &Ejection::default());
    assert!(health.probe() && health.succeeded(Duration::ZERO, Duration::from_secs(3600)));
    let first = (0..1000).filter(|_| next(&upstream).index == 0).count();
    assert!((20..=150).contains(&first), "a tenth of its half, or more if it is drawn alone: {first}");
    assert_eq!(by_key(&upstream, 0..100), keys);
}

#[test]
fn a_server_that_goes_away_moves_its_own_keys_alone() {
    let upstream = upstream(&THREE, |_| {});
    let before = by_key(&upstream, 0..300);
    for server in THREE {
        let share = before.iter().filter(|place| *place == server).count();
        assert!((60..=140).contains(&share), "{server}: {share}");
    }
    eject(&upstream, THREE[2]);
    let after = by_key(&upstream, 0..300);
    assert!(before.iter().zip(&after).all(|(one, other)| one == other || one == THREE[2]));
    assert!(after.iter().all(|place| place != THREE[2]));
}

#[test]
fn when_no_server_takes_requests_all_do() {
    let upstream = upstream(&THREE, |settings| settings.health_check = Some(HealthCheck::new("/".parse().unwrap())));
    for endpoint in upstream.settings().endpoints().iter() {
        upstream.settings().checked(endpoint, Err("down".to_owned()), (1, 1));
    }
    assert!(!upstream.settings().is_up());
    let places: std::collections::BTreeSet<_> = (0..50).map(|_| place(&next(&upstream))).collect();
    assert_eq!(places.len(), 3);
    assert_eq!(by_key(&upstream, 0..50).into_iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}

#[test]
fn the_addresses_of_a_name_are_servers_and_what_is_known_of_them_stays() {
    let upstream = upstream(&["api.internal:1", "10.0.0.9:1"], |settings| settings.balance = Balance::RoundRobin);
    let name = upstream.settings().servers[0].clone();
    let places = |upstream: &Upstream| -> Vec<_> {
        upstream.settings().endpoints().iter().map(|endpoint| endpoint.place().to_owned()).collect()
    };
    assert_eq!(places(&upstream), ["api.internal:1", "10.0.0.9:1"], "until somebody has looked");
    let [one, two, three] = THREE.map(|address| address.parse().unwrap());
    assert!(upstream.settings().resolved(&name, &[one, two]));
    assert!(!upstream.settings().resolved(&name, &[one, two]));
    assert_eq!(places(&upstream), [THREE[0], THREE[1], "10.0.0.9:1"]);
    let view = upstream.view();
    let last = upstream.choose(&view, Tried::default(), None).unwrap();
    let mut tried = Tried::default();
    tried.add(last.index);
    assert_eq!(place(&Upstream::sibling(&view, tried, &last).unwrap()), THREE[1]);
    eject(&upstream, THREE[1]);
    assert!(upstream.settings().resolved(&name, &[two, three, "10.0.0.9:1".parse().unwrap()]));
    assert_eq!(places(&upstream), [THREE[1], THREE[2], "10.0.0.9:1"], "each place once");
    assert!(upstream.settings().endpoints()[0].is_ejected());
    assert_eq!(upstream.view().backends.len(), 3, "and the worker has seen it");
}

#[test]
fn a_new_configuration_goes_on_with_what_was_known() {
    let old = upstream(&THREE, |_| {});
    eject(&old, THREE[1]);
    next(&old).begin().unwrap();
    let new = upstream(&THREE[1..], |_| {});
    new.settings().take_over(old.settings());
    let endpoints = new.settings().endpoints();
    assert!(endpoints[0].is_ejected() && endpoints[1].is_up());
    assert_eq!(endpoints[0].failures(Counter::Connect), 5);
    let requests: u64 = old.settings().endpoints().iter().map(|endpoint| endpoint.requests()).sum();
    drop((old, new));
    assert_eq!(requests, 1);
}

/// A request that is the one to tell whether the server is back, and fails.
fn fail_a_probe(upstream: &Upstream, endpoint: &Endpoint) {
    assert!(endpoint.health.probe(), "nobody else is on the way to {}", endpoint.place());
    upstream.settings().failed(endpoint, Counter::Connect);
}

#[test]
fn ejected_servers_that_are_more_than_may_be_by_now_are_probed_again_and_again() {
    let name = || Server::http1("api.internal:1".parse().unwrap());
    let upstream = upstream(&["api.internal:1"], |_| {});
    let addresses: Vec<SocketAddr> = (1..=4).map(|last| format!("10.0.0.{last}:1").parse().unwrap()).collect();
    upstream.settings().resolved(&name(), &addresses);
    eject(&upstream, "10.0.0.1:1");
    eject(&upstream, "10.0.0.2:1");
    // The name loses an address: of three servers only one may be ejected anew.
    upstream.settings().resolved(&name(), &addresses[..3]);
    let endpoints = upstream.settings().endpoints();
    for _ in 0..3 {
        fail_a_probe(&upstream, &endpoints[0]);
        fail_a_probe(&upstream, &endpoints[1]);
    }
    assert!(endpoints[0].is_ejected() && endpoints[1].is_ejected());
    assert!(endpoints[1].health.probe());
    upstream.settings().succeeded(&endpoints[1]);
    assert!(endpoints[1].is_up());
}

#[test]
fn nothing_is_held_against_a_server_that_nobody_looks_at_any_more() {
    let check = HealthCheck::new("/".parse().unwrap());
    let old = upstream(&THREE, |settings| settings.health_check = Some(check));
    eject(&old, THREE[0]);
    let endpoints = old.settings().endpoints();
    old.settings().checked(&endpoints[1], Err("down".to_owned()), (1, 1));
    let new = upstream(&THREE, |settings| settings.ejection = None);
    new.settings().take_over(old.settings());
    assert!(!endpoints[0].is_up() && !endpoints[1].is_up(), "the old settings still count");
    old.settings().retire();
    new.settings().begin();
    assert!(endpoints.iter().all(|endpoint| endpoint.is_up()));
    // Requests and checks that are under way by the old settings.
    old.settings().checked(&endpoints[1], Err("down".to_owned()), (1, 1));
    assert!(endpoints[1].is_up());
    eject(&old, THREE[0]);
    fail_a_probe(&new, &endpoints[0]);
    assert!(endpoints[0].is_up());
}

#[test]
fn a_ceiling_counts_what_is_under_way_by_the_settings_that_were_replaced() {
    let old = upstream(&THREE, |settings| settings.max_requests = Some(2));
    let held = [next(&old).begin().unwrap(), next(&old).begin().unwrap()];
    let new = upstream(&THREE, |settings| {
        settings.max_requests = Some(2);
        settings.shared = Shared::after(old.settings());
    });
    assert!(matches!(next(&new).begin(), Err(Rejection::UpstreamOverloaded { .. })));
    drop(held);
    let held = [next(&new).begin().unwrap(), next(&new).begin().unwrap()];
    assert!(next(&new).begin().is_err());
    drop(held);
}

#[test]
fn retries_are_a_part_of_the_requests() {
    let upstream = upstream(&THREE, |_| {});
    let retries = |requests: usize| {
        (0..requests).filter(|_| {
            upstream.deposit();
            upstream.withdraw()
        })
    };
    assert_eq!(retries(10).count(), 10, "a few in a row");
    assert_eq!(retries(1000).count(), 201, "then a fifth");
}

#[test]
fn an_upstream_has_as_many_requests_at_once_as_it_may() {
    let upstream = upstream(&THREE, |settings| settings.max_requests = Some(2));
    let held = [next(&upstream).begin().unwrap(), next(&upstream).begin().unwrap()];
    assert!(matches!(next(&upstream).begin(), Err(Rejection::UpstreamOverloaded { .. })));
    assert_eq!(upstream.settings().refused(), 1);
    drop(held);
    assert!(next(&upstream).begin().is_ok());
    let in_flight: u64 = upstream.settings().endpoints().iter().map(|endpoint| endpoint.in_flight()).sum();
    assert_eq!(in_flight, 0);
}

#[test]
fn a_request_is_told_apart_by_what_is_configured() {
    let key = |sticky: Sticky, fields: &[(&'static str, &str)], trusted: bool| {
        let networks = if trusted { vec!["10.0.0.0/8".parse().unwrap()] } else { Vec::new() };
        let peer = Peer::new("10.0.0.1:1".parse().unwrap(), &networks);
        let fields = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let settings = UpstreamSettings { sticky: Some(sticky), ..UpstreamSettings::new("default", Vec::new()) };
        settings.key(&fields.collect(), None, &peer)
    };
    let header = || Sticky::Header(HeaderName::from_static("x-session"));
    assert_eq!(key(header(), &[], false), None);
    assert_eq!(key(header(), &[("x-session", "a")], false), key(header(), &[("x-session", "a")], false));
    assert_ne!(key(header(), &[("x-session", "a")], false), key(header(), &[("x-session", "b")], false));
    assert_eq!(key(Sticky::Principal, &[], false), None);
    let told = [("x-forwarded-for", "192.0.2.1, 192.0.2.2")];
    assert_eq!(key(Sticky::Address, &told, false), key(Sticky::Address, &[], false), "a stranger's word");
    assert_ne!(key(Sticky::Address, &told, true), key(Sticky::Address, &[], true));
    let alone = [("x-forwarded-for", "192.0.2.2")];
    assert_eq!(key(Sticky::Address, &told, true), key(Sticky::Address, &alone, true));
}

#[test]
fn connections_are_kept_where_nothing_has_changed() {
    let settings = |name: &str| Arc::new(UpstreamSettings::new(name, Vec::new()));
    let (one, other) = (settings("one"), settings("other"));
    let before = Upstreams::new(&[Arc::clone(&one), other]);
    let after = Upstreams::after(&before, &[settings("other"), one]);
    assert!(Rc::ptr_eq(after.get(1).unwrap(), before.get(0).unwrap()));
    assert!(!Rc::ptr_eq(after.get(0).unwrap(), before.get(1).unwrap()));
}
