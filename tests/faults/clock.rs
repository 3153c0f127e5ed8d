//! A clock that jumps an hour, under the program as it runs. It is turned by libfaketime, which has to be named in
//! `BEARERGATE_TEST_FAKETIME`; the clock by which timers run is left alone, as the kernel does.

use std::fs;

use serde_json::{Value, json};

use crate::{
    house::{House, configuration, echo, eventually, now, token_with},
    program::Folder,
};

const HOUR: i64 = 3600;

struct Turned {
    house: House,
}

impl Turned {
    fn start(configuration: &str) -> Self {
        let library = std::env::var("BEARERGATE_TEST_FAKETIME").unwrap();
        let folder = Folder::with(configuration);
        folder.write("offset", "+0");
        let before = format!(
            "export LD_PRELOAD='{library}' FAKETIME_TIMESTAMP_FILE=\"$PWD/offset\" FAKETIME_NO_CACHE=1 \
             FAKETIME_DONT_FAKE_MONOTONIC=1;"
        );
        Self { house: House::start_in(folder, &before) }
    }

    /// The clock shows so many seconds more than there are.
    fn turn(&self, seconds: i64) {
        let new = self.house.folder.write("offset.new", format!("{seconds:+}"));
        fs::rename(new, self.house.folder.path().join("offset")).unwrap();
        // It has not stopped, and its timers have not either.
        assert_eq!(self.house.ask_admin("/livez").0, 200);
        self.house.assert_idle();
    }

    fn statuses<const N: usize>(&self, tokens: [&str; N]) -> [u16; N] {
        tokens.map(|token| self.house.status("/api", token))
    }
}

#[test]
#[ignore = "needs libfaketime"]
fn an_hour_off_a_token_is_good_by_the_clock_and_no_longer_for_having_been_remembered() {
    let upstream = echo();
    let head = "store = 'sqlite:state.db'";
    let mut turned = Turned::start(&configuration(head, upstream.address, ""));
    let claims = |expires: i64| json!({ "sub": "alice", "exp": now().checked_add_signed(expires).unwrap() });
    let (short, long) = (token_with(claims(HOUR / 6)), token_with(claims(10 * HOUR)));
    let over = token_with(claims(-HOUR / 6));
    let not_yet = token_with(json!({ "sub": "alice", "nbf": now() }));
    let revoked = token_with(json!({ "sub": "alice", "jti": "revoked" }));
    let all = [&*short, &long, &over, &not_yet, &revoked];
    assert_eq!(turned.statuses(all), [200, 200, 401, 200, 200]);
    assert_eq!(turned.house.revoke("revoked").unwrap().0, 200);
    // Twice each: what was remembered at one time is asked for at another.
    for _ in 0..2 {
        assert_eq!(turned.statuses(all), [200, 200, 401, 200, 401]);
        turned.turn(HOUR);
        assert_eq!(turned.statuses(all), [401, 200, 401, 200, 401], "an hour on");
        assert_eq!(turned.statuses(all), [401, 200, 401, 200, 401], "an hour on");
        turned.turn(-HOUR);
        assert_eq!(turned.statuses(all), [200, 200, 200, 401, 401], "an hour back");
        assert_eq!(turned.statuses(all), [200, 200, 200, 401, 401], "an hour back");
        turned.turn(0);
    }
    // Another one does not know what this one remembered.
    turned.turn(HOUR);
    turned.house.kill();
    turned.house.restart();
    assert_eq!(turned.statuses(all), [401, 200, 401, 200, 401], "after a restart");
    turned.house.terminate();
}

#[test]
#[ignore = "needs libfaketime"]
fn an_hour_off_a_session_goes_on_and_its_tokens_are_good_by_the_clock() {
    let upstream = echo();
    let mut turned = Turned::start(&format!(
        "preset = 'hungry-machines'\nstore = 'sqlite:state.db'\n\
         [accounts]\nfrontend_url = 'https://app.example.com'\npublic_url = 'https://api.example.com'\n\
         confirm_email = false\n[listen]\naddress = '127.0.0.1:0'\nworkers = 2\n[admin]\naddress = '127.0.0.1:0'\n\
         [[route]]\nmatch = 'GET /api'\n[upstream.default]\nservers = ['http://{}']\n",
        upstream.address
    ));
    let address = turned.house.address;
    let post = |path: &str, body: Value| House::post(address, path, None, &body).unwrap();
    let person = json!({ "email": "ada@example.com", "password": "correct horse battery" });
    assert_eq!(post("/auth/signup", person.clone()).0 / 100, 2);
    let (_, mut tokens) = post("/auth/login", person.clone());
    let text = |tokens: &Value, name: &str| tokens[name].as_str().unwrap().to_owned();
    let mut offset = 0;
    for seconds in [HOUR + 60, 0, -HOUR - 60, 0] {
        let before = tokens.clone();
        turned.turn(seconds);
        // Its life is an hour: forward it is over, back it has not yet begun to run, which is no reason to refuse it.
        let expected = if seconds > offset { 401 } else { 200 };
        assert_eq!(turned.statuses([&text(&before, "access_token")]), [expected], "{seconds}");
        let (status, new) = post("/auth/refresh", json!({ "refresh_token": before["refresh_token"] }));
        assert_eq!(status, 200, "{seconds}: {new}");
        assert_eq!(turned.statuses([&text(&new, "access_token")]), [200], "{seconds}");
        tokens = new;
        offset = seconds;
    }
    assert_eq!(post("/auth/login", person).0, 200);
    eventually(|| turned.house.ask_admin("/readyz").0 == 200);
    turned.house.terminate();
}
