use std::{net::Ipv6Addr, sync::Barrier, thread};

use super::*;

mod model;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const ANNA: Option<&str> = Some("anna@example.com");
const BERT: Option<&str> = Some("bert@example.com");
const HOUR: Duration = Duration::from_secs(3600);
const MILLISECOND: Duration = Duration::from_millis(1);

fn limit(text: &str) -> Limit {
    text.parse().unwrap()
}

fn throttle(account: &str, address: &str) -> (Throttle, Clock) {
    let clock = Clock::manual(START);
    let [account, address] = [account, address].map(|text| Limit::or_off(text).unwrap());
    (Throttle::new(ThrottleSettings { account, address }, clock.clone()), clock)
}

fn v4(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
}

fn v6(text: &str) -> IpAddr {
    IpAddr::V6(text.parse::<Ipv6Addr>().unwrap())
}

fn by(throttle: &Throttle, account: Option<&str>, address: IpAddr) -> Option<By> {
    throttle.begin(account, address).err().map(|throttled| throttled.by)
}

/// How many of `tries` fail before one is refused.
fn failures(throttle: &Throttle, account: Option<&str>, address: IpAddr, tries: usize) -> usize {
    (0..tries).take_while(|_| throttle.begin(account, address).map(Try::failed).is_ok()).count()
}

#[test]
fn what_cannot_be_guessed_is_counted_for_who_tries_alone() {
    let (throttle, _) = throttle("2/15m", "3/15m");
    let by = |address| throttle.begin_here(ANNA, v4(address)).err().map(|throttled| throttled.by);
    for address in 0..30 {
        assert_eq!([by(address), by(address), by(address)], [None, None, Some(By::Account)], "{address}");
    }
    assert_eq!(by(30), None);
    assert!(throttle.begin(ANNA, v4(31)).is_ok(), "nothing of that counts for those who guess");
    throttle.begin_here(BERT, v4(0)).map(Try::failed).unwrap();
    assert_eq!(throttle.begin_here(None, v4(0)).err().map(|throttled| throttled.by), Some(By::Address));
}

#[test]
fn limits_are_read_strictly() {
    let seconds = |tries, seconds| Limit::new(tries, Duration::from_secs(seconds));
    let good = [
        ("10/15m", seconds(10, 900)),
        ("5/30s", seconds(5, 30)),
        ("1/1s", seconds(1, 1)),
        ("1000000/30d", seconds(1_000_000, 2_592_000)),
        ("007/24h", seconds(7, 86_400)),
    ];
    for (text, expected) in good {
        assert_eq!((text, text.parse::<Limit>()), (text, expected));
    }
    let form = [
        "", "/", "10", "10/", "/15m", "10/15", "10/m", "+10/15m", "-1/15m", "10/+5m", "10 /15m", "10/15m ", "1e3/15m",
        "10/1.5h", "10/15M", "10/15ms", "10/15m/2", "١/15m", "10/15µ", "10/15w", "Off", "OFF",
    ];
    for text in form {
        assert_eq!((text, Limit::or_off(text)), (text, Err(BadLimit::Form)));
    }
    for text in ["0/15m", "1000001/15m", "4294967297/15m", "99999999999999999999999/15m"] {
        assert_eq!((text, Limit::or_off(text)), (text, Err(BadLimit::Tries)));
    }
    for text in ["10/0s", "10/31d", "10/99999999999999999999999s", "10/18446744073709551615d"] {
        assert_eq!((text, Limit::or_off(text)), (text, Err(BadLimit::Window)));
    }
    assert_eq!(Limit::new(1, Duration::from_millis(999)), Err(BadLimit::Window));
    assert_eq!(Limit::new(1, Duration::MAX), Err(BadLimit::Window));
    assert_eq!(Limit::or_off("off"), Ok(None));
    let default = ThrottleSettings::default();
    assert_eq!((default.account, default.address), (Some(limit("10/15m")), Some(limit("100/15m"))));
    assert_eq!(MailLimit::DEFAULT, limit("5/1h"));
}

