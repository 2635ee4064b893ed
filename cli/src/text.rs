//! Bytes as text for a terminal.

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = vec![0; bytes.len() * 2];
    realpeer::hex(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// At most `max` bytes in hex, and a mark where there are more.
pub(crate) fn hex_short(bytes: &[u8], max: usize) -> String {
    match bytes.get(..max) {
        Some(head) if bytes.len() > max => format!("{}..", hex(head)),
        _ => hex(bytes),
    }
}

/// Printable ASCII as it is, all else as `\xHH`, in quotes.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut out = vec![0; bytes.len() * 4];
    let len = realpeer::escape(bytes, &mut out);
    out.truncate(len);
    format!("\"{}\"", String::from_utf8_lossy(&out))
}

/// Text in quotes. UTF-8 stays, but for what moves the cursor, hides, or turns
/// the direction of a line: no sender writes on the terminal of who looks at it.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() || char == '\\' || char == '"' || is_invisible(char) {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    push_escape(&mut out, byte);
                }
            } else {
                out.push(char);
            }
        }
        chunk.invalid().iter().for_each(|&byte| push_escape(&mut out, byte));
    }
    out.push('"');
    out
}

fn push_escape(out: &mut String, byte: u8) {
    out.push_str(&format!("\\x{byte:02X}"));
}

/// Zero width, separators of lines, and the marks of bidirectional text.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `1 byte`, `2 bytes`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
