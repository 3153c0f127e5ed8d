//! Hungry Machines' clients.

use std::net::TcpListener;

use super::{Deployment, Prepared};
use crate::cli::support::LISTEN;

#[test]
#[ignore = "needs clients in Python"]
fn its_client_in_python_and_everything_that_is_documented() {
    Deployment::start("hungry-machines", "").run("hungry_machines.py", "", &[], &[]);
}

#[test]
#[ignore = "needs clients in JavaScript"]
fn its_client_in_javascript() {
    Deployment::start("hungry-machines", "").run("hungry_machines.mjs", "", &[], &[]);
}

#[test]
#[ignore = "needs clients in Python"]
fn an_address_is_confirmed_by_the_link_of_a_mail() {
    const USER: [&str; 2] = ["anna@example.com", "securepassword"];
    // The gateway's own address, which links lead to, is known before it is there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = LISTEN.replacen("127.0.0.1:0", &address.to_string(), 1);
    let accounts = format!("confirm_email = true\npublic_url = 'http://{address}'");
    let deployment = Prepared::new("hungry-machines", &accounts, &listen).start();
    deployment.run("hungry_machines.py", "", &["pending", USER[0], USER[1]], &[]);
    let link = deployment.link(1);
    assert!(link.starts_with(&deployment.url("/auth/confirm?token=")), "{link}");
    deployment.run("hungry_machines.py", "", &["confirm", &link, USER[0], USER[1]], &[]);
}

#[test]
#[ignore = "needs clients in Python"]
#[cfg(feature = "supabase")]
fn what_supabase_cannot_do_is_said() {
    let not_configured = "backend = 'supabase'".to_owned();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable =
        format!("backend = 'supabase'\nsupabase = {{ url = 'http://{nobody}', key = {{ file = 'key' }} }}");
    for (accounts, status, text) in
        [(not_configured, "503", "Auth not configured"), (unreachable, "502", "Auth service unreachable")]
    {
        let prepared = Prepared::new("hungry-machines", &accounts, LISTEN);
        prepared.folder.write("key", "sb_publishable_of_the_tests");
        let deployment = prepared.start();
        deployment.run_with("hungry_machines.py", "", &["unavailable", status, text], &[]);
    }
}
