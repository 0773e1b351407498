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
