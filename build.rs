//! Gives the C shared library its name for the dynamic linker.
//!
//! Nothing else happens here on purpose: the C header is checked in, so nobody
//! who builds the library needs cbindgen or libclang (`make header` writes it).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CAPI").is_none() {
        return;
    }
    println!("cargo::rustc-link-arg=-Wl,-soname,librealpeer.so.0");
    // Without this a shared library may leave symbols open, and a reachable
    // panic (see src/panic.rs) would only show when a server loads it.
    println!("cargo::rustc-link-arg=-Wl,-z,defs");
}
