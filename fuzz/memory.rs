//! An allocator that refuses to go beyond a limit: a few bytes of input that ask for gigabytes end the child, and are found.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes in use, at most `LIMIT`.
pub(crate) struct Bounded;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// From here on so many bytes at most.
pub(crate) fn limit(n_bytes: usize) {
    LIMIT.store(n_bytes, Relaxed);
}

/// Whether there is room; if so, it is taken.
fn take(n_bytes: usize) -> bool {
    let is_room = IN_USE.fetch_add(n_bytes, Relaxed).saturating_add(n_bytes) <= LIMIT.load(Relaxed);
    if !is_room {
        give(n_bytes);
    }
    is_room
}

fn give(n_bytes: usize) {
    IN_USE.fetch_sub(n_bytes, Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait; every call goes on to the system's")]
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if take(layout.size()) { unsafe { System.alloc(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if take(layout.size()) { unsafe { System.alloc_zeroed(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !take(new_size) {
            return std::ptr::null_mut();
        }
        give(layout.size());
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