#[test]
fn an_account_takes_its_limit_from_one_address_and_another_address_is_free() {
    let (throttle, clock) = throttle("10/15m", "100/15m");
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 10);
    let throttled = throttle.begin(ANNA, v4(1)).unwrap_err();
    assert_eq!(throttled.by, By::Account);
    assert!(throttled.retry_after > Duration::from_secs(900), "no ten and one within the window");
    assert!(throttled.retry_after <= Duration::from_secs(900) * 9 / 8);
    assert!(throttle.begin(ANNA, v4(2)).is_ok());
    assert!(throttle.begin(BERT, v4(1)).is_ok());
    clock.advance(throttled.retry_after - MILLISECOND);
    assert_eq!(by(&throttle, ANNA, v4(1)), Some(By::Account));
    clock.advance(MILLISECOND);
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 10);
}

#[test]
fn an_address_takes_its_limit_over_all_accounts() {
    let (throttle, _) = throttle("10/15m", "100/15m");
    let invented = |number| format!("nobody{number}@example.com");
    assert_eq!((0..200).filter(|number| throttle.begin(Some(&invented(*number)), v4(1)).is_ok()).count(), 100);
    assert_eq!(by(&throttle, ANNA, v4(1)), Some(By::Address));
    assert_eq!(by(&throttle, None, v4(1)), Some(By::Address));
    assert_eq!(by(&throttle, ANNA, v4(2)), None);
}

#[test]
fn success_gives_itself_back_and_nothing_else() {
    let (throttle, _) = throttle("10/15m", "20/15m");
    for _ in 0..100 {
        throttle.begin(ANNA, v4(1)).unwrap().succeeded();
        throttle.begin(ANNA, v4(1)).unwrap().undecided();
    }
    // Who logs in to an own account in between gets no more guesses at others.
    let mut guesses = 0;
    for number in 0..100 {
        guesses += usize::from(throttle.begin(Some(&format!("victim{}", number % 5)), v4(1)).is_ok());
        if let Ok(own) = throttle.begin(ANNA, v4(1)) {
            own.succeeded();
        }
    }
    assert_eq!(guesses, 20);
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 0);
    assert_eq!(failures(&throttle, ANNA, v4(2), 50), 10);
    assert_eq!(by(&throttle, ANNA, v4(2)), Some(By::Account));
}

#[test]
fn many_addresses_get_ten_times_the_limit_and_do_not_lock_out_the_owner() {
    let (throttle, clock) = throttle("10/15m", "100/15m");
    let home = v4(1_000_000);
    throttle.begin(ANNA, home).unwrap().succeeded();
    let guessed: usize = (0..1000).map(|number| failures(&throttle, ANNA, v4(number), 2)).sum();
    assert_eq!(guessed, 100);
    assert_eq!(by(&throttle, ANNA, v4(5000)), Some(By::Account), "an unfamiliar address is stopped");
    assert_eq!(failures(&throttle, ANNA, home, 50), 10, "the familiar one has its own limit, and not more");
    assert_eq!(by(&throttle, BERT, v4(5000)), None);
    // The owner's own success gives back what the owner took, nothing of what others took.
    clock.advance(HOUR);
    throttle.begin(ANNA, home).unwrap().succeeded();
    let guessed: usize = (0..1000).map(|number| failures(&throttle, ANNA, v4(number), 2)).sum();
    assert_eq!(guessed, 100);
    throttle.begin(ANNA, home).unwrap().succeeded();
    assert_eq!(by(&throttle, ANNA, v4(5000)), Some(By::Account));
}

#[test]
fn an_address_is_familiar_for_thirty_days_after_the_last_login() {
    let (throttle, clock) = throttle("1/30d", "off");
    let day = 24 * HOUR;
    let familiar = |account, address| {
        (0..50).for_each(|number| drop(throttle.begin(account, v4(number))));
        throttle.begin(account, address).map(Try::undecided).is_ok()
    };
    let [home, elsewhere] = [v4(1000), v4(1001)];
    throttle.begin(ANNA, home).unwrap().succeeded();
    assert!(familiar(ANNA, home));
    assert!(!familiar(ANNA, elsewhere));
    clock.advance(29 * day);
    throttle.begin(ANNA, home).unwrap().succeeded();
    clock.advance(30 * day - MILLISECOND);
    assert!(familiar(ANNA, home));
    clock.advance(MILLISECOND);
    assert!(!familiar(ANNA, home));
    assert!(!familiar(BERT, home), "another's address is not familiar");
}

