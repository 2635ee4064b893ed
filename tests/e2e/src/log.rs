//! The line that a refused connection leaves in the error log.

/// `realpeer: refused RESULT (TEXT), peer: ADDR:PORT, listener: ADDR:PORT,
/// first bytes: "ESCAPED" (looks like KIND)`, behind what the server writes in front
/// of each line: `[LEVEL] PID#0: *N` in nginx, and in Apache
/// `[realpeer:LEVEL] [pid N:tid N] [client PEER]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub level: String,
    pub result: String,
    pub text: String,
    pub peer: String,
    pub listener: String,
    /// As nginx logs it, escapes included; None where no byte came.
    pub first_bytes: Option<String>,
    /// What these look like; None where nothing is said.
    pub looks_like: Option<String>,
}

impl Refusal {
    /// Some for a line of this kind; panics where the line is of this kind
    /// and yet not as agreed.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (head, rest) = line.split_once(" realpeer: refused ")?;
        Some(Self::parse_rest(head, rest).unwrap_or_else(|| panic!("not as agreed: {line}")))
    }

    fn parse_rest(head: &str, rest: &str) -> Option<Self> {
        let (level, client) = match head.split_once("[realpeer:") {
            Some((_, rest)) => apache_head(rest)?,
            None => (nginx_head(head)?, None),
        };
        let (result, rest) = rest.split_once(" (")?;
        let (text, rest) = rest.split_once("), peer: ")?;
        let (peer, rest) = rest.split_once(", listener: ")?;
        let mut looks_like = None;
        let (listener, first_bytes) = match rest.split_once(", first bytes: ") {
            Some((listener, quoted)) => {
                // No quote is among the bytes.
                let (bytes, after) = quoted.strip_prefix('"')?.split_once('"')?;
                if !after.is_empty() {
                    let kind = after.strip_prefix(" (looks like ")?.strip_suffix(')')?;
                    looks_like = Some(kind.to_owned());
                }
                // Apache writes each backslash twice, whoever logs it.
                let bytes =
                    if client.is_some() { bytes.replace(r"\\", r"\") } else { bytes.into() };
                (listener, Some(bytes))
            }
            None => (rest, None),
        };
        let clean = !listener.contains(' ') && !peer.contains(' ') && !text.is_empty();
        // Apache writes an address of IPv6 and its port without brackets.
        let same = client.is_none_or(|client| client == peer.replace(['[', ']'], ""));
        (clean && same).then(|| Self {
            level: level.to_owned(),
            result: result.to_owned(),
            text: text.to_owned(),
            peer: peer.to_owned(),
            listener: listener.to_owned(),
            first_bytes,
            looks_like,
        })
    }
}

/// `realpeer: held back N lines of refused RESULT, listener: ADDR:PORT`: what a
/// limit has kept out of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    pub level: String,
    pub lines: u64,
    pub result: String,
    pub listener: String,
}

impl HeldBack {
    /// As [`Refusal::parse`].
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (head, rest) = line.split_once(" realpeer: held back ")?;
        Some(Self::parse_rest(head, rest).unwrap_or_else(|| panic!("not as agreed: {line}")))
    }

    fn parse_rest(head: &str, rest: &str) -> Option<Self> {
        let level = match head.split_once("[realpeer:") {
            Some((_, rest)) => rest.split_once(']')?.0,
            None => head.split_once('[')?.1.split_once(']')?.0,
        };
        let (lines, rest) = rest.split_once(" lines of refused ")?;
        let (result, listener) = rest.split_once(", listener: ")?;
        (!listener.contains(' ')).then_some(())?;
        Some(Self {
            level: level.to_owned(),
            lines: lines.parse().ok()?,
            result: result.to_owned(),
            listener: listener.to_owned(),
        })
    }
}

fn nginx_head(head: &str) -> Option<&str> {
    let level = head.split_once('[')?.1.split_once(']')?.0;
    let connection = head.rsplit_once(" *")?.1;
    connection.parse::<u64>().ok()?;
    Some(level)
}

/// The level, and the client: who connected.
fn apache_head(head: &str) -> Option<(&str, Option<&str>)> {
    let (level, rest) = head.split_once("] ")?;
    let client = rest.split_once("[client ")?.1.strip_suffix(']')?;
    Some((level, Some(client)))
}
