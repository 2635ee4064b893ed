//! The C functions, called as badly as C can: NULL, structs of any size, numbers
//! that are no enumerator, buffers that are too short. What is refused leaves all
//! memory as it was; what is not gives the answer of the Rust function.
//!
//! All memory is of the very size that is stated ([`Memory`]): under the address
//! sanitizer no function can go past its end unseen.

use std::mem::zeroed;
use std::net::SocketAddr;

use libc::{sockaddr, socklen_t};
use realpeer::ffi::*;
use realpeer::{
    AddressText, Event, NoAddress, Outcome, Policy, Progress, Rule, Rules, Settings, TlvField,
    Tlvs, decide, decide_datagram, escape, hex, parse, write_v1,
};

use crate::memory::Memory;
pub use crate::stream::PARAMETERS;
use crate::stream::Stream;

const INVALID: i32 = Error::InvalidArgument as i32;

pub fn check(data: &[u8]) {
    let Some(mut stream) = Stream::new(data) else { return };
    let bytes = Memory::of(stream.bytes);
    headers(&mut stream, &bytes);
    tlvs(&mut stream, &bytes);
    texts(&mut stream, &bytes);
    addresses(&mut stream);
    rules(&mut stream, &bytes);
    write(&mut stream);
}

/// Room for a struct: mostly as large as it is, else a little less or more, or NULL.
fn room<T>(stream: &mut Stream<'_>) -> (Memory, usize) {
    let full = size_of::<T>();
    match stream.random(8) {
        0 => (Memory::null(), full),
        1 => {
            let size = stream.random(full);
            (Memory::new(size), size)
        }
        2 => {
            let size = full + stream.random(40);
            (Memory::new(size), size)
        }
        _ => (Memory::new(full), full),
    }
}

fn is_room<T>((memory, size): &(Memory, usize)) -> bool {
    !memory.is_null() && *size >= size_of::<T>()
}

/// The struct that was written there. Behind it are zeroes.
fn taken<T: Copy>((memory, size): &(Memory, usize)) -> T {
    assert!(memory.bytes()[size_of::<T>()..*size].iter().all(|&byte| byte == 0));
    // SAFETY: only asked for structs of numbers.
    unsafe { memory.read() }
}

/// Settings for C, and what they mean; `None` where they are to be refused.
fn settings(stream: &mut Stream<'_>) -> (Memory, usize, Option<Settings>) {
    let known = stream.settings;
    let mut raw = realpeer_settings {
        max_header: known.limits.max_header,
        versions: stream.versions,
        no_address: (known.no_address == NoAddress::Refuse).into(),
        reserved: [0; 2],
    };
    let mut meant = Some(known);
    match stream.random(16) {
        0 => return (Memory::null(), stream.random(20), Some(Settings::default())),
        1 => (raw.max_header, meant) = (stream.random(16).max(1) as u32, None),
        2 => (raw.max_header, meant) = (65_552 + stream.random(1 << 20) as u32, None),
        3 => (raw.versions, meant) = (4 + stream.random(252) as u8, None),
        4 => (raw.no_address, meant) = (2 + stream.random(254) as u8, None),
        5 => (raw.reserved[stream.random(2)], meant) = (1 + stream.random(255) as u8, None),
        _ => {}
    }
    // SAFETY: a struct of numbers without padding.
    let mut bytes = unsafe { as_bytes(&raw) }.to_vec();
    match stream.random(12) {
        0 => {
            bytes.truncate(stream.random(bytes.len()));
            meant = None;
        }
        1 => bytes.resize(bytes.len() + stream.random(20), 0),
        2 => {
            bytes.push(1);
            meant = None;
        }
        _ => {}
    }
    (Memory::of(&bytes), bytes.len(), meant)
}

/// # Safety
/// `T` must be a struct of numbers without padding.
unsafe fn as_bytes<T>(value: &T) -> &[u8] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) }
}

