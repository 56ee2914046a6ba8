//! The database goes away and comes back, and so does the process.