#[test]
fn one_account_has_eight_familiar_addresses_and_leaves_others_theirs() {
    let familiar = Familiar::default();
    let bert_key = 1 << 63 | 5;
    familiar.remember(bert_key, 7, START);
    for network in 0..1000 {
        familiar.remember(5, network, START.saturating_add(MILLISECOND * u32::try_from(network).unwrap()));
    }
    let now = START.saturating_add(HOUR);
    assert_eq!(
        (0..1000).filter(|network| familiar.knows(5, *network, now)).collect::<Vec<_>>(),
        Vec::from_iter(992..1000)
    );
    assert!(familiar.knows(bert_key, 7, now), "in the same bucket");
}

#[test]
fn ipv6_counts_by_the_first_64_bits_and_ipv4_is_ipv4_however_it_is_written() {
    let (throttle, _) = throttle("off", "1/15m");
    assert_eq!(by(&throttle, ANNA, v6("2001:db8:1:2::1")), None);
    assert_eq!(by(&throttle, ANNA, v6("2001:db8:1:2:ffff::")), Some(By::Address));
    assert_eq!(by(&throttle, ANNA, v6("2001:db8:1:3::1")), None);
    assert_eq!(by(&throttle, ANNA, v6("::ffff:192.0.2.1")), None);
    assert_eq!(by(&throttle, ANNA, v6("64:ff9b::192.0.2.1")), Some(By::Address));
    assert_eq!(by(&throttle, ANNA, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), Some(By::Address));
    assert_eq!(by(&throttle, ANNA, v6("::ffff:192.0.2.2")), None);
    assert_eq!(by(&throttle, ANNA, v6("64:ff9b::192.0.2.3")), None);
}

#[test]
fn retry_after_is_that_of_the_limit_that_lasts_longest() {
    let (throttle, clock) = throttle("1/8s", "1/8s");
    throttle.begin(BERT, v4(1)).unwrap().failed();
    clock.advance(Duration::from_secs(4));
    (10..20).for_each(|number| throttle.begin(ANNA, v4(number)).unwrap().failed());
    let throttled = throttle.begin(ANNA, v4(1)).unwrap_err();
    assert_eq!((throttled.by, throttled.retry_after), (By::Account, Duration::from_secs(9)));
    clock.advance(throttled.retry_after);
    assert!(throttle.begin(ANNA, v4(1)).is_ok());
}

#[test]
fn what_is_off_stops_nothing() {
    let (neither, _) = throttle("off", "off");
    assert_eq!(failures(&neither, ANNA, v4(1), 1000), 1000);
    let (address_alone, _) = throttle("off", "3/1s");
    assert_eq!(failures(&address_alone, ANNA, v4(1), 50), 3);
    let (account_alone, _) = throttle("3/1s", "off");
    assert_eq!(failures(&account_alone, ANNA, v4(1), 50), 3);
    assert_eq!(failures(&account_alone, None, v4(1), 50), 50);
}

#[test]
fn a_thousand_at_once_get_the_limit() {
    let (throttle, _) = throttle("10/15m", "100/15m");
    let run = |work: &(dyn Fn(usize) -> bool + Sync)| -> usize {
        let barrier = Barrier::new(8);
        let worker = |number: usize| {
            barrier.wait();
            (0..125).filter(|index| work(number * 125 + index)).count()
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..8).map(|number| scope.spawn(move || worker(number))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        })
    };
    assert_eq!(run(&|_| throttle.begin(ANNA, v4(1)).map(Try::failed).is_ok()), 10);
    assert_eq!(run(&|number| throttle.begin(BERT, v4(100 + number as u32)).is_ok()), 100, "the account's, everywhere");
    assert_eq!(run(&|number| throttle.begin(Some(&number.to_string()), v4(2)).is_ok()), 100, "the address's");
    // Eight at a time have room, and nothing of what is given back is lost.
    assert_eq!(run(&|_| throttle.begin(ANNA, v4(3)).map(Try::succeeded).is_ok()), 1000);
    assert_eq!(failures(&throttle, ANNA, v4(3), 50), 10);
}

