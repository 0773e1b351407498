//! `#[handler(base = Base)]`: what a handler does not write comes from its field `base`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemImpl, Result, Token, Type, parse_quote_spanned};

use super::{METHODS, function_name};

/// The type of a handler's base.
pub struct Base(Type);

impl Parse for Base {
    fn parse(input: ParseStream) -> Result<Self> {
        let message = "`#[handler]` takes `base = Base`, and nothing else; a route is declared by `#[route(\"/\")]` \
                       below it";
        let key: Ident = input
            .parse()
            .map_err(|error| Error::new(error.span(), message))?;
        if key != "base" {
            return Err(Error::new(key.span(), message));
        }
        input.parse::<Token![=]>()?;
        let ty = input.parse()?;
        match input.is_empty() {
            true => Ok(Self(ty)),
            false => Err(input.error(message)),
        }
    }
}

impl Base {
    /// Adds each function of the trait that the handler does not write. It calls the base's.
    pub fn complete(&self, item: &mut ItemImpl) {
        let Self(ty) = self;
        let written: Vec<String> = item
            .items
            .iter()
            .filter_map(function_name)
            .map(Ident::to_string)
            .collect();
        let is_missing = |name: &&str| !written.iter().any(|written| written == name);
        let span = ty.span();
        let nothing = quote_spanned!(span=> ::waterspout_sdk::Result);
        let mut add = |name: &str,
                       arguments: &[(&str, TokenStream)],
                       is_async: bool,
                       returns: &TokenStream| {
            let name = format_ident!("{name}", span = span);
            let names = arguments.iter().map(|(name, _)| format_ident!("{name}"));
            let names: Vec<Ident> = names.collect();
            let types = arguments.iter().map(|(_, ty)| ty);
            let (asynchronous, wait) = match is_async {
                true => (quote_spanned!(span=> async), quote_spanned!(span=> .await)),
                false => Default::default(),
            };
            item.items.push(parse_quote_spanned! {span=>
                #asynchronous fn #name(
                    &mut self,
                    cx: &::waterspout_sdk::Context,
                    #(#names: #types,)*
                ) -> #returns {
                    ::waterspout_sdk::RequestHandler::#name(&mut self.base, cx, #(#names),*)#wait
                }
            });
        };
        let kwargs = (
            "kwargs",
            quote_spanned!(span=> ::waterspout_sdk::web::Kwargs),
        );
        let chunk = (
            "chunk",
            quote_spanned!(span=> ::waterspout_sdk::bytes::Bytes),
        );
        let failure = (
            "failure",
            quote_spanned!(span=> &::waterspout_sdk::web::Failure),
        );
        for (name, arguments, is_async) in [
            ("initialize", &[kwargs][..], false),
            ("prepare", &[], true),
            ("data_received", &[chunk], true),
            ("write_error", &[failure], true),
            ("on_connection_close", &[], true),
            ("on_finish", &[], false),
        ] {
            if is_missing(&name) {
                add(name, arguments, is_async, &nothing);
            }
        }
        for name in METHODS.iter().filter(|name| is_missing(name)) {
            add(name, &[], true, &nothing);
        }
        let origin = ("origin", quote_spanned!(span=> &str));
        let user = quote_spanned! {span=>
            ::waterspout_sdk::Result<::core::option::Option<Self::User>>
        };
        let (url, allowed) = (
            quote_spanned!(span=> ::waterspout_sdk::Result<::std::string::String>),
            quote_spanned!(span=> ::waterspout_sdk::Result<bool>),
        );
        for (name, arguments, is_async, returns) in [
            ("check_trusted_origin", &[origin][..], false, &allowed),
            ("get_current_user", &[], true, &user),
            ("get_login_url", &[], false, &url),
        ] {
            if is_missing(&name) {
                add(name, arguments, is_async, returns);
            }
        }
        if is_missing(&"set_default_headers") {
            item.items.push(parse_quote_spanned! {span=>
                fn set_default_headers(cx: &::waterspout_sdk::Context) -> ::waterspout_sdk::Result {
                    <#ty as ::waterspout_sdk::RequestHandler>::set_default_headers(cx)
                }
            });
        }
    }

    /// The type of the base's users.
    pub fn user(&self) -> Type {
        let Self(ty) = self;
        parse_quote_spanned!(ty.span()=> <#ty as ::waterspout_sdk::RequestHandler>::User)
    }

    /// A constant of the base's.
    pub fn constant(&self, name: &str) -> TokenStream {
        let Self(ty) = self;
        let name = format_ident!("{name}");
        quote_spanned!(ty.span()=> <#ty as ::waterspout_sdk::__private::Handler>::#name)
    }
}
