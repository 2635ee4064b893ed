//! What a compiled program knows of the header, as lines of text in the words of C.
//! Each is written as an expression, because only the compiler knows sizes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Expr, Fields, FnArg, ForeignItem, ForeignItemFn, GenericArgument, Item, Lit, PathArguments,
    ReturnType, Type, TypeBareFn, TypePath,
};

use crate::{OPAQUE, is_version};

pub(crate) fn lines(item: &Item) -> Vec<TokenStream> {
    let name = |name: &syn::Ident| name.to_string().to_lowercase().starts_with("realpeer_");
    match item {
        Item::Struct(c) if name(&c.ident) => structure(&c.ident, &c.fields),
        Item::Const(c) if name(&c.ident) && !is_version(&c.ident.to_string()) => {
            let (name, text) = (&c.ident, c.ident.to_string());
            vec![quote! { format!("{} = {}", #text, crate::header::#name) }]
        }
        Item::Type(alias) if name(&alias.ident) => {
            let text = format!("typedef {}", declare(&alias.ty, &alias.ident.to_string()));
            vec![quote! { #text.to_owned() }]
        }
        Item::ForeignMod(block) => block
            .items
            .iter()
            .map(|item| match item {
                ForeignItem::Fn(function) => prototype(function),
                _ => panic!("something else than a function"),
            })
            .map(|text| quote! { #text.to_owned() })
            .collect(),
        _ => Vec::new(),
    }
}

fn structure(name: &syn::Ident, fields: &Fields) -> Vec<TokenStream> {
    let text = name.to_string();
    let c = quote! { crate::header::#name };
    let mut out = vec![quote! {
        format!("struct {}: {} bytes, aligned to {}", #text, size_of::<#c>(), align_of::<#c>())
    }];
    let Fields::Named(fields) = fields else { panic!("{text} has no named fields") };
    if text == OPAQUE {
        return out;
    }
    for field in &fields.named {
        let field_name = field.ident.as_ref().expect("a name");
        let what = declare(&field.ty, &field_name.to_string());
        out.push(quote! {
            format!(
                "  {} at {:3}, {:3} bytes: {}",
                #text,
                core::mem::offset_of!(#c, #field_name),
                crate::size_of_field(|s: &#c| &raw const s.#field_name),
                #what,
            )
        });
    }
    out
}

fn prototype(function: &ForeignItemFn) -> String {
    let arguments: Vec<String> = function
        .sig
        .inputs
        .iter()
        .map(|argument| match argument {
            FnArg::Typed(argument) => declare(&argument.ty, ""),
            FnArg::Receiver(_) => panic!("a method in C"),
        })
        .collect();
    let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
    let name = format!("{}({arguments})", function.sig.ident);
    match &function.sig.output {
        ReturnType::Default => format!("void {name}"),
        ReturnType::Type(_, result) => declare(result, &name),
    }
}

/// `name` declared with a type, as C has it.
fn declare(rust: &Type, name: &str) -> String {
    match rust {
        Type::Ptr(pointer) => {
            let constant = if pointer.const_token.is_some() { "const " } else { "" };
            format!("{constant}{}", declare(&pointer.elem, &format!("*{name}")))
        }
        Type::Array(array) => {
            let Expr::Lit(length) = &array.len else { panic!("a length that is no number") };
            let Lit::Int(length) = &length.lit else { panic!("a length that is no number") };
            declare(&array.elem, &format!("{name}[{}]", length.base10_digits()))
        }
        Type::Path(path) if pointed_function(path).is_some() => {
            let function = pointed_function(path).expect("as was asked");
            let arguments: Vec<String> =
                function.inputs.iter().map(|argument| declare(&argument.ty, "")).collect();
            let name = format!("(*{name})({})", arguments.join(", "));
            match &function.output {
                ReturnType::Default => format!("void {name}"),
                ReturnType::Type(_, result) => declare(result, &name),
            }
        }
        Type::Path(path) => {
            let word = path.path.segments.last().expect("a name").ident.to_string();
            format!("{} {name}", c_name(&word)).trim_end().to_owned()
        }
        other => panic!("a type that is not expected: {}", quote!(#other)),
    }
}

/// What `Option<unsafe extern "C" fn(...)>` points at: a pointer that may be NULL.
fn pointed_function(path: &TypePath) -> Option<&TypeBareFn> {
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(Type::BareFn(function))) => Some(function),
        _ => None,
    }
}

fn c_name(word: &str) -> String {
    let width = |rest: &str| rest.parse::<u8>().is_ok();
    match word.split_at(1) {
        ("u", rest) if width(rest) => format!("uint{rest}_t"),
        ("i", rest) if width(rest) => format!("int{rest}_t"),
        _ => match word {
            "usize" => "size_t".to_owned(),
            "c_char" => "char".to_owned(),
            "c_int" => "int".to_owned(),
            "c_void" => "void".to_owned(),
            "sockaddr" | "sockaddr_storage" | "iovec" | "msghdr" => format!("struct {word}"),
            _ if word.starts_with("realpeer_") || word.ends_with("_t") => word.to_owned(),
            _ => panic!("a type of C that is not known here: {word}"),
        },
    }
}
