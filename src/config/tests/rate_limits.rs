use std::time::Duration;

use super::{OPEN, assert_mistakes, config, mistakes};
use crate::config::{LimitedBy, RateLimit};

fn limits(text: &str) -> Vec<RateLimit> {
    config(text).rate_limits
}

#[test]
fn everything_that_is_set_arrives() {
    let config = config(&format!(
        "[rate_limit.login]\nrequests = '10/15m'\nburst = 3\nby = 'address'\n\
         [rate_limit.keys]\nrequests = '5000/1d'\nby = {{ header = 'X-Api-Key' }}\n{OPEN}\
         rate_limit = ['keys', 'login']\n\
         [[route]]\nmatch = ['GET /a', 'GET /b']\naccess = 'public'\nrate_limit = {{ requests = '1/1s' }}\n\
         [[route]]\nmatch = 'GET /c'\naccess = 'public'\n",
    ));
    let told: Vec<String> = config.rate_limits.iter().map(ToString::to_string).collect();
    let own = "1 in 1s, by principal";
    assert_eq!(told, ["login: 10 in 15m, 3 at once, by address", "keys: 5000 in 1d, by the header x-api-key", own]);
    let [login, _, own] = config.rate_limits.as_slice() else { panic!("{:?}", config.rate_limits) };
    assert_eq!((login.requests.get(), login.burst.get(), login.period), (10, 3, Duration::from_secs(900)));
    assert_eq!((login.by == LimitedBy::Address, login.is_own, login.is_default), (true, false, false));
    assert_eq!((own.name.as_str(), own.is_own, own.burst.get()), ("GET /a", true, 1));
    let of_routes: Vec<_> = config.routes.iter().map(|route| route.limits.clone()).collect();
    assert_eq!(of_routes, [vec![1, 0], vec![2], vec![]]);
}

#[test]
fn a_default_limit_is_for_every_route_that_says_nothing_else() {
    let config = config(&format!(
        "[rate_limit.all]\nrequests = '10/1s'\ndefault = true\n[rate_limit.other]\nrequests = '1/1s'\n{OPEN}\
         [[route]]\nmatch = 'GET /a'\naccess = 'public'\nrate_limit = 'other'\n\
         [[route]]\nmatch = 'GET /b'\naccess = 'public'\nrate_limit = []\n",
    ));
    let of_routes: Vec<_> = config.routes.iter().map(|route| route.limits.clone()).collect();
    assert_eq!(of_routes, [vec![0], vec![1], vec![]]);
}

#[test]
fn a_limit_of_a_route_that_the_file_replaces_is_gone_with_it() {
    assert!(limits(OPEN).is_empty());
}

#[test]
fn wrong_values_are_told_one_by_one() {
    assert_mistakes(
        &format!(
            "[rate_limit.a]\nrequests = '10'\n[rate_limit.b]\nrequests = '0/1s'\n[rate_limit.c]\nrequests = '1/10ms'\n\
             [rate_limit.d]\nrequests = 5\n[rate_limit.e]\nburst = 0\nby = 'ip'\n[rate_limit.f]\nrequests = '+1/1s'\nby = {{ head = 'x' }}\n\
             [rate_limit.g]\nrequests = '1/2d'\nby = {{ header = 'a b' }}\nkeys = 1\n{OPEN}"
        ),
        &[
            ("`rate_limit.a.requests` must be a number of requests, `/` and a time, not \"10\"", "gateway.toml:2:12"),
            ("`rate_limit.b.requests` must let through 1 to 1000000 requests, not \"0/1s\"", "gateway.toml:4:12"),
            ("`rate_limit.c.requests` must be for whole seconds, up to a day, not \"1/10ms\"", "gateway.toml:6:12"),
            ("`rate_limit.d.requests` must be a number of requests and a time, not an integer", "gateway.toml:8:12"),
            ("`rate_limit.e.requests` is missing", "gateway.toml:9:13"),
            ("`rate_limit.e.burst` must be between 1 and 1000000, not 0", "gateway.toml:10:9"),
            ("`rate_limit.e.by` is not known: \"ip\"", "gateway.toml:11:6"),
            ("`rate_limit.f.requests` must let through 1 to 1000000 requests, not \"+1/1s\"", "gateway.toml:13:12"),
            ("`rate_limit.f.by` must be a table with `header` alone", "gateway.toml:14:6"),
            ("`rate_limit.g.requests` must be for whole seconds, up to a day, not \"1/2d\"", "gateway.toml:16:12"),
            ("`rate_limit.g.by` is not valid: invalid HTTP header name", "gateway.toml:17:6"),
            ("unknown key `keys` in `rate_limit.g`", "gateway.toml:18:1"),
        ],
    );
}

#[test]
fn a_route_names_limits_that_are_there_and_each_once() {
    let text = format!("[rate_limit.logins]\nrequests = '1/1s'\n{OPEN}rate_limit = ['logins', 'b', 'logins']\n");
    let rendered = mistakes(&text);
    assert!(rendered.contains("`route.rate_limit` names the rate_limit \"b\", which is not there"), "{rendered}");
    assert!(rendered.contains("add `[rate_limit.b]`"), "{rendered}");
    assert!(rendered.contains("`route.rate_limit` names a limit twice"), "{rendered}");
    let rendered = mistakes(&format!("{OPEN}rate_limit = {{ requests = '1/1s', default = true }}\n"));
    assert!(rendered.contains("unknown key `default` in `route.rate_limit`"), "{rendered}");
}

proptest::proptest! {
    #[test]
    fn a_rate_is_read_back_as_it_is_told(requests in 1_u32..=1_000_000, seconds in 1_u64..=86_400, any in "[0-9/smhd+ -]{0,9}") {
        let text = format!("[rate_limit.a]\nrequests = '{requests}/{seconds}s'\n{OPEN}");
        let [limit] = limits(&text).try_into().unwrap();
        proptest::prop_assert_eq!((limit.requests.get(), limit.period.as_secs()), (requests, seconds));
        if let Ok(loaded) = super::read(&format!("[rate_limit.a]\nrequests = '{any}'\n{OPEN}")) {
            proptest::prop_assert!(loaded.config.rate_limits.iter().all(|limit| limit.period >= Duration::from_secs(1)));
        }
    }
}
