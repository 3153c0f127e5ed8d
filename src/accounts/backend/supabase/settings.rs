//! Where a Supabase Auth server is, and as whom it is asked.

use std::time::Duration;

use http::{HeaderValue, Uri};

use crate::{
    authn::remote::{KeyUrl, KeyUrlError, PlainHttp},
    secret::Secret,
};

/// Where the server is in its project.
const PATH: &str = "/auth/v1";

/// A project, its key, and how long one call may take. Its `Debug` form does not show the key.
#[derive(Clone, Debug)]
pub struct SupabaseSettings {
    /// The server's: what its tokens have as `iss`.
    issuer: String,
    sign_up: Uri,
    sign_in: Uri,
    refresh: Uri,
    sign_out: Uri,
    /// Marked as sensitive, so that it is not shown.
    key: HeaderValue,
    timeout: Duration,
}

/// Why no server can be asked with these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupabaseMistake {
    /// It is not asked at this URL.
    #[error(transparent)]
    Url(KeyUrlError),
    /// The key is empty, or has characters that no key has: spaces, line ends, others beyond ASCII.
    #[error("is no key: one is of visible ASCII characters")]
    Key,
}

impl SupabaseSettings {
    /// How long one call may take unless it is said: as long as the server itself gives a request.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

    /// The longest time that one call may be given.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(300);

    /// The project at `url`, asked with `key`, the publishable (`anon`) one. `/auth/v1` is added unless `url` ends in it.
    ///
    /// # Errors
    /// `url` is not `https`, and not `http` of this machine; it has credentials or a query; or `key` cannot be one.
    pub fn new(url: &str, key: &Secret) -> Result<Self, SupabaseMistake> {
        let project = KeyUrl::parse(url, &PlainHttp::default()).map_err(SupabaseMistake::Url)?;
        if url.contains('?') {
            return Err(SupabaseMistake::Url(KeyUrlError::Query));
        }
        let project = project.to_string();
        let project = project.trim_end_matches('/');
        let issuer = format!("{}{PATH}", project.strip_suffix(PATH).unwrap_or(project));
        let endpoint = |path: &str| {
            format!("{issuer}{path}").parse::<Uri>().map_err(|_| SupabaseMistake::Url(KeyUrlError::NotAUrl))
        };
        let (sign_up, sign_in) = (endpoint("/signup")?, endpoint("/token?grant_type=password")?);
        let (refresh, sign_out) = (endpoint("/token?grant_type=refresh_token")?, endpoint("/logout")?);
        Ok(Self { sign_up, sign_in, refresh, sign_out, issuer, key: header(key)?, timeout: Self::DEFAULT_TIMEOUT })
    }

    /// The longest time for one call. Half of it at most is the wait for a turn, when many call at once. More than
    /// [`MAX_TIMEOUT`](Self::MAX_TIMEOUT) is that.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: timeout.min(Self::MAX_TIMEOUT), ..self }
    }

    /// What the server's tokens have as `iss`, and where its metadata is below: `{url}/auth/v1`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where its keys are.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.issuer)
    }

    /// Of a signup, a login, a refresh and a logout.
    pub(super) fn endpoints(&self) -> [Uri; 4] {
        [&self.sign_up, &self.sign_in, &self.refresh, &self.sign_out].map(Clone::clone)
    }

    pub(super) const fn key(&self) -> &HeaderValue {
        &self.key
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn header(key: &Secret) -> Result<HeaderValue, SupabaseMistake> {
    let key = key.expose();
    if key.is_empty() || !key.iter().all(u8::is_ascii_graphic) {
        return Err(SupabaseMistake::Key);
    }
    let mut value = HeaderValue::from_bytes(key).map_err(|_| SupabaseMistake::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Result<SupabaseSettings, SupabaseMistake> {
        SupabaseSettings::new(url, &Secret::from("sb_publishable_x".to_owned()))
    }

    #[test]
    fn the_path_is_added_once() {
        for (url, base) in [
            ("https://a.supabase.co", "https://a.supabase.co"),
            ("https://a.supabase.co/", "https://a.supabase.co"),
            ("https://a.supabase.co/auth/v1/", "https://a.supabase.co"),
            ("http://127.0.0.1:54321", "http://127.0.0.1:54321"),
            ("https://example.com/supabase//", "https://example.com/supabase"),
        ] {
            let settings = settings(url).unwrap();
            assert_eq!(settings.issuer(), format!("{base}/auth/v1"));
            assert_eq!(settings.jwks_url(), format!("{base}/auth/v1/.well-known/jwks.json"));
            let [sign_up, sign_in, refresh, sign_out] = settings.endpoints();
            assert_eq!(sign_out.to_string(), format!("{base}/auth/v1/logout"));
            assert_eq!(sign_up.to_string(), format!("{base}/auth/v1/signup"));
            assert_eq!(sign_in.to_string(), format!("{base}/auth/v1/token?grant_type=password"));
            assert_eq!(refresh.to_string(), format!("{base}/auth/v1/token?grant_type=refresh_token"));
        }
    }

    #[test]
    fn what_is_not_safe_or_no_url_is_refused() {
        for (url, error) in [
            ("http://a.supabase.co", KeyUrlError::PlainHttp),
            ("https://u:p@a.supabase.co", KeyUrlError::Credentials),
            ("https://169.254.169.254", KeyUrlError::Address),
            ("https://a.supabase.co?x=1", KeyUrlError::Query),
            ("https://a.supabase.co/?", KeyUrlError::Query),
            ("a.supabase.co", KeyUrlError::NotAUrl),
            ("", KeyUrlError::NotAUrl),
        ] {
            assert_eq!(settings(url).unwrap_err(), SupabaseMistake::Url(error), "{url}");
        }
    }

    #[test]
    fn no_call_takes_for_ever() {
        let with = |timeout| settings("https://a.supabase.co").unwrap().with_timeout(timeout).timeout();
        assert_eq!(with(Duration::MAX), SupabaseSettings::MAX_TIMEOUT);
        assert_eq!(with(Duration::from_secs(1)), Duration::from_secs(1));
    }

    #[test]
    fn a_key_is_visible_ascii_and_not_shown() {
        let with = |key: &str| SupabaseSettings::new("https://a.supabase.co", &Secret::from(key.to_owned()));
        for key in ["", "a b", "a\n", "a\r\nx: y", "ä"] {
            assert_eq!(with(key).unwrap_err(), SupabaseMistake::Key, "{key:?}");
        }
        let shown = format!("{:?}", with("sb_publishable_x").unwrap());
        assert!(!shown.contains("sb_publishable"), "{shown}");
    }
}
