//! The one table of names: what is counted, and what it means.
#![forbid(unsafe_code)]

/// Something that is counted, or measured, for each listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metric {
    /// In Prometheus' format with `realpeer_` before it and its unit behind it, in
    /// JSON as it is.
    pub(super) name: &'static str,
    pub(super) suffix: &'static str,
    pub(super) kind: &'static str,
    /// For Prometheus.
    pub(super) help: &'static str,
    /// For people.
    pub(super) title: &'static str,
}

const fn counter(name: &'static str, help: &'static str, title: &'static str) -> Metric {
    Metric { name, suffix: "_total", kind: "counter", help, title }
}

pub(super) const CONNECTIONS: Metric =
    counter("connections", "Connections, by what was done with them and why.", "connections");
pub(super) const HEADERS: Metric =
    counter("headers", "Valid PROXY protocol headers, by version.", "headers");
pub(super) const CHECKSUMS: Metric =
    counter("header_checksums", "Valid headers with a CRC32c, which was verified.", "with CRC32c");
pub(super) const BYTES: Metric = counter("header_bytes", "Bytes of valid headers.", "header bytes");
pub(super) const DROPPED: Metric = counter(
    "dropped",
    "Connections that the server closed without a result, for want of connections or memory.",
    "dropped without a result",
);
pub(super) const ANOTHER: Metric = counter(
    "another_header",
    "Accepted connections on which another PROXY protocol header follows the first.",
    "another header follows",
);
pub(super) const HELD: Metric =
    counter("log_held", "Refusals whose line in the log was held back.", "log lines held back");
pub(super) const WAITING: Metric = Metric {
    name: "waiting",
    suffix: "",
    kind: "gauge",
    help: "Connections whose header is being waited for.",
    title: "waiting now",
};
pub(super) const SECONDS: Metric = Metric {
    name: "header_seconds",
    suffix: "",
    kind: "histogram",
    help: "Seconds from accept to the complete header.",
    title: "time to the header",
};
pub(super) const STARTED: Metric = Metric {
    name: "counting_since_seconds",
    suffix: "",
    kind: "gauge",
    help: "When counting began, in seconds since 1970.",
    title: "counting since",
};
pub(super) const BUILD: Metric = Metric {
    name: "build_info",
    suffix: "",
    kind: "gauge",
    help: "Always 1, with the version of realpeer.",
    title: "realpeer",
};

/// The version of the library that counts.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
