//! Any text as an address: never a panic; what is taken has no space, no control character and one `@`, and is the same
//! address when it is read again, as it is shown and as it is compared.

#![no_main]

use bearergate::accounts::email::Email;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(email) = Email::parse(text) else { return };
    for form in [email.as_str(), email.compared()] {
        assert_eq!(form.matches('@').count(), 1, "{form:?}");
        assert!(form.len() <= 254 && !form.contains(|c: char| c.is_control() || c.is_whitespace()), "{form:?}");
        let again = Email::parse(form).unwrap_or_else(|error| panic!("{form:?}: {error}"));
        assert_eq!(again.compared(), email.compared(), "{form:?}");
    }
});
