//! What every fuzz target does around its claims: it counts the memory that an input takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub use libfuzzer_sys;

/// What an input may take whatever its length: tables that are made once, and a CSV reader's buffer.
const BASE_BYTES: usize = 1 << 20;
/// Bytes of memory that a byte of input may take beside that.
const BYTES_PER_BYTE: usize = 128;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's allocator, counting.
struct Counting;

fn took(bytes: usize) {
    let taken = TAKEN.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(taken, Relaxed);
}

fn gave_back(bytes: usize) {
    TAKEN.fetch_sub(bytes, Relaxed);
}

// SAFETY: everything is passed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        gave_back(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        took(bytes);
        gave_back(layout.size());
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

/// Runs a target on an input of so many bytes, and fails where it takes more memory than the input's length explains.
pub fn within(length: usize, run: impl FnOnce()) {
    let before = TAKEN.load(Relaxed);
    PEAK.store(before, Relaxed);
    run();
    let peak = PEAK.load(Relaxed).saturating_sub(before);
    let most = BASE_BYTES + BYTES_PER_BYTE * length;
    assert!(peak <= most, "{length} bytes of input took {peak} bytes of memory, at most {most} are explained");
}

/// A fuzz target whose memory is bounded.
#[macro_export]
macro_rules! target {
    (|$data:ident: $kind:ty| $body:block) => {
        $crate::libfuzzer_sys::fuzz_target!(|$data: $kind| { $crate::within($data.len(), || $body) });
    };
}
