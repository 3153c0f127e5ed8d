//! UptimeHunt's clients.

use super::{Deployment, FRONTEND};

const EMAIL: &str = "reset@example.com";

fn deployment() -> Deployment {
    Deployment::start("uptimehunt", "frontend_allowed = ['https://status.example.com']")
}

#[test]
#[ignore = "needs clients in Python"]
fn its_documents_client_in_python_and_everything_that_is_documented() {
    deployment().run("uptimehunt.py", "/api", &[], &[]);
}

#[test]
#[ignore = "needs clients in JavaScript"]
fn its_documents_client_in_javascript() {
    deployment().run("uptimehunt.mjs", "/api", &[], &[]);
}

#[test]
#[ignore = "needs clients in Python"]
fn a_forgotten_password_is_replaced_by_the_link_of_a_mail() {
    let deployment = deployment();
    deployment.users().add(EMAIL, "oldpassword123");
    for (asked, mails, site, password) in [
        ("https://status.example.com", 1, "https://status.example.com", "another password 1"),
        // It is told of the password that was set.
        ("https://phishing.example", 3, FRONTEND, "another password 2"),
    ] {
        deployment.run("uptimehunt.py", "/api", &["reset-request", EMAIL, asked], &[]);
        let link = deployment.link(mails);
        let (uid, token) = link
            .strip_prefix(&format!("{site}/reset-password/"))
            .and_then(|rest| rest.split_once('/'))
            .unwrap_or_else(|| panic!("{link}"));
        assert_eq!(uid, "MQ");
        deployment.run("uptimehunt.py", "/api", &["reset-confirm", uid, token, EMAIL, password], &[]);
    }
}

#[test]
#[ignore = "needs clients in Python"]
fn a_disabled_user_is_told_so_behind_the_right_password() {
    let deployment = deployment();
    let users = deployment.users();
    users.disable(&users.add(EMAIL, "oldpassword123"));
    deployment.run("uptimehunt.py", "/api", &["disabled", EMAIL, "oldpassword123"], &[]);
}
