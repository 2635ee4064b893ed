//! Counts what becomes of connections, in memory that processes share.
//!
//! | | |
//! |---|---|
//! | [`layout`] | how it lies in memory |

mod layout;
