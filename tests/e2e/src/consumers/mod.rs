//! Whatever in nginx and in Apache uses the address of who connected, and
//! whose address it uses behind realpeer: one table, of which the test
//! consumers_table is made, and docs/consumers.md.

mod apache;
mod apache_backends;
mod apache_place;
mod backends;
mod document;
mod mail;
mod nginx_backends;
mod nginx_http;
mod nginx_place;
mod row;
mod stream;
mod whose;

pub use document::document;
pub use row::{On, Row};

/// All of them, in the order of the document.
pub fn rows() -> Vec<Row> {
    [
        nginx_http::ROWS,
        nginx_backends::ROWS,
        stream::ROWS,
        mail::ROWS,
        apache::ROWS,
        apache_backends::ROWS,
    ]
    .concat()
}