fn headers(stream: &mut Stream<'_>, bytes: &Memory) {
    let (data, len) = (bytes.pointer::<u8>(), stream.bytes.len());
    let (raw, size, meant) = settings(stream);
    let out = room::<realpeer_header>(stream);
    // SAFETY: each pointer is NULL or valid for the size beside it; so in all calls.
    let seen = unsafe { realpeer_parse(data, len, raw.pointer(), size, out.0.pointer(), out.1) };
    match meant.filter(|_| is_room::<realpeer_header>(&out)) {
        None => assert_eq!(seen, INVALID),
        Some(settings) => match parse(stream.bytes, &settings.limits) {
            Ok(Progress::Done(header)) => {
                assert_eq!(seen, header.outcome() as i32);
                assert_eq!(taken::<realpeer_header>(&out), header.into());
            }
            Ok(Progress::More { .. }) => assert_eq!(seen, 0),
            Err(outcome) => assert_eq!(seen, outcome as i32),
        },
    }
    assert!(seen > 0 || out.0.is_untouched());

    let (policy, event) = match stream.random(8) {
        0 => (6 + stream.random(1 << 20) as i32, 0),
        1 => (-1 - stream.random(100) as i32, 0),
        2 => (1, 3 + stream.random(1 << 20) as i32),
        3 => (1, -1 - stream.random(100) as i32),
        _ => (stream.policy.map_or(0, |policy| policy as i32), stream.event as i32),
    };
    let (raw, size, meant) = settings(stream);
    let meant = meant.filter(|_| (0..=5).contains(&policy));
    let own = Policy::from_number(policy);
    for datagram in [false, true] {
        let out = room::<realpeer_decision>(stream);
        // SAFETY: as above.
        let seen = unsafe {
            let (settings, to) = (raw.pointer(), out.0.pointer());
            match datagram {
                true => realpeer_decide_datagram(policy, settings, size, data, len, to, out.1),
                false => realpeer_decide(policy, settings, size, data, len, event, to, out.1),
            }
        };
        let event = [Event::Data, Event::Closed, Event::Timeout]
            .into_iter()
            .find(|&known| known as i32 == event || datagram);
        let usable = is_room::<realpeer_decision>(&out);
        let (Some(settings), Some(event), true) = (meant, event, usable) else {
            assert!(seen == INVALID && out.0.is_untouched());
            continue;
        };
        let wanted = match datagram {
            true => decide_datagram(own, &settings, stream.bytes),
            false => decide(own, &settings, stream.bytes, event),
        };
        assert_eq!(seen, wanted.action as i32);
        assert_eq!(taken::<realpeer_decision>(&out), realpeer_decision::new(wanted, own));
    }
    // SAFETY: NULL is not read.
    unsafe {
        let out = Memory::new(size_of::<realpeer_header>());
        let none = std::ptr::null();
        let result = realpeer_parse(none, len, none.cast(), 0, out.pointer(), out.bytes().len());
        assert_eq!(result, if len == 0 { Outcome::More as i32 } else { INVALID });
        assert!(out.is_untouched());
    }
}

fn tlvs(stream: &mut Stream<'_>, bytes: &Memory) {
    let (data, len) = (bytes.pointer::<u8>(), stream.bytes.len());
    let mut wanted = Tlvs::new(stream.bytes);
    let mut position = 0;
    loop {
        let out = room::<realpeer_tlv>(stream);
        let before = position;
        // SAFETY: as above.
        let seen = unsafe { realpeer_tlv_next(data, len, &mut position, out.0.pointer(), out.1) };
        if !is_room::<realpeer_tlv>(&out) {
            assert!(seen == INVALID && position == before && out.0.is_untouched());
            continue;
        }
        let Some(tlv) = wanted.next() else {
            assert!(seen == 0 && out.0.is_untouched());
            break;
        };
        assert_eq!(seen, 1);
        let seen = taken::<realpeer_tlv>(&out);
        assert_eq!(
            (seen.kind, seen.length as usize, seen.reserved),
            (tlv.kind, tlv.value.len(), [0; 3])
        );
        assert_eq!(seen.value as usize - data as usize + tlv.value.len(), position);
    }
    let mut beyond = len + 1 + stream.random(1 << 20);
    let out = Memory::new(size_of::<realpeer_tlv>());
    // SAFETY: as above.
    let seen =
        unsafe { realpeer_tlv_next(data, len, &mut beyond, out.pointer(), out.bytes().len()) };
    assert!(seen == INVALID && out.is_untouched());

    let out = room::<realpeer_ssl>(stream);
    // SAFETY: as above.
    let seen = unsafe { realpeer_tlv_ssl(data, len, out.0.pointer(), out.1) };
    match (is_room::<realpeer_ssl>(&out), Tlvs::new(stream.bytes).ssl()) {
        (false, _) => assert_eq!(seen, INVALID),
        (_, None) => assert_eq!(seen, 0),
        (_, Some(ssl)) => {
            assert_eq!(seen, 1);
            let seen = taken::<realpeer_ssl>(&out);
            assert_eq!((seen.client, seen.verify), (ssl.client(), ssl.verify()));
            assert_eq!(seen.verified, ssl.verified().into());
            assert_eq!(seen.tlvs_length as usize, ssl.tlvs().as_bytes().len());
        }
    }
    assert!(seen == 1 || out.0.is_untouched());
}

