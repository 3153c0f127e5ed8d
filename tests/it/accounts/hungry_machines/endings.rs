//! Sessions that end: by logging out, because the user is disabled or gone; and two gateways on one store.

use bearergate::accounts::model::{Aside, UserPatch};

use super::{
    Api, Kept, Session, detail, log_in, on_both_stores, refresh, refresh_at_once, said, session, sign_up, start,
    unauthorized, unset,
};

on_both_stores! {
    whoever_logs_out_is_out_and_nobody_else
    a_disabled_user_is_out_everywhere
    a_token_of_a_user_who_is_gone_is_no_token
    two_gateways_on_one_store_are_one_api
    of_fifty_at_once_at_two_gateways_there_is_one_child
    a_gateway_that_starts_later_knows_what_has_ended
    what_happened_can_be_found_out
}

#[track_caller]
fn is_out(api: &Api, session: &Session) {
    detail(&refresh(api, &session.refresh), 400, "Invalid Refresh Token");
    unauthorized(&api.get("/auth/me", &session.access), "Invalid token");
}

fn log_out(api: &Api, session: &Session) {
    let out = api.client().bear("POST", "/auth/logout", &session.access);
    assert_eq!((out.status, out.body.len()), (204, 0), "{}", out.text());
    assert_eq!(out.header("cache-control"), Some("no-store"));
}

fn catch_up(api: &Api) {
    let snapshot = api.gateway.snapshot.load_full();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(snapshot.revoker.catch_up()).unwrap();
}

fn whoever_logs_out_is_out_and_nobody_else(kept: &Kept) {
    let api = start(kept);
    let (first, second) = (sign_up(&api), session(&log_in(&api)));
    let child = session(&refresh(&api, &first.refresh));
    log_out(&api, &child);
    is_out(&api, &child);
    is_out(&api, &first);
    unauthorized(&api.get("/machines", &first.access), "Invalid token");
    unauthorized(&api.client().bear("POST", "/auth/logout", &child.access), "Invalid token");
    said(&api.get("/auth/me", &second.access), 200, &unset(&second.user));
    session(&refresh(&api, &second.refresh));
    session(&log_in(&api));
}

fn a_disabled_user_is_out_everywhere(kept: &Kept) {
    let api = start(kept);
    let user = sign_up(&api);
    let store = api.gateway.snapshot.load_full().store.clone().unwrap();
    let disable = |disabled| {
        use bearergate::accounts::store::UserStore;
        let patch = UserPatch { disabled: Some(disabled), ..UserPatch::default() };
        let (id, now) = (user.user.parse().unwrap(), api.clock.now());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(store.update_user(id, patch, Aside::default(), now)).unwrap();
    };
    disable(true);
    is_out(&api, &user);
    unauthorized(&super::patch(&api, &user.access, &serde_json::json!({})), "Invalid token");
    // Not even that there is such a user.
    detail(&log_in(&api), 400, "Invalid login credentials");
    disable(false);
    detail(&refresh(&api, &user.refresh), 400, "Invalid Refresh Token");
    session(&log_in(&api));
}

fn a_token_of_a_user_who_is_gone_is_no_token(kept: &Kept) {
    let api = start(kept);
    let user = sign_up(&api);
    kept.execute(&format!("DELETE FROM accounts WHERE id = '{}'", user.user));
    is_out(&api, &user);
    unauthorized(&super::patch(&api, &user.access, &serde_json::json!({})), "Invalid token");
    unauthorized(&api.client().bear("POST", "/auth/logout", &user.access), "Invalid token");
    detail(&log_in(&api), 400, "Invalid login credentials");
    // The address is free again, and not the same user's.
    assert_ne!(sign_up(&api).user, user.user);
}

fn two_gateways_on_one_store_are_one_api(kept: &Kept) {
    let (one, two) = (start(kept), start(kept));
    let first = sign_up(&one);
    said(&two.get("/auth/me", &first.access), 200, &unset(&first.user));
    detail(&two.post("/auth/signup", &super::credentials()), 400, "User already registered");
    let second = session(&log_in(&two));
    let child = session(&refresh(&two, &first.refresh));
    assert_eq!(session(&refresh(&one, &first.refresh)).refresh, child.refresh);
    let profile = super::profile(&first.user, serde_json::json!({ "location_zip": "1" }));
    said(&super::patch(&one, &second.access, &serde_json::json!({ "location_zip": "1" })), 200, &profile);
    said(&two.get("/auth/me", &child.access), 200, &profile);
    // A session that ends at one has ended at the other.
    log_out(&one, &child);
    detail(&refresh(&two, &child.refresh), 400, "Invalid Refresh Token");
    catch_up(&two);
    is_out(&two, &child);
    said(&two.get("/auth/me", &second.access), 200, &profile);
}

fn of_fifty_at_once_at_two_gateways_there_is_one_child(kept: &Kept) {
    let (one, two) = (start(kept), start(kept));
    let first = sign_up(&one);
    let children = refresh_at_once(&[&one, &two], &first.refresh);
    assert!(children.iter().all(|child| child.refresh == children[0].refresh));
    session(&refresh(&two, &children[0].refresh));
}

fn a_gateway_that_starts_later_knows_what_has_ended(kept: &Kept) {
    let (out, thief, other) = {
        let api = start(kept);
        let (out, first, other) = (sign_up(&api), session(&log_in(&api)), session(&log_in(&api)));
        log_out(&api, &out);
        let child = session(&refresh(&api, &first.refresh));
        session(&refresh(&api, &child.refresh));
        detail(&refresh(&api, &first.refresh), 400, "Invalid Refresh Token");
        (out, child, other)
    };
    let api = start(kept);
    is_out(&api, &out);
    is_out(&api, &thief);
    said(&api.get("/auth/me", &other.access), 200, &unset(&other.user));
    session(&refresh(&api, &other.refresh));
}

fn what_happened_can_be_found_out(kept: &Kept) {
    use bearergate::accounts::store::AuditStore;
    let api = start(kept);
    let user = sign_up(&api);
    let child = session(&refresh(&api, &user.refresh));
    session(&refresh(&api, &child.refresh));
    detail(&refresh(&api, &user.refresh), 400, "Invalid Refresh Token");
    let again = session(&log_in(&api));
    log_out(&api, &again);
    let store = api.gateway.snapshot.load_full().store.clone().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let events = runtime.block_on(store.events(user.user.parse().unwrap(), 100)).unwrap();
    let kinds: Vec<&str> = events.iter().rev().map(|entry| entry.event.kind.as_str()).collect();
    assert_eq!(kinds, ["registered", "logged_in", "refresh_token_reused", "logged_in", "logged_out"]);
    assert!(events.iter().all(|entry| entry.event.address == Some("127.0.0.1".parse().unwrap())));
}

#[test]
fn no_secret_is_in_the_file() {
    let kept = Kept::in_sqlite();
    let api = start(&kept);
    let user = sign_up(&api);
    let child = session(&refresh(&api, &user.refresh));
    let mut read = 0;
    for file in std::fs::read_dir(kept.folder.path()).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_str().unwrap().starts_with("accounts.db") {
            continue;
        }
        let bytes = std::fs::read(file.path()).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        read += usize::from(has(super::EMAIL));
        for secret in [super::PASSWORD, &user.refresh, &child.refresh, &user.access, &child.access] {
            assert!(!has(secret), "{:?}", file.path());
        }
    }
    assert_ne!(read, 0, "it is somewhere else");
}
