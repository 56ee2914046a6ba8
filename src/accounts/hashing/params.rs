//! Cost of one password hash.

/// Memory of one hash, in KiB; with two passes this meets OWASP's password storage sheet for argon2id (19 MiB, t=2,
/// p=1).
pub(in crate::accounts) const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory of one hash.
pub(in crate::accounts) const PASSES: u32 = 2;
/// Blocks of 1 KiB that one hash needs.
pub(super) const BLOCKS: usize = MEMORY_KIB as usize;