/// A text goes into a buffer that may be too short, and says how long it is.
fn text(
    stream: &mut Stream<'_>,
    wanted: impl Fn(&mut [u8]) -> Option<usize>,
    call: impl Fn(*mut libc::c_char, usize) -> i32,
) {
    let Some(len) = wanted(&mut []) else {
        assert_eq!(call(std::ptr::null_mut(), 0), Error::NotFound as i32);
        return;
    };
    let size = (len + stream.random(9)).saturating_sub(4);
    let out = Memory::new(size);
    assert_eq!(call(out.pointer(), size) as usize, len);
    assert_eq!(call(std::ptr::null_mut(), 0) as usize, len);
    assert_eq!(call(std::ptr::null_mut(), 1), INVALID);
    if size < len {
        assert!(out.is_untouched(), "begun and not ended");
        return;
    }
    let mut text = vec![0; len];
    wanted(&mut text);
    assert_eq!(out.bytes()[..len], text);
}

fn texts(stream: &mut Stream<'_>, bytes: &Memory) {
    let (data, len, own) = (bytes.pointer::<u8>(), stream.bytes.len(), stream.bytes);
    // SAFETY: as above.
    unsafe {
        text(stream, |out| Some(escape(own, out)), |to, n| realpeer_escape(data, len, to, n));
        text(stream, |out| Some(hex(own, out)), |to, n| realpeer_hex(data, len, to, n));
    }
    let names: Vec<&str> = TlvField::names().collect();
    let name = match stream.random(4) {
        0 => format!("0x{:02x}", stream.random(256)),
        1 => String::from_utf8_lossy(&own[..own.len().min(12)]).into_owned(),
        _ => names[stream.random(names.len())].to_owned(),
    };
    let text_of_name = Memory::of(name.as_bytes());
    // SAFETY: as above.
    let number = unsafe { realpeer_tlv_field(text_of_name.pointer(), name.len()) };
    let Some(field) = TlvField::from_name(name.as_bytes()) else {
        assert_eq!(number, Error::BadField as i32);
        return;
    };
    // SAFETY: as above.
    unsafe {
        let tlvs = Tlvs::new(own);
        text(
            stream,
            |out| field.text(tlvs, out),
            |to, n| realpeer_tlv_text(data, len, number, to, n),
        );
        text(
            stream,
            |out| field.hex(tlvs, out),
            |to, n| realpeer_tlv_hex(data, len, number, to, n),
        );
        // Numbers that are no field's: an answer, whatever it is.
        let number = stream.random(1 << 20) as i32 - (1 << 10);
        let seen = realpeer_tlv_text(data, len, number, std::ptr::null_mut(), 0);
        assert!(seen >= 0 || seen == INVALID || seen == Error::NotFound as i32);
    }
    for number in [stream.random(400) as i32 - 200, stream.random(usize::MAX >> 8) as i32] {
        assert!(!realpeer_result_name(number).is_null() && !realpeer_strerror(number).is_null());
        assert!(!realpeer_policy_name(number).is_null());
        assert!((0..=1).contains(&realpeer_result_is_quiet(number)));
    }
}

/// An address of any family, known or not, from bytes of the stream.
fn address(stream: &mut Stream<'_>) -> realpeer_address {
    let mut ip = [0; 16];
    let from = stream.random(stream.bytes.len());
    ip.iter_mut().zip(&stream.bytes[from..]).for_each(|(to, &byte)| *to = byte);
    realpeer_address {
        family: stream.random(5) as u8,
        reserved: 0,
        port: stream.random(65_536) as u16,
        ip,
    }
}

