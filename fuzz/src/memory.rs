//! Memory as C hands it out: of exactly so many bytes, so that the address sanitizer
//! sees the first one that is read or written beside it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::null_mut;
use std::slice;

const UNTOUCHED: u8 = 0xaa;

/// `size` bytes, aligned for any struct of the library; or NULL.
pub struct Memory {
    at: *mut u8,
    layout: Layout,
}

impl Memory {
    pub fn new(size: usize) -> Self {
        // An allocation has a byte at least. That one is nobody's.
        let layout = Layout::from_size_align(size.max(1), 8).expect("a small size");
        // SAFETY: the size is not zero.
        let at = unsafe { alloc(layout) };
        if at.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: just allocated, of this size.
        unsafe { at.write_bytes(UNTOUCHED, layout.size()) };
        Memory { at, layout }
    }

    pub fn of(bytes: &[u8]) -> Self {
        let memory = Memory::new(bytes.len());
        // SAFETY: it has room for the bytes, and is not where they are.
        unsafe { memory.at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        memory
    }

    pub fn null() -> Self {
        Memory { at: null_mut(), layout: Layout::new::<u8>() }
    }

    pub fn is_null(&self) -> bool {
        self.at.is_null()
    }

    pub fn pointer<T>(&self) -> *mut T {
        self.at.cast()
    }

    /// The bytes; none where it is NULL.
    pub fn bytes(&self) -> &[u8] {
        match self.at.is_null() {
            true => &[],
            // SAFETY: allocated and filled, of this size.
            false => unsafe { slice::from_raw_parts(self.at, self.layout.size()) },
        }
    }

    pub fn is_untouched(&self) -> bool {
        self.bytes().iter().all(|&byte| byte == UNTOUCHED)
    }

    /// What was written there, as a struct of C, any bytes of which are one.
    ///
    /// # Safety
    /// `T` must be such a struct.
    pub unsafe fn read<T: Copy>(&self) -> T {
        assert!(size_of::<T>() <= self.bytes().len());
        // SAFETY: it is that large, aligned to 8 bytes, and a `T` by the caller's promise.
        unsafe { self.at.cast::<T>().read() }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if !self.at.is_null() {
            // SAFETY: allocated with this layout.
            unsafe { dealloc(self.at, self.layout) };
        }
    }
}
