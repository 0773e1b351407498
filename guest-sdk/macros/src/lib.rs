//! The macros of `waterspout-sdk`. They only connect: what they note goes into a trait, and the SDK does the work. Their
//! documentation is there, too.

#![warn(missing_docs)]

mod export;
mod handler;
mod jobs;

use proc_macro::TokenStream;

/// See `waterspout_sdk::handler`.
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// See `waterspout_sdk::export!`.
#[proc_macro]
pub fn export(input: TokenStream) -> TokenStream {
    export::expand(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// See `waterspout_sdk::handler`, which takes this attribute where it stands below.
#[proc_macro_attribute]
pub fn route(_: TokenStream, item: TokenStream) -> TokenStream {
    above("route", item)
}

/// See `waterspout_sdk::handler`, which takes this attribute where it stands below.
#[proc_macro_attribute]
pub fn stream_request_body(_: TokenStream, item: TokenStream) -> TokenStream {
    above("stream_request_body", item)
}

/// An attribute that `#[handler]` has not taken.
fn above(name: &str, item: TokenStream) -> TokenStream {
    let message =
        format!("`#[{name}]` stands below `#[handler]`, on an `impl RequestHandler for …`");
    let fault = syn::Error::new(proc_macro2::Span::call_site(), message).into_compile_error();
    [TokenStream::from(fault), item].into_iter().collect()
}