fn own(address: &realpeer_address) -> Option<SocketAddr> {
    let [a, b, c, d, ..] = address.ip;
    match address.family {
        1 => Some(SocketAddr::new([a, b, c, d].into(), address.port)),
        2 => Some(SocketAddr::new(address.ip.into(), address.port)),
        _ => None,
    }
}

fn addresses(stream: &mut Stream<'_>) {
    let address = address(stream);
    let size = stream.random(60);
    let out = Memory::new(size);
    // SAFETY: as above.
    let seen = unsafe { realpeer_address_text(&address, out.pointer(), size) };
    let Some(wanted) = own(&address) else {
        assert!(seen == Error::NotFound as i32 && out.is_untouched());
        return;
    };
    let text = AddressText::new(wanted.ip());
    assert_eq!(seen as usize, text.as_bytes().len());
    match size > text.as_bytes().len() {
        true => assert!(out.bytes().starts_with(&[text.as_bytes(), b"\0"].concat())),
        false => assert!(out.is_untouched()),
    }

    // To a sockaddr and back; cut off in between, it is none.
    let size = stream.random(40);
    let (out, mut len) = (Memory::new(size), size as socklen_t);
    // SAFETY: as above.
    let seen = unsafe { realpeer_address_to_sockaddr(&address, out.pointer(), &mut len) };
    let needed = if wanted.is_ipv4() { 16 } else { 28 };
    if size < needed {
        assert!(seen == INVALID && out.is_untouched() && len as usize == size);
        return;
    }
    assert_eq!((seen, len as usize), (0, needed));
    let cut = stream.random(needed + 1);
    let peer = Memory::of(&out.bytes()[..cut]);
    let back = room::<realpeer_address>(stream);
    // SAFETY: as above.
    let seen = unsafe {
        let peer: *const sockaddr = peer.pointer();
        realpeer_address_from_sockaddr(peer, cut as socklen_t, back.0.pointer(), back.1)
    };
    let last = if wanted.is_ipv4() { 8 } else { 24 };
    match (is_room::<realpeer_address>(&back), cut >= last) {
        (false, _) => assert_eq!(seen, INVALID),
        (_, false) => assert_eq!(seen, Error::NotFound as i32),
        _ => {
            assert_eq!(seen, 0);
            let wanted = realpeer::canonical(wanted);
            assert_eq!(own(&taken(&back)), Some(wanted));
        }
    }
    assert!(seen == 0 || back.0.is_untouched());
}

fn rules(stream: &mut Stream<'_>, bytes: &Memory) {
    let text = &stream.bytes[..stream.bytes.len().min(60)];
    let policy = stream.random(8) as i32 - 1;
    let out = room::<Rule>(stream);
    // SAFETY: as above.
    let seen = unsafe {
        realpeer_rule_parse(bytes.pointer(), text.len(), policy, 7, out.0.pointer(), out.1)
    };
    let known = Policy::from_number(policy);
    let wanted = std::str::from_utf8(text).map(|text| Rule::parse(text, Policy::Require, 7));
    match (is_room::<Rule>(&out), known, wanted) {
        (false, ..) => assert_eq!(seen, INVALID),
        (_, None, _) => assert_eq!(seen, Error::BadPolicy as i32),
        (_, _, Ok(Ok((_, rest)))) => assert_eq!(seen, rest.into()),
        _ => assert!([Error::BadSource as i32, Error::BadPrefix as i32].contains(&seen)),
    }
    assert!(seen >= 0 || out.0.is_untouched());

    // An array of rules with any links and prefixes, as memory that was overwritten:
    // wrong answers, but answers, and the same as Rust's.
    let count = stream.bytes.len() / size_of::<Rule>();
    let raw = Memory::of(&stream.bytes[..count * size_of::<Rule>()]);
    let copy = Memory::of(raw.bytes());
    let len = stream.random(30);
    let peer = Memory::of(&stream.bytes[..len.min(stream.bytes.len())]);
    let (array, peer_len) = (raw.pointer::<Rule>(), len.min(stream.bytes.len()) as socklen_t);
    // SAFETY: as above; any bytes are a rule, which is a struct of numbers.
    unsafe {
        let seen = realpeer_rules_find(array, count, peer.pointer(), peer_len);
        assert!((0..=5).contains(&seen));
        let duplicate = Memory::new(8);
        let prepared = realpeer_rules_prepare(array, count, duplicate.pointer());
        let rules = std::slice::from_raw_parts_mut(copy.pointer::<Rule>(), count);
        assert_eq!(prepared == 0, Rules::prepare(rules).is_ok());
        assert!(prepared != 0 || duplicate.is_untouched());
        let seen = realpeer_rules_find(array, count, peer.pointer(), peer_len);
        assert!((0..=5).contains(&seen));
        let mut rule = std::ptr::null();
        let matched = realpeer_rules_match(array, count, peer.pointer(), peer_len, &mut rule);
        assert_eq!(matched, seen);
        assert!((0..=1).contains(&realpeer_rule_is_quiet(rule, -2)));
        if let Some(rule) = rule.as_ref() {
            assert_eq!(realpeer_rule_tag(rule), rule.tag());
        }
        assert_eq!(realpeer_rules_equal(array, count, copy.pointer(), count), 1);
        assert_eq!(realpeer_rules_find(std::ptr::null(), 1, peer.pointer(), peer_len), INVALID);
    }
}

