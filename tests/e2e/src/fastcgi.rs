//! A FastCGI responder that answers with the parameters it was given.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::upstream::Upstream;

const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;

/// Runs until it is dropped.
#[derive(Debug)]
pub struct FastCgi {
    server: Upstream,
}

impl FastCgi {
    /// Answers with one `NAME=value` a line.
    pub fn start() -> Self {
        let server = Upstream::start(|mut stream| {
            serve(&mut stream).expect("a FastCGI request");
        });
        Self { server }
    }

    pub fn port(&self) -> u16 {
        self.server.port()
    }
}

fn serve(stream: &mut TcpStream) -> io::Result<()> {
    let mut params = Vec::new();
    loop {
        let mut head = [0; 8];
        if stream.read(&mut head[..1])? == 0 {
            return Ok(());
        }
        stream.read_exact(&mut head[1..])?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut content = vec![0; length + usize::from(head[6])];
        stream.read_exact(&mut content)?;
        content.truncate(length);
        match head[1] {
            PARAMS => params.extend(content),
            STDIN if length == 0 => break,
            _ => {}
        }
    }
    let body = lines(&params);
    let answer = format!(
        "Status: 200\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(&record(STDOUT, answer.as_bytes()))?;
    stream.write_all(&record(STDOUT, &[]))?;
    stream.write_all(&record(END_REQUEST, &[0; 8]))
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short answer");
    let mut record = vec![1, kind, 0, 1];
    record.extend(length.to_be_bytes());
    record.extend([0, 0]);
    record.extend(content);
    record
}

fn lines(mut params: &[u8]) -> String {
    let mut text = String::new();
    while !params.is_empty() {
        let name_length = take_length(&mut params);
        let value_length = take_length(&mut params);
        let (name, rest) = params.split_at(name_length);
        let (value, rest) = rest.split_at(value_length);
        params = rest;
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

/// One byte below 128, else four with the highest bit set.
fn take_length(params: &mut &[u8]) -> usize {
    match **params {
        [short @ 0..=127, ref rest @ ..] => {
            *params = rest;
            usize::from(short)
        }
        [a, b, c, d, ref rest @ ..] => {
            *params = rest;
            usize::try_from(u32::from_be_bytes([a & 0x7F, b, c, d])).expect("64 bits")
        }
        _ => panic!("a length cut short"),
    }
}
