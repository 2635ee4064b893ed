//! Writes a first corpus for each target: `seeds FOLDER`.

use std::path::Path;
use std::{env, fs};

use realpeer_fuzz::differential::differences;
use realpeer_fuzz::oracle;
use realpeer_testdata::{bytes, vectors};

/// Parameters of a stream: each policy, with settings and events of all kinds.
const PARAMETERS: [[u8; 4]; 8] = [
    [0x00, 0x00, 0, 1],
    [0x18, 0x01, 0x12, 0x34],
    [0x03, 0x00, 0x55, 0x01],
    [0x2b, 0x47, 0, 9],
    [0x04, 0x01, 0x77, 0x77],
    [0x21, 0x85, 1, 1],
    [0x05, 0x00, 3, 3],
    [0x16, 0x00, 9, 0],
];

fn main() {
    let folder = env::args().nth(1).expect("a folder");
    let write = |target: &str, name: usize, bytes: &[u8]| {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder).expect("a folder to write to");
        fs::write(folder.join(format!("{name:04}")), bytes).expect("a file to write");
    };
    let vectors = vectors();
    for (n, vector) in vectors.iter().enumerate().filter(|(_, vector)| vector.bytes.len() < 1500) {
        for target in ["parse", "differential"] {
            write(target, n, &vector.bytes);
        }
        for target in ["decide", "datagram", "ffi"] {
            write(target, n, &[&PARAMETERS[n % 8], &vector.bytes[..]].concat());
        }
        if let Some(tlvs) = tlvs(&vector.bytes) {
            write("tlvs", n, tlvs);
        }
    }
    for (n, (known, _)) in differences().iter().enumerate() {
        write("differential", 5000 + n, &bytes(&known.example));
    }
    let sources = [
        "all",
        "unix:",
        "10.0.0.0/8",
        "192.0.2.1",
        "::/0",
        "::ffff:10.0.0.0/104",
        "2001:db8::/32",
        "::1/128",
        "10.0.0.1/33",
        "10.0.0.1/08",
        "::1/129",
        "unix",
        "0.0.0.0/0",
        "10.0.0.1/8",
    ];
    for (n, source) in sources.iter().enumerate() {
        write("rules", n, source.as_bytes());
    }
    // What these two make of bytes is not written anywhere: any will do.
    for n in 0..64_usize {
        let noise: Vec<u8> =
            (0..40 + 8 * n).map(|at| ((at * (n + 3) % 251) ^ (n << (at % 7))) as u8).collect();
        write("rules", 100 + n, &noise);
        write("write", n, &noise);
    }
}

/// The TLVs of a header, or what stands where they would.
fn tlvs(bytes: &[u8]) -> Option<&[u8]> {
    let addresses = [0, 12, 36, 216][usize::from(bytes.get(13)? >> 4 & 3)];
    bytes.get(16 + addresses..).filter(|_| bytes.starts_with(oracle::SIGNATURE))
}
