//! How bytes are written in `tests/vectors`.
//!
//! Words with spaces between them: hex digits, `'ASCII'`, `SIG` for the signature
//! of version 2; each may be followed by `*N`, to be repeated. A `|` stands behind
//! the byte that decides.

const SIGNATURE: [u8; 12] =
    [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

/// The bytes of a notation without a bar.
///
/// # Panics
/// On what is no such notation.
pub fn bytes(notation: &str) -> Vec<u8> {
    match read(notation) {
        Ok((bytes, None)) => bytes,
        Ok(_) => panic!("a bar has no meaning in {notation:?}"),
        Err(error) => panic!("{error} in {notation:?}"),
    }
}

/// The bytes, and where the bar stands.
pub(crate) fn read(notation: &str) -> Result<(Vec<u8>, Option<usize>), String> {
    let mut out = Vec::new();
    let mut bar = None;
    let mut rest = notation.trim_start();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix('|') {
            if bar.replace(out.len()).is_some() {
                return Err("two bars".to_owned());
            }
            rest = behind.trim_start();
            continue;
        }
        let (word, behind) = word(rest)?;
        let (times, behind) = times(behind)?;
        out.extend(word.repeat(times));
        if !behind.is_empty() && !behind.starts_with([' ', '\n', '|']) {
            return Err(format!("no space before {behind:?}"));
        }
        rest = behind.trim_start();
    }
    Ok((out, bar))
}

fn word(text: &str) -> Result<(Vec<u8>, &str), String> {
    if let Some(behind) = text.strip_prefix("SIG") {
        return Ok((SIGNATURE.to_vec(), behind));
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        let (ascii, behind) = quoted.split_once('\'').ok_or("a quote that does not end")?;
        return Ok((ascii.as_bytes().to_vec(), behind));
    }
    let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    let (digits, behind) = text.split_at(end);
    if digits.is_empty() || digits.len() % 2 != 0 {
        return Err(format!("no whole bytes at {text:?}"));
    }
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|error| error.to_string());
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Result<_, _>>()?;
    Ok((bytes, behind))
}

fn times(text: &str) -> Result<(usize, &str), String> {
    let Some(number) = text.strip_prefix('*') else { return Ok((1, text)) };
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    let (digits, behind) = number.split_at(end);
    Ok((digits.parse().map_err(|_| "no number behind *".to_owned())?, behind))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn reads_words_repetitions_and_the_bar() {
        assert_eq!(read("0d0A 'a b'*2 | ff*3"), Ok((b"\r\na ba b\xff\xff\xff".to_vec(), Some(8))));
        assert_eq!(read("SIG| 21").map(|(bytes, bar)| (bytes.len(), bar)), Ok((13, Some(12))));
        for wrong in ["0", "0d0", "zz", "'open", "00*", "00x", "| |"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
