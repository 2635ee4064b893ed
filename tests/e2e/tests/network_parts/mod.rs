//! What tests/network.rs is made of.

pub mod place;
pub mod trials;
