//! The parts of nginx that listen, each with a block and modules of its own.

/// A block of the configuration that has listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsystem {
    Http,
    Stream,
    Mail,
}

impl Subsystem {
    pub const ALL: [Self; 3] = [Self::Http, Self::Stream, Self::Mail];

    /// The name of the block.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
            Self::Mail => "mail",
        }
    }
}