#[test]
fn time_set_back_locks_nobody_out_for_longer_than_a_window_and_an_eighth() {
    let (throttle, clock) = throttle("10/15m", "10/15m");
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 10);
    clock.set(START.saturating_sub(HOUR));
    let wait = throttle.begin(ANNA, v4(1)).unwrap_err().retry_after;
    assert!(wait <= Duration::from_secs(900) * 9 / 8, "{wait:?}");
    clock.advance(wait);
    let try_ = throttle.begin(ANNA, v4(1)).unwrap();
    clock.set(Timestamp::default());
    try_.succeeded();
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 10, "the try was given back across the change");
    clock.set(Timestamp::MAX);
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 10);
    assert!(throttle.begin(ANNA, v4(1)).is_err());
}

#[test]
fn a_try_that_is_longer_than_the_window_gives_back_no_other() {
    let (throttle, clock) = throttle("2/8s", "off");
    let long = throttle.begin(ANNA, v4(1)).unwrap();
    clock.advance(Duration::from_secs(20));
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 2);
    long.succeeded();
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 0);
    clock.advance(Duration::from_secs(20));
    let mut tries: Vec<_> = (0..2).map(|_| throttle.begin(ANNA, v4(1)).unwrap()).collect();
    clock.advance(Duration::from_secs(3));
    tries.pop().unwrap().succeeded();
    assert_eq!(failures(&throttle, ANNA, v4(1), 50), 1, "one that ended slices later");
}

#[test]
fn a_flood_of_new_keys_does_not_displace_what_counts_most() {
    let counters = Counters::new(limit("10/15m"));
    let seed = RandomState::new();
    let victims: Vec<u64> = (0..100).map(|number| seed.hash_one(("victim", number))).collect();
    victims.iter().for_each(|key| assert_eq!((0..20).filter(|_| counters.take(*key, START).is_ok()).count(), 10));
    let stopped = (0..300_000).filter(|number| counters.take(seed.hash_one(number), START).is_err()).count();
    assert_eq!(stopped, 0, "a flood stops nobody who comes new");
    let forgotten = victims.iter().filter(|key| counters.take(**key, START).is_ok()).count();
    assert_eq!(forgotten, 0);
}

#[test]
fn an_account_gets_five_mails_an_hour_from_wherever() {
    let clock = Clock::manual(START);
    let mails = MailLimit::new(MailLimit::DEFAULT, clock.clone());
    assert_eq!((0..20).filter(|_| mails.begin("anna@example.com").is_ok()).count(), 5);
    assert!(mails.begin("bert@example.com").is_ok());
    let throttled = mails.begin("anna@example.com").unwrap_err();
    clock.advance(HOUR - MILLISECOND);
    assert!(mails.begin("anna@example.com").is_err());
    clock.set(START.saturating_add(throttled.retry_after));
    assert!(mails.begin("anna@example.com").is_ok());
}

#[test]
fn retry_after_is_whole_seconds_rounded_up_and_nothing_shows_who() {
    let throttled = |millis| Throttled { retry_after: Duration::from_millis(millis), by: By::Address };
    assert_eq!([1, 1000, 1001, 90_500].map(|millis| throttled(millis).seconds()), [1, 1, 2, 91]);
    assert_eq!(throttled(90_500).to_string(), "too many tries for an address, the next one in 91s");
    let (throttle, _) = throttle("10/15m", "off");
    let try_ = throttle.begin(ANNA, v4(1)).unwrap();
    let mails = MailLimit::new(MailLimit::DEFAULT, Clock::manual(START));
    let shown = format!("{try_:?} {throttle:?} {mails:?}");
    assert!(shown.starts_with("Try { .. } Throttle { settings: ThrottleSettings {"), "{shown}");
    assert!(!shown.contains("anna") && !shown.contains("10.0."), "{shown}");
}
