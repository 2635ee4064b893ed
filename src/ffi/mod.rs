//! The C interface. `include/realpeer.h` is generated from this module.
//!
//! All `unsafe` code of the library that has to do with pointers is here. The
//! functions check what can be checked (NULL, lengths, enumerators), build slices
//! from the rest, and call the safe functions of the same name.
#![allow(unsafe_code)]
#![allow(non_camel_case_types)] // the names are those of the C header

mod address;
mod config;
mod counters;
mod decide;
mod header;
mod log;
mod looks;
mod names;
mod outcome;
mod receive;
mod relay;
mod socket;
mod status;
mod system;
mod tlv;
mod write;

pub use address::*;
pub use config::*;
pub use counters::*;
pub use decide::*;
pub use header::*;
pub use log::*;
pub use looks::*;
pub use names::*;
pub use outcome::*;
pub use relay::*;
pub use socket::*;
pub use status::*;
pub use tlv::*;
pub use write::*;

use core::slice;

/// The `len` elements at `data`; `None` where the two cannot be right. NULL with
/// length 0 is empty.
///
/// # Safety
/// Unless NULL, `data` must be readable for `len` elements and stay unchanged for
/// `'a`.
unsafe fn bytes<'a, T>(data: *const T, len: usize) -> Option<&'a [T]> {
    if data.is_null() {
        return if len == 0 { Some(&[]) } else { None };
    }
    if !data.is_aligned() || !can_be_slice::<T>(len) {
        return None;
    }
    // SAFETY: not NULL, aligned, and not longer than a slice may be; the rest is
    // the caller's promise.
    Some(unsafe { slice::from_raw_parts(data, len) })
}

/// As [`bytes`], to be changed in place. What C has not initialised is for [`Out`]
/// and [`Buffer`].
///
/// # Safety
/// Unless NULL, `data` must be initialised, writable for `len` elements, and used
/// by no other for `'a`.
unsafe fn bytes_mut<'a, T>(data: *mut T, len: usize) -> Option<&'a mut [T]> {
    if data.is_null() {
        return if len == 0 { Some(&mut []) } else { None };
    }
    if !data.is_aligned() || !can_be_slice::<T>(len) {
        return None;
    }
    // SAFETY: as above.
    Some(unsafe { slice::from_raw_parts_mut(data, len) })
}

fn can_be_slice<T>(len: usize) -> bool {
    len.checked_mul(size_of::<T>()).is_some_and(|size| isize::try_from(size).is_ok())
}

/// A struct that C hands out to be filled. C says how large it knows it to be, so
/// that structs can grow at their end: of a larger one the rest is zeroed, a
/// smaller one than the first version had is refused.
struct Out<T> {
    to: *mut T,
    size: usize,
}

impl<T: Copy> Out<T> {
    /// `None` where `to` is NULL, misaligned, or smaller than `least` bytes.
    fn new(to: *mut T, size: usize, least: usize) -> Option<Self> {
        let usable = !to.is_null() && to.is_aligned() && size >= least;
        if usable { Some(Out { to, size }) } else { None }
    }

    /// # Safety
    /// The pointer must be writable for the size that was stated.
    unsafe fn write(self, value: T) {
        if self.size == size_of::<T>() {
            // What nearly everybody asks for; for it the compiler needs no loop.
            // SAFETY: the caller's promise; `new` has seen to the alignment.
            unsafe { self.to.write(value) };
            return;
        }
        let known = self.size.min(size_of::<T>());
        let rest = self.size.saturating_sub(known);
        let to = self.to.cast::<u8>();
        // SAFETY: `known` bytes are within both; a Rust value on the stack and
        // the caller's memory do not overlap. The rest is within the caller's.
        unsafe {
            core::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), to, known);
            core::ptr::write_bytes(to.add(known), 0, rest);
        }
    }
}

/// A buffer that C hands out for as much as there turns out to be. It need not be
/// initialised: no slice of it is made before it has been filled with zeroes, of
/// which there are just as many as are written over at once.
#[derive(Clone, Copy)]
struct Buffer {
    to: *mut u8,
    size: usize,
}

impl Buffer {
    /// `None` where the two cannot be right. NULL with size 0 is empty.
    fn new(to: *mut u8, size: usize) -> Option<Self> {
        let usable = if to.is_null() { size == 0 } else { can_be_slice::<u8>(size) };
        if usable { Some(Buffer { to, size }) } else { None }
    }

    /// The first `len` bytes; `None` where it has fewer.
    ///
    /// # Safety
    /// The pointer must be writable for the size that was stated, and used by no
    /// other for `'a`.
    unsafe fn zeroed<'a>(self, len: usize) -> Option<&'a mut [u8]> {
        if self.to.is_null() || len > self.size {
            return None;
        }
        // SAFETY: `len` bytes are within the buffer, by the caller's promise, and
        // initialised when they become a slice.
        unsafe {
            self.to.write_bytes(0, len);
            Some(slice::from_raw_parts_mut(self.to, len))
        }
    }

    /// Lets a function write that says how long its text is, and writes nothing
    /// where that does not fit. So it is asked twice.
    ///
    /// # Safety
    /// As for [`Buffer::zeroed`].
    unsafe fn fill(self, write: impl Fn(&mut [u8]) -> usize) -> usize {
        let len = write(&mut []);
        // SAFETY: the caller's promise.
        match unsafe { self.zeroed(len) } {
            Some(out) => write(out),
            None => len,
        }
    }
}
