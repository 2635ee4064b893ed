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
    pub fn read(stream: &mut impl Read) -> Self {
        let mut head = Vec::new();
        until(stream, &mut head, b"\r\n\r\n");
        let mut response = Self::parse_head(&head);
        if response.is_chunked() {
            while let length @ 1.. = chunk_length(stream) {
                response.read_body(stream, length);
                until(stream, &mut Vec::new(), b"\r\n");
            }
            until(stream, &mut Vec::new(), b"\r\n");
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().expect("a length");
            response.read_body(stream, length);
        }
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
        let response = Self::parse_head(head);
        if response.is_chunked() {
            return Self::read(&mut &*bytes);
        }
        Self { body: body.to_vec(), ..response }
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }

    /// Appends so many bytes to the body.
    #[track_caller]
    fn read_body(&mut self, stream: &mut impl Read, length: usize) {
        let have = self.body.len();
        self.body.resize(have + length, 0);
        stream.read_exact(&mut self.body[have..]).expect("the whole body");
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

/// Reads up to and with `end`, and not a byte past it.
#[track_caller]
fn until(stream: &mut impl Read, bytes: &mut Vec<u8>, end: &[u8]) {
    let mut byte = [0];
    while !bytes.ends_with(end) {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            end => panic!("no answer but {end:?} after {:?}", String::from_utf8_lossy(bytes)),
        }
    }
}

/// The line in front of a chunk.
#[track_caller]
fn chunk_length(stream: &mut impl Read) -> usize {
    let mut line = Vec::new();
    until(stream, &mut line, b"\r\n");
    let line = String::from_utf8_lossy(&line);
    usize::from_str_radix(line.trim_end(), 16).expect("the length of a chunk")
}
