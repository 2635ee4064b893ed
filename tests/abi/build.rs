//! Lets bindgen read the C header, and writes a test that compares each thing it
//! found with Rust's. What is compared is generated from the header, so that
//! nothing can be forgotten. The same things are written down as text, to be
//! compared with the record in `layouts.txt`.

mod record;

use std::path::{Path, PathBuf};
use std::{env, fs};

use quote::{format_ident, quote};
use syn::{Fields, FnArg, ForeignItem, Item, ReturnType, Type};

/// Enums of the header and of Rust.
const ENUMS: [(&str, &str); 10] = [
    ("REALPEER_RESULT_", "realpeer::Outcome"),
    ("REALPEER_ERROR_", "realpeer::ffi::Error"),
    ("REALPEER_POLICY_", "realpeer::Policy"),
    ("REALPEER_ACTION_", "realpeer::Action"),
    ("REALPEER_EVENT_", "realpeer::Event"),
    ("REALPEER_FAMILY_", "realpeer::Family"),
    ("REALPEER_TRANSPORT_", "realpeer::Transport"),
    ("REALPEER_COMMAND_", "realpeer::Command"),
    ("REALPEER_NO_ADDRESS_", "realpeer::NoAddress"),
    ("REALPEER_FORMAT_", "realpeer::ffi::Format"),
];
/// Begins like an enumerator, but is a constant of its own.
const NO_ENUMERATOR: &str = "REALPEER_POLICY_NONE";
/// Its fields are nobody's business; size and alignment are.
const OPAQUE: &str = "realpeer_rule";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let header = root.join("include/realpeer.h");
    println!("cargo::rerun-if-changed={}", header.display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=record.rs");

    let bindings = bindgen::Builder::default()
        .header(header.to_str().expect("a path that is text"))
        .allowlist_item("(realpeer|REALPEER)_.*")
        .blocklist_type("sockaddr|socklen_t|__socklen_t|sa_family_t")
        .raw_line("use libc::{sockaddr, socklen_t};")
        .prepend_enum_name(false)
        .layout_tests(true)
        .generate()
        .expect("a header that clang understands")
        .to_string();
    let items = syn::parse_file(&bindings).expect("what bindgen writes").items;
    let tests: Vec<_> = items.iter().flat_map(compare).collect();
    let names: Vec<_> = items.iter().flat_map(functions).collect();
    let lines: Vec<_> = items.iter().flat_map(record::lines).collect();

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("header.rs"), bindings).expect("a folder to write to");
    let tests = quote! {
        pub const FUNCTIONS: &[&str] = &[#(#names),*];
        /// What was found, for a count: (structs, fields, constants, functions).
        #[allow(clippy::unnecessary_cast, clippy::identity_op)]
        pub fn compare(seen: &mut crate::Seen) { #(#tests)* }
        /// What `layouts.txt` has.
        pub fn record() -> Vec<String> { vec![#(#lines),*] }
    };
    fs::write(out.join("compare.rs"), tests.to_string()).expect("a folder to write to");
}

fn functions(item: &Item) -> Vec<String> {
    let Item::ForeignMod(block) = item else { return Vec::new() };
    let name = |item: &ForeignItem| match item {
        ForeignItem::Fn(function) => function.sig.ident.to_string(),
        _ => panic!("something else than a function"),
    };
    block.items.iter().map(name).collect()
}

fn compare(item: &Item) -> Vec<proc_macro2::TokenStream> {
    match item {
        Item::Struct(c) => {
            let name = &c.ident;
            let rust = rust_struct(&name.to_string());
            let text = name.to_string();
            let mut out = vec![quote! { seen.layout::<crate::header::#name, #rust>(#text); }];
            if name == OPAQUE {
                return out;
            }
            let Fields::Named(fields) = &c.fields else { panic!("{text} has no named fields") };
            for field in &fields.named {
                let field = &field.ident;
                let text = format!("{text}.{}", quote!(#field));
                out.push(quote! {
                    seen.field(
                        #text,
                        core::mem::offset_of!(crate::header::#name, #field),
                        core::mem::offset_of!(#rust, #field),
                        crate::size_of_field(|s: &crate::header::#name| &raw const s.#field),
                        crate::size_of_field(|s: &#rust| &raw const s.#field),
                    );
                });
            }
            out
        }
        Item::Const(constant) if constant.ident.to_string().starts_with("REALPEER_") => {
            let name = &constant.ident;
            let text = name.to_string();
            match rust_constant(&text) {
                Some(rust) => vec![quote! {
                    seen.constant(#text, crate::header::#name as i64, #rust as i64);
                }],
                // The macros of the version are compared with the package's below.
                None => vec![quote! { seen.version(#text); }],
            }
        }
        Item::ForeignMod(block) => block.items.iter().map(signature).collect(),
        _ => Vec::new(),
    }
}

fn rust_struct(name: &str) -> proc_macro2::TokenStream {
    if name == OPAQUE {
        return quote! { realpeer::Rule };
    }
    let name = format_ident!("{name}");
    quote! { realpeer::ffi::#name }
}

fn rust_constant(name: &str) -> Option<proc_macro2::TokenStream> {
    if is_version(name) {
        return None;
    }
    let enumerator =
        ENUMS.iter().find_map(|(prefix, path)| Some((name.strip_prefix(prefix)?, path)));
    if let Some((variant, path)) = enumerator.filter(|_| name != NO_ENUMERATOR) {
        let path: syn::Path = syn::parse_str(path).expect("a path");
        let variant = format_ident!("{}", camel_case(variant));
        return Some(quote! { #path::#variant });
    }
    if let Some(kind) = name.strip_prefix("REALPEER_TLV_") {
        let kind = format_ident!("{kind}");
        return Some(quote! { realpeer::types::#kind });
    }
    let name = format_ident!("{name}");
    Some(quote! { realpeer::ffi::#name })
}

fn is_version(name: &str) -> bool {
    let parts = ["", "_MAJOR", "_MINOR", "_PATCH", "_NUMBER"];
    name.strip_prefix("REALPEER_VERSION").is_some_and(|rest| parts.contains(&rest))
}

fn camel_case(screaming: &str) -> String {
    let word = |word: &str| word[..1].to_owned() + &word[1..].to_lowercase();
    screaming.split('_').map(word).collect()
}

/// The function as the header declares it, over Rust's types: the compiler says
/// whether that is the function there is.
fn signature(item: &ForeignItem) -> proc_macro2::TokenStream {
    let ForeignItem::Fn(function) = item else { panic!("something else than a function") };
    let name = &function.sig.ident;
    let arguments = function.sig.inputs.iter().map(|argument| match argument {
        FnArg::Typed(argument) => in_rust(&argument.ty),
        FnArg::Receiver(_) => panic!("a method in C"),
    });
    let result = match &function.sig.output {
        ReturnType::Default => quote! {},
        ReturnType::Type(_, result) => {
            let result = in_rust(result);
            quote! { -> #result }
        }
    };
    quote! {
        let _: unsafe extern "C" fn(#(#arguments),*) #result = realpeer::ffi::#name;
        seen.functions += 1;
    }
}

fn in_rust(c: &Type) -> proc_macro2::TokenStream {
    match c {
        Type::Ptr(pointer) => {
            let to = in_rust(&pointer.elem);
            match pointer.mutability {
                Some(_) => quote! { *mut #to },
                None => quote! { *const #to },
            }
        }
        Type::Path(path) => match path.path.get_ident() {
            Some(name) if name.to_string().starts_with("realpeer_") => {
                rust_struct(&name.to_string())
            }
            Some(name) if ["sockaddr", "socklen_t"].contains(&name.to_string().as_str()) => {
                quote! { libc::#name }
            }
            _ => quote! { #path },
        },
        other => panic!("a type that is not expected: {}", quote!(#other)),
    }
}
