//! Text on its way out: gathered to pieces, and escaped for where it stands.
#![forbid(unsafe_code)]

use super::Write;
use crate::address::AddressText;
use crate::rules::Peer;
use crate::text::Sink;

/// Bytes of a piece.
const PIECE: usize = 1024;

/// Where a text of somebody else's stands, and what would end it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A label of Prometheus.
    Label,
    /// A string of JSON.
    Json,
    /// Text or attribute of HTML.
    Html,
    /// The end of a line.
    Line,
}

/// Of the largest number.
const DIGITS: usize = 20;

fn decimal(n: u64, digits: &mut [u8; DIGITS]) -> usize {
    let mut sink = Sink::new(digits);
    sink.decimal(n);
    sink.len()
}

pub(crate) struct Output<'a> {
    piece: [u8; PIECE],
    len: usize,
    taken: bool,
    to: Write<'a>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(to: Write<'a>) -> Self {
        Output { piece: [0; PIECE], len: 0, taken: true, to }
    }

    /// Hands on what is left; whether everything was taken.
    pub(crate) fn finish(mut self) -> bool {
        self.flush();
        self.taken
    }

    fn flush(&mut self) {
        if let (Some(piece @ [_, ..]), true) = (self.piece.get(..self.len), self.taken) {
            self.taken = (self.to)(piece);
        }
        self.len = 0;
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.len >= PIECE {
                self.flush();
            }
            let room = self.piece.get_mut(self.len..).unwrap_or(&mut []);
            let n = room.len().min(rest.len());
            let Some((now, later)) = rest.split_at_checked(n) else { return };
            room.iter_mut().zip(now).for_each(|(to, &from)| *to = from);
            self.len = self.len.saturating_add(n);
            rest = later;
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn texts<const N: usize>(&mut self, texts: [&str; N]) {
        texts.into_iter().for_each(|text| self.text(text));
    }

    pub(super) fn number(&mut self, n: u64) {
        let mut digits = [0; DIGITS];
        let len = decimal(n, &mut digits);
        self.bytes(digits.get(..len).unwrap_or(&[]));
    }

    /// For people: in groups of three, with narrow spaces that do not break.
    pub(super) fn grouped(&mut self, n: u64) {
        let mut digits = [0; DIGITS];
        let len = decimal(n, &mut digits);
        for (digit, left) in digits.into_iter().zip((1..=len).rev()) {
            self.bytes(&[digit]);
            if left > 1 && left % 3 == 1 {
                self.text("\u{202f}");
            }
        }
    }

    /// Microseconds as seconds, with all digits.
    pub(super) fn seconds(&mut self, microseconds: u64) {
        self.number(microseconds / 1_000_000);
        self.text(".");
        let mut rest = microseconds % 1_000_000;
        for _ in 0..6 {
            self.number(rest / 100_000);
            rest = (rest % 100_000).saturating_mul(10);
        }
    }

    /// A text that may hold anything: without control characters, in UTF-8, and
    /// unable to end what it stands in.
    pub(super) fn foreign(&mut self, place: Place, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for ch in chunk.valid().chars() {
                if ch.is_control() || ch == '\\' {
                    ch.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.hex(place, byte));
                } else {
                    self.char(place, ch);
                }
            }
            chunk.invalid().iter().for_each(|&byte| self.hex(place, byte));
        }
    }

    fn char(&mut self, place: Place, ch: char) {
        match (place, ch) {
            (Place::Label | Place::Json, '"') => self.text("\\\""),
            (Place::Html, '"') => self.text("&quot;"),
            (Place::Html, '\'') => self.text("&#39;"),
            (Place::Html, '&') => self.text("&amp;"),
            (Place::Html, '<') => self.text("&lt;"),
            (Place::Html, '>') => self.text("&gt;"),
            _ => self.text(ch.encode_utf8(&mut [0; 4])),
        }
    }

    /// `\xHH`, as in the log.
    fn hex(&mut self, place: Place, byte: u8) {
        if matches!(place, Place::Label | Place::Json) {
            self.text("\\");
        }
        let mut escaped = [0; 4];
        Sink::new(&mut escaped).escaped(byte);
        self.bytes(&escaped);
    }

    pub(super) fn peer(&mut self, peer: Peer) {
        match peer {
            Peer::Ip(ip) => self.text(AddressText::new(ip).as_str()),
            Peer::Unix => self.text("unix:"),
        }
    }
}
