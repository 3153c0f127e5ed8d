//! `roles`, and the gateway that follows.

use std::time::Duration;

use super::support::{Folder, Gateway, LISTEN, get};

const CONFIGURATION: &str = "
store = \"sqlite:state.db\"
[issuer.main]
issuer = \"https://main.example.com\"
secret = { env = \"PATH\", weak = true }
[roles]
installer = [\"PLANTS READ\"]
[[route]]
match = \"GET /plants\"
permissions = [\"PLANTS READ\"]
";

#[test]
fn a_role_is_granted_and_revoked_while_the_gateway_runs() {
    let folder = Folder::with(&format!("{CONFIGURATION}{LISTEN}"));
    let tokens = ["alice", "bob"].map(|subject| folder.mint(&["--subject", subject]));
    let gateway = Gateway::start(&folder, &[]);
    let statuses = || {
        let address = gateway.address().to_string();
        let status = |token: &String| get(&address, "/plants", Some(&format!("Authorization: Bearer {token}"))).0;
        tokens.each_ref().map(status)
    };
    let follows = |expected: [u16; 2]| {
        let mut tries = 0..100;
        assert!(tries.any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            statuses() == expected
        }));
    };
    assert_eq!(statuses(), [403, 403]);
    let roles = |more: &[&str]| {
        let ended = folder.run(&[&["roles"], more].concat());
        (ended.code, ended.stdout + &ended.stderr)
    };
    assert_eq!(roles(&["list"]).1.lines().count(), 1);
    assert_eq!(roles(&["grant", "alice", "installer"]), (0, "Granted.\n".to_owned()));
    follows([200, 403]);
    assert_eq!(roles(&["grant", "alice", "installer", "--issuer", "main"]), (0, "Granted already.\n".to_owned()));
    assert_eq!(roles(&["grant", "bob", "PLANTS READ"]).0, 0);
    follows([200, 200]);
    let listed = roles(&["list", "--subject", "alice"]).1;
    assert_eq!(
        listed.split_whitespace().collect::<Vec<_>>(),
        ["ISSUER", "SUBJECT", "ROLE", "main", "alice", "installer"]
    );
    let explained = folder.run(&["token", "inspect", &tokens[0]]).stdout;
    assert!(explained.contains("Of the 1 permissions that routes ask for it grants: PLANTS READ"), "{explained}");
    assert_eq!(roles(&["revoke", "alice", "installer"]), (0, "Revoked.\n".to_owned()));
    assert_eq!(roles(&["revoke", "alice", "installer"]), (1, "There was no such grant.\n".to_owned()));
    follows([403, 200]);
}

#[test]
fn what_cannot_be_meant_is_refused_and_what_means_nothing_is_said() {
    let folder = Folder::with(&format!("{CONFIGURATION}{LISTEN}"));
    for wrong in [&["grant", "", "installer"][..], &["grant", "a\tb", "r"], &["grant", "a", "r", "--issuer", "nobody"]]
    {
        assert_eq!(folder.run(&[&["roles"], wrong].concat()).code, 2, "{wrong:?}");
    }
    let ended = folder.run(&["roles", "grant", "alice", "instaler"]);
    assert!(ended.code == 0 && ended.stderr.contains("no role and no permission `instaler`"), "{ended:?}");
    let without = Folder::with_preset("uptimehunt");
    let ended = without.run(&["roles", "grant", "1", "installer"]);
    assert!(ended.code == 1 && ended.stderr.contains("no `store`"), "{ended:?}");
}
