//! A throttle against a list of all tries, which forgets nothing.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Try { account: usize, address: u32, ends: End },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Failed,
    Succeeded,
    Undecided,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ends = prop_oneof![6 => Just(End::Failed), 1 => Just(End::Succeeded), 1 => Just(End::Undecided)];
    let tries = (0..3_usize, 0..12_u32, ends).prop_map(|(account, address, ends)| Step::Try { account, address, ends });
    proptest::collection::vec(prop_oneof![1 => (0..4000_u64).prop_map(Step::Wait), 6 => tries], 0..400)
}

struct Failure {
    at: u64,
    account: usize,
    address: u32,
    /// Not so if it came from a familiar address while the account had its fill.
    everywhere: bool,
}

/// Every try that failed, and every login: nothing is ever forgotten.
#[derive(Default)]
struct Model {
    failed: Vec<Failure>,
    logins: Vec<(usize, u32)>,
}

impl Model {
    fn refuses(&self, now: u64, account: usize, address: u32, [here, everywhere, of_address]: [Limit; 3]) -> bool {
        let is_familiar = self.logins.contains(&(account, address));
        full(&self.failed, now, here, |failure| failure.account == account && failure.address == address)
            || full(&self.failed, now, of_address, |failure| failure.address == address)
            || !is_familiar && self.is_full_everywhere(now, account, everywhere)
    }

    fn is_full_everywhere(&self, now: u64, account: usize, everywhere: Limit) -> bool {
        full(&self.failed, now, everywhere, |failure| failure.everywhere && failure.account == account)
    }
}

fn full(failures: &[Failure], now: u64, limit: Limit, counts: impl Fn(&Failure) -> bool) -> bool {
    let slice = u64::try_from(limit.window().as_millis()).unwrap().div_ceil(8);
    let recent = failures.iter().filter(|failure| now / slice - failure.at / slice <= 8);
    recent.filter(|failure| counts(failure)).count() >= limit.tries() as usize
}

proptest! {
    #[test]
    fn a_throttle_does_what_a_list_of_all_tries_says(
        steps in steps(), tries in 1..4_u32, window in 1000..20_000_u64, of_address in 1..8_u32,
    ) {
        let window = Duration::from_millis(window);
        let [here, everywhere, of_address] =
            [tries, tries * 10, of_address].map(|tries| Limit::new(tries, window).unwrap());
        let clock = Clock::manual(START);
        let settings = ThrottleSettings { account: Some(here), address: Some(of_address) };
        let throttle = Throttle::new(settings, clock.clone());
        let mut model = Model::default();
        for step in steps {
            let now = clock.now();
            let (account, address, ends) = match step {
                Step::Wait(millis) => {
                    clock.advance(Duration::from_millis(millis));
                    continue;
                }
                Step::Try { account, address, ends } => (account, address, ends),
            };
            let refused = model.refuses(now.as_millis(), account, address, [here, everywhere, of_address]);
            match throttle.begin(Some(["a", "b", "c"][account]), v4(address)) {
                Ok(try_) => {
                    prop_assert!(!refused);
                    match ends {
                        End::Failed => {
                            try_.failed();
                            let everywhere = !model.is_full_everywhere(now.as_millis(), account, everywhere);
                            model.failed.push(Failure { at: now.as_millis(), account, address, everywhere });
                        }
                        End::Succeeded => {
                            try_.succeeded();
                            model.logins.push((account, address));
                        }
                        End::Undecided => try_.undecided(),
                    }
                    let within = model.failed.iter().filter(|failure| {
                        let is_same = (failure.account, failure.address) == (account, address);
                        is_same && now.since(Timestamp::from_millis(failure.at)) < window
                    });
                    prop_assert!(within.count() <= tries as usize);
                }
                Err(throttled) => {
                    prop_assert!(refused);
                    prop_assert!(throttled.retry_after <= window * 9 / 8 + Duration::from_millis(9));
                    let free = now.saturating_add(throttled.retry_after).as_millis();
                    let limits = [here, everywhere, of_address];
                    prop_assert!(!model.refuses(free, account, address, limits), "refused after Retry-After");
                    prop_assert!(model.refuses(free - 1, account, address, limits), "Retry-After is too long");
                    if ends == End::Succeeded {
                        clock.advance(throttled.retry_after);
                        prop_assert!(throttle.begin(Some(["a", "b", "c"][account]), v4(address)).map(Try::undecided).is_ok());
                    }
                }
            }
        }
    }
}
