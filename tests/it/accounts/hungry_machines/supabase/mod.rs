//! The same endpoints, where a Supabase project keeps the users.

mod faults;
mod profile;
mod refusals;
mod sessions;
mod unset;

use std::{thread, time::Duration};

use serde_json::{Value, json};

use super::{Api, EMAIL, Kept, detail, on_both_stores, said, unauthorized};
use crate::{
    supabase::fake::{Act, Fake, answer},
    support::{NOW, forge::Signer},
};

const ID: &str = "550e8400-e29b-41d4-a716-446655440000";
const KEY: &str = "sb_publishable_key";

/// A gateway and the project behind it.
struct Project {
    api: Api,
    fake: Fake,
    signer: Signer,
}

impl Project {
    /// One whose keys are known.
    fn start(kept: &Kept) -> Self {
        let fake = Fake::new([]);
        let signer = Signer::p256();
        fake.publish(&json!({ "keys": [signer.jwk("of-the-project", "ES256")] }));
        let project = Self { api: before(&fake.url(), kept), fake, signer };
        for _ in 0..1000 {
            if project.api.get("/machines", &project.token(&json!({}))).status != 503 {
                return project;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("its keys do not come");
    }

    /// A token as the project makes it, with these claims beside or in the place of the usual ones. Null takes one away.
    fn token(&self, claims: &Value) -> String {
        let mut all = json!({
            "iss": format!("{}/auth/v1", self.fake.url()), "sub": ID, "aud": "authenticated", "exp": NOW + 3600,
            "iat": NOW, "email": EMAIL, "phone": "",
            "app_metadata": { "provider": "email", "providers": ["email"] }, "user_metadata": {},
            "role": "authenticated", "aal": "aal1", "amr": [{ "method": "password", "timestamp": NOW }],
            "session_id": "5d2f1c0a-6c0b-4f5e-9a54-0d9fd4c4f7b1", "is_anonymous": false,
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.signer.sign(r#"{"alg":"ES256","kid":"of-the-project","typ":"JWT"}"#, all.to_string())
    }

    /// It answers the next request like this.
    fn answers(&self, status: u16, body: &Value) {
        self.fake.then(Act::Send(answer(status, "Content-Type: application/json\r\n", body)));
    }
}

/// A gateway before the project at `url`.
fn before(url: &str, kept: &Kept) -> Api {
    let accounts = format!("backend = 'supabase'\nsupabase = {{ url = '{url}', key = {{ env = 'PROJECT_KEY' }} }}");
    Api::start_in("hungry-machines", kept, "", &accounts, |name| (name == "PROJECT_KEY").then(|| KEY.to_owned()))
}

/// The user as the project has it.
fn user() -> Value {
    json!({
        "id": ID, "aud": "authenticated", "role": "authenticated", "email": EMAIL, "phone": "",
        "app_metadata": { "provider": "email" }, "user_metadata": { "location_zip": "92101" }, "identities": [],
        "created_at": "2025-12-12T10:45:22Z",
    })
}
