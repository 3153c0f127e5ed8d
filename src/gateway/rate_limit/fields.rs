//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10 §3, §4): lists of structured fields, one
//! member for each limit. What an upstream says of limits of its own stays beside it.

use std::{fmt::Write, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{RateLimit, Standing};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");
/// What a limit is called that has no name.
const UNNAMED: &str = "default";

pub(super) fn write(standings: &[(Arc<RateLimit>, Standing)], headers: &mut HeaderMap) {
    let (mut policies, mut told) = (String::new(), String::new());
    for (limit, standing) in standings {
        let settings = &limit.settings;
        let name = if settings.is_own { UNNAMED } else { &settings.name };
        let between = if policies.is_empty() { "" } else { ", " };
        let (requests, period) = (settings.requests, settings.period.as_secs());
        // Writing into a String can't fail.
        let _ = write!(policies, "{between}\"{name}\";q={requests};w={period}");
        let reset = standing.reset.as_secs() + u64::from(standing.reset.subsec_nanos() > 0);
        let _ = write!(told, "{between}\"{name}\";r={};t={reset}", standing.remaining);
    }
    // A name is letters, digits, `-` and `_`.
    for (name, value) in [(POLICY, policies), (STANDING, told)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(name, value);
        }
    }
}
