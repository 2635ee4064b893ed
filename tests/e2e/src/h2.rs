//! Just enough HTTP/2 to send a request in one piece with what stands in front
//! of it, which no ready-made client can be made to do.

use std::io::Read;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend(payload);
    frame
}

/// The client's side of a connection with a GET of `/` on each stream.
pub fn h2_requests(streams: &[u8]) -> Vec<u8> {
    // HPACK: the static entries for GET, http and /, and the authority "a".
    let head = [0x82, 0x86, 0x84, 0x01, 0x01, b'a'];
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    for stream in streams {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, *stream, &head));
    }
    bytes
}

/// Reads frames until `streams` answers are complete, and gives their bodies.
pub fn h2_bodies(connection: &mut impl Read, streams: usize) -> Vec<String> {
    let mut bodies = vec![Vec::new(); streams];
    let mut ended = 0;
    while ended < streams {
        let mut head = [0; 9];
        connection.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("64 bits")];
        connection.read_exact(&mut payload).expect("a whole frame");
        let (kind, flags, stream) = (head[3], head[4], usize::from(head[8]));
        if kind == DATA {
            // Clients number their streams 1, 3, 5 ...
            bodies[stream / 2].extend(payload);
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            ended += 1;
        }
    }
    bodies.into_iter().map(|body| String::from_utf8(body).expect("text")).collect()
}
