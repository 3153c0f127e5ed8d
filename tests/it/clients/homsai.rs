//! Homsai's clients. It has no sign-up: an operator makes its users.

use super::{Deployment, Prepared};
use crate::{cli::support::LISTEN, support::Upstream};

const EMAIL: &str = "anna@example.com";
const PASSWORD: &str = "securepassword123";
const OWN: &str = "7a8b2f10-9c5d-4e3a-8f21-b6c4d5e6f7a8";
const OTHERS: &str = "b6c4d5e6-f7a8-4f21-9c5d-7a8b2f109c5d";
const ENVIRONMENT: [(&str, &str); 4] =
    [("EMAIL", EMAIL), ("PASSWORD", PASSWORD), ("PLANT", OWN), ("OTHER_PLANT", OTHERS)];

/// With Anna, who may see plants and change them, one of which is hers.
fn deployment(upstream: &Upstream) -> Deployment {
    let roles = "[roles]\ninstaller = ['PLANTS READ', 'PLANTS UPDATE', 'PLANT_POWER_CONSUMPTION READ']\n";
    let listen = LISTEN.replace("builtin:echo", &format!("http://{}", upstream.address));
    let prepared = Prepared::new("homsai", "", &format!("{roles}{listen}"));
    let anna = prepared.users().add(EMAIL, PASSWORD).id.to_string();
    let folder = &prepared.folder;
    folder.write("plants.csv", format!("resource,subject\n{OWN},{anna}\n{OTHERS},somebody else\n"));
    for arguments in [["ownership", "import", "plants.csv"].as_slice(), &["roles", "grant", &anna, "installer"]] {
        let ended = folder.run(arguments);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    prepared.start()
}

#[test]
#[ignore = "needs clients in Python"]
fn a_client_in_python_and_everything_that_is_documented() {
    let upstream = Upstream::ok();
    deployment(&upstream).run("homsai.py", "", &[], &ENVIRONMENT);
}

#[test]
#[ignore = "needs clients in JavaScript"]
fn a_client_in_javascript() {
    let upstream = Upstream::ok();
    deployment(&upstream).run("homsai.mjs", "", &[], &ENVIRONMENT);
}

#[test]
#[ignore = "needs clients in Python and JavaScript"]
fn a_password_is_set_by_the_link_of_a_mail() {
    let upstream = Upstream::ok();
    let deployment = deployment(&upstream);
    // It is told of each password that was set.
    for (program, mails, password) in [("homsai.py", 1, "another password 1"), ("homsai.mjs", 3, "another password 2")]
    {
        deployment.run("homsai.py", "", &["reset", EMAIL], &[]);
        let link = deployment.link(mails);
        let token = link.strip_prefix("https://app.example.com/set-password?token=").unwrap();
        deployment.run(program, "", &["set-password", token, EMAIL, password], &[]);
    }
}
