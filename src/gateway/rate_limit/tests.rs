use governor::clock::FakeRelativeClock;
use http::HeaderValue;

use super::*;

fn settings(name: &str, requests: u32, burst: u32, by: LimitedBy) -> config::RateLimit {
    config::RateLimit {
        name: name.to_owned(),
        is_own: false,
        requests: NonZeroU32::new(requests).unwrap(),
        period: Duration::from_secs(60),
        burst: NonZeroU32::new(burst).unwrap(),
        by,
        is_default: false,
    }
}

fn address(last: u8) -> Key {
    Key::of_address([192, 0, 2, last].into())
}

#[test]
fn a_burst_passes_at_once_and_then_one_for_each_part_of_the_period() {
    let clock = FakeRelativeClock::default();
    let limit = RateLimit::new(&settings("a", 6, 2, LimitedBy::Address), clock.clone());
    let standing = |remaining, seconds| Standing { remaining, reset: Duration::from_secs(seconds) };
    assert_eq!(limit.count(address(1)), (true, standing(1, 10)));
    assert_eq!(limit.count(address(1)), (true, standing(0, 10)));
    assert_eq!(limit.count(address(1)), (false, standing(0, 10)));
    assert_eq!(limit.count(address(2)), (true, standing(1, 10)), "somebody else is not held up");
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(limit.count(address(1)), (false, Standing { remaining: 0, reset: Duration::from_millis(1) }));
    clock.advance(Duration::from_millis(1));
    assert_eq!(limit.count(address(1)), (true, standing(0, 10)), "what was refused has used nothing up");
    clock.advance(Duration::from_secs(3600));
    assert_eq!(limit.count(address(1)), (true, standing(1, 10)), "no more is saved up than a burst");
    assert_eq!(limit.refused.load(Ordering::Relaxed), 2);
}

#[test]
fn a_flood_of_addresses_neither_grows_without_bound_nor_frees_the_one_that_comes_often() {
    let limit = RateLimit::new(&settings("a", 10, 10, LimitedBy::Address), FakeRelativeClock::default());
    let often = address(1);
    assert_eq!((0..20).filter(|_| limit.count(often).0).count(), 10);
    let mut passed = 0;
    for number in 0..MOST_KEYS + MOST_KEYS / 2 {
        limit.count(Key::of_address(std::net::Ipv6Addr::from_bits(u128::from(number) << 64).into()));
        if number % 100 == 0 {
            passed += u32::from(limit.count(often).0);
        }
    }
    assert_eq!(passed, 0);
}

#[test]
fn settings_that_did_not_change_keep_what_was_counted() {
    let (one, two) = (settings("one", 1, 1, LimitedBy::Address), settings("two", 1, 1, LimitedBy::Address));
    let before = RateLimits::new(&[one.clone(), two.clone()], None);
    assert!(before.limits.iter().all(|limit| limit.count(address(1)).0));
    let wider = settings("one", 2, 2, LimitedBy::Address);
    let after = RateLimits::new(&[two, wider], Some(&before));
    assert!(Arc::ptr_eq(&after.limits[0], &before.limits[1]));
    assert!(!after.limits[0].count(address(1)).0);
    assert!(after.limits[1].count(address(1)).0);
}

#[test]
fn a_request_counts_once_for_each_limit_and_tells_of_all() {
    let header = LimitedBy::Header(http::HeaderName::from_static("x-api-key"));
    let limits = RateLimits::new(
        &[
            settings("one", 10, 3, LimitedBy::Address),
            settings("two", 10, 5, header),
            settings("three", 10, 7, LimitedBy::Principal),
        ],
        None,
    );
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_static("a"));
    let client = || [192, 0, 2, 1].into();
    let mut counted = Counted::default();
    for _ in 0..2 {
        counted.arrived(&limits, &[0, 1, 2], &headers, client).unwrap();
        counted.known(&limits, &[0, 1, 2], None, client).unwrap();
    }
    let mut told = HeaderMap::new();
    counted.write(&mut told);
    assert_eq!(told["ratelimit-policy"], "\"one\";q=10;w=60, \"two\";q=10;w=60, \"three\";q=10;w=60");
    assert_eq!(told["ratelimit"], "\"one\";r=2;t=6, \"two\";r=4;t=6, \"three\";r=6;t=6");

    let mut counted = Counted::default();
    counted.arrived(&limits, &[], &headers, client).unwrap();
    counted.known(&limits, &[], None, client).unwrap();
    let mut told = HeaderMap::new();
    counted.write(&mut told);
    assert!(told.is_empty());
}

#[test]
fn values_of_a_header_are_told_apart_and_one_that_is_missing_is_the_address() {
    let name = http::HeaderName::from_static("x-api-key");
    let key = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_static(value));
        }
        Key::of_header(&headers, &name)
    };
    assert_eq!(key(&[]), None);
    let keys =
        [key(&["a"]), key(&["b"]), key(&["a", "b"]), key(&["ab"]), key(&["ab", ""]), key(&["", "ab"]), key(&[""])];
    let different: std::collections::HashSet<_> = keys.into_iter().map(Option::unwrap).collect();
    assert_eq!(different.len(), keys.len());
    assert_eq!(key(&["a"]), key(&["a"]));
}

proptest::proptest! {
    /// In any time no more pass than a burst and what the rate gives.
    #[test]
    fn no_more_pass_than_the_burst_and_the_rate(
        requests in 1_u32..50, burst in 1_u32..50, pauses in proptest::collection::vec(0_u64..20_000, 1..60),
    ) {
        let clock = FakeRelativeClock::default();
        let limit = RateLimit::new(&settings("a", requests, burst, LimitedBy::Address), clock.clone());
        let (mut passed, mut elapsed) = (0_u64, 0);
        for pause in &pauses {
            clock.advance(Duration::from_millis(*pause));
            elapsed += pause;
            passed += (0..3).map(|_| u64::from(limit.count(address(1)).0)).sum::<u64>();
        }
        // A unit is added a moment early where the period is no multiple of it.
        let most = u64::from(burst) + elapsed * u64::from(requests) / 60_000 + 1;
        proptest::prop_assert!(passed <= most, "{passed} of {most}");
    }
}
