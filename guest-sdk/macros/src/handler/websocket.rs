//! `#[handler] impl WebSocketHandler for …`: one block is written, and two traits are implemented.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemImpl, parse_quote_spanned};

use super::base::Base;
use super::user::is_user;
use super::{HOOKS, METHODS, function_name};

/// The functions that only a `WebSocketHandler` has.
const FUNCTIONS: [&str; 10] = [
    "check_origin",
    "select_subprotocol",
    "get_compression_options",
    "open",
    "on_message",
    "on_ping",
    "on_pong",
    "on_close",
    "suspend",
    "resume",
];

/// The functions of every handler that the host does not call by themselves.
const OTHERS: [&str; 3] = ["data_received", "get_current_user", "get_login_url"];

/// An `impl WebSocketHandler`, without what belongs to every handler.
pub struct WebSocket(ItemImpl);

impl WebSocket {
    /// Takes it out of the block that is written, which becomes an `impl RequestHandler`. What belongs to neither stays
    /// in here, so that the compiler knows no such function of a `WebSocketHandler`.
    pub fn take(item: &mut ItemImpl) -> Self {
        let mut own = item.clone();
        let is_of_every_handler = |item: &syn::ImplItem| {
            let is_function = function_name(item).is_some_and(|name| {
                let is = |known: &&str| name == known;
                [&METHODS[..], &HOOKS, &OTHERS]
                    .into_iter()
                    .flatten()
                    .any(is)
            });
            is_function || is_user(item)
        };
        item.items.retain(is_of_every_handler);
        own.items.retain(|item| !is_of_every_handler(item));
        if let Some((_, path, _)) = &mut item.trait_ {
            let span = path.span();
            *path = parse_quote_spanned!(span=> ::waterspout_sdk::RequestHandler);
        }
        Self(own)
    }

    /// The `impl`, and what is noted of it.
    pub fn into_tokens(self, base: Option<&Base>) -> (TokenStream, TokenStream) {
        let Self(item) = self;
        let names = item.items.iter().filter_map(function_name);
        let names: Vec<String> = names.map(ToString::to_string).collect();
        let functions = FUNCTIONS.iter().map(|function| {
            let (name, is_there) = (
                format_ident!("{function}"),
                names.iter().any(|name| name == function),
            );
            quote!(#name: #is_there)
        });
        let noted = quote! {
            const WEBSOCKET: ::core::option::Option<::waterspout_sdk::__private::SocketFunctions> =
                ::core::option::Option::Some(::waterspout_sdk::__private::SocketFunctions {
                    #(#functions,)*
                });

            fn websocket(&mut self) -> &mut impl ::waterspout_sdk::websocket::WebSocketHandler {
                self
            }
        };
        let check = base.map(|base| {
            let inherited = base.constant("WEBSOCKET");
            quote_spanned! {inherited.span()=>
                const _: () = ::core::assert!(
                    #inherited.is_none(),
                    "the base of a `WebSocketHandler` is an `impl RequestHandler`: `open`, `on_message` and the others \
                     that only a `WebSocketHandler` has are not inherited"
                );
            }
        });
        (quote!(#item #check), noted)
    }
}
