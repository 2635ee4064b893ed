//! Just enough HTTP/1 to read what the servers of these tests answer.

use std::io::Read;

use crate::page::Vars;

/// One answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Reads one answer and not a byte past it. A connection that ends first
    /// is a panic that tells what had come.
    #[track_caller]
    pub(crate) fn read(stream: &mut impl Read) -> Self {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                end => panic!("no answer but {end:?} after {:?}", String::from_utf8_lossy(&head)),
            }
        }
        let mut response = Self::parse_head(&head);
        let length = match response.header("content-length") {
            Some(length) => length.parse().expect("a length"),
            None => 0,
        };
        response.body.resize(length, 0);
        stream.read_exact(&mut response.body).expect("the whole body");
        response
    }

    /// Takes apart an answer that is complete already.
    #[track_caller]
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("not an answer: {:?}", String::from_utf8_lossy(bytes)));
        let (head, body) = bytes.split_at(end + 4);
        Self { body: body.to_vec(), ..Self::parse_head(head) }
    }

    #[track_caller]
    fn parse_head(head: &[u8]) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: Vec::new() }
    }

    /// The value of a header, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A line `name=value` of the body, as the pages of these tests have them.
    #[track_caller]
    pub fn var(&self, name: &str) -> String {
        assert!(self.status < 400, "status {} {:?}", self.status, self.text());
        self.vars().var(name)
    }

    pub fn vars(&self) -> Vars {
        Vars::new(&self.body)
    }
}
