//! HTTP/2 to upstreams.