fn write(stream: &mut Stream<'_>) {
    let (from, to) = (address(stream), address(stream));
    let size = stream.random(120);
    let out = Memory::new(size);
    // SAFETY: as above.
    let seen = unsafe { realpeer_write_v1(&from, &to, out.pointer(), size) };
    if from.family < 4 && to.family < 4 && own(&from).is_some() == own(&to).is_some() {
        let mut line = [0; 107];
        let wanted = write_v1(own(&from).zip(own(&to)), &mut line);
        match wanted {
            Ok(len) if len <= size => assert_eq!(out.bytes()[..len], line[..len]),
            Ok(_) => assert_eq!(seen, Error::NoRoom as i32),
            Err(_) => assert_eq!(seen, Error::MixedFamilies as i32),
        }
    } else {
        assert!(seen == INVALID || seen == Error::BadAddress as i32);
    }
    assert!(seen > 0 || out.is_untouched());

    let values: Vec<Memory> = Tlvs::new(stream.bytes).map(|tlv| Memory::of(tlv.value)).collect();
    let list: Vec<realpeer_tlv> = Tlvs::new(stream.bytes)
        .zip(&values)
        .map(|(tlv, value)| realpeer_tlv {
            value: if tlv.value.is_empty() { std::ptr::null() } else { value.pointer() },
            length: tlv.value.len() as u32,
            kind: tlv.kind,
            reserved: [0; 3],
        })
        .collect();
    // SAFETY: all zeroes are a valid value of this struct.
    let mut outgoing: realpeer_outgoing = unsafe { zeroed() };
    outgoing.tlvs = list.as_ptr();
    outgoing.tlv_count = list.len() as u32;
    outgoing.command = stream.random(3) as u8;
    outgoing.transport = stream.random(4) as u8;
    outgoing.checksum = (stream.random(9) / 4) as u8;
    outgoing.pad_to_multiple = [0, 1, 100, 65_535][stream.random(4)];
    (outgoing.source, outgoing.destination) = (from, to);
    let path = Memory::of(&[7; 120]);
    outgoing.source_path = path.pointer();
    outgoing.source_path_length = stream.random(120) as u16;
    let n = size_of::<realpeer_outgoing>();
    let mut none = std::ptr::null_mut();
    // SAFETY: as above.
    unsafe {
        let len = realpeer_write_v2(&outgoing, n, none, 0);
        if len < 0 {
            let out = Memory::new(300);
            assert_eq!(realpeer_write_v2(&outgoing, n, out.pointer(), 300), len);
            assert!(out.is_untouched());
            return;
        }
        let len = len as usize;
        let out = Memory::new(len);
        assert_eq!(realpeer_write_v2(&outgoing, n, out.pointer(), len - 1), Error::NoRoom as i32);
        assert!(out.is_untouched());
        assert_eq!(realpeer_write_v2(&outgoing, n, out.pointer(), len) as usize, len);
        let limits = realpeer::Limits { max_header: realpeer::MAX_HEADER, ..Default::default() };
        assert!(
            matches!(parse(out.bytes(), &limits), Ok(Progress::Done(header)) if header.len() == len)
        );
        none = out.pointer();
        assert_eq!(realpeer_write_v2(&outgoing, n - 1, none, len), INVALID);
    }
}
