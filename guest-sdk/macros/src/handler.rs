//! `#[handler]`, the `#[route]` and `#[stream_request_body]` lines under it, and the attributes of its functions.

mod base;
mod decorators;
mod method;
mod place;
mod route;
mod user;
mod websocket;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Error, Ident, ImplItem, ItemImpl, LitStr, Result, Type};

use self::base::Base;
use self::decorators::expand_decorators;
use self::method::{Other, take_others};
use self::place::note_places;
pub use self::route::parse_json;
use self::route::{Route, take_routes};
use self::websocket::WebSocket;

/// The functions of a handler that belong to no method.
const HOOKS: [&str; 7] = [
    "initialize",
    "check_trusted_origin",
    "prepare",
    "write_error",
    "on_connection_close",
    "on_finish",
    "set_default_headers",
];

/// Those of them that HTTP has.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "delete", "patch", "options"];

pub fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut item: ItemImpl = syn::parse2(item)?;
    let kind = check_trait(&item)?;
    let name = type_name(&item.self_ty)?;
    if kind == Kind::Tcp {
        return tcp(arguments, item);
    }

    // After a fault in here there is still a handler, so that `export!` reports nothing more.
    let (base, mut faults) = match base(arguments) {
        Ok(base) => (base, Vec::new()),
        Err(error) => (None, vec![error]),
    };
    let mut routes = Vec::new();
    for route in take_routes(&mut item) {
        match route {
            Ok(route) => routes.push(Route::into_tokens(route)),
            Err(error) => faults.push(error),
        }
    }
    for item in &mut item.items {
        match item {
            ImplItem::Fn(function) => {
                note_places(&mut function.block);
                faults.extend(expand_decorators(function).err());
            }
            ImplItem::Macro(call) => faults.push(Error::new_spanned(
                call,
                "`#[handler]` does not see the functions that a macro makes here: write them out, or call the macro \
                 within a function",
            )),
            _ => {}
        }
    }
    let (streams, fault) = take_stream(&mut item, base.is_some());
    faults.extend(fault);
    let (others, other_faults) = take_others(&mut item);
    faults.extend(other_faults);
    faults.extend(user::complete(&mut item, base.as_ref()).err());
    let faults = faults.into_iter().map(Error::into_compile_error);
    // What is left is what belongs to every handler.
    let websocket = (kind == Kind::WebSocket).then(|| WebSocket::take(&mut item));

    let names = item.items.iter().filter_map(function_name);
    let names: Vec<Ident> = names.cloned().collect();
    let has = |name: &str| names.iter().any(|written| written == name);
    let known = METHODS
        .iter()
        .filter_map(|known| names.iter().find(|name| *name == known));
    let known = known.map(|name| {
        let method = LitStr::new(&name.to_string().to_uppercase(), name.span());
        let call =
            quote_spanned!(name.span()=> ::waterspout_sdk::RequestHandler::#name(self, cx).await);
        (method, call)
    });
    let beyond = others.iter().map(|Other { method, function }| {
        let name = &function.sig.ident;
        (method.clone(), quote!(self.#name(cx).await))
    });
    let (methods, calls): (Vec<LitStr>, Vec<TokenStream>) = known.chain(beyond).unzip();
    let at = 0..u32::try_from(methods.len()).unwrap_or(u32::MAX);
    let hooks = HOOKS.iter().map(|hook| {
        let name = format_ident!("{hook}");
        // The host's own pages don't have the default headers.
        let is_there = has(hook) || *hook == "write_error" && has("set_default_headers");
        match &base {
            Some(base) => {
                let inherited = base.constant("HOOKS");
                quote!(#name: #is_there || #inherited.#name)
            }
            None => quote!(#name: #is_there),
        }
    });
    let hooks: Vec<TokenStream> = hooks.collect();
    let (all_methods, streams, otherwise) = match &base {
        Some(base) => {
            base.complete(&mut item);
            let (inherited, streamed) = (base.constant("METHODS"), base.constant("STREAMS_BODY"));
            (
                quote! {{
                    const OWN: &[&str] = &[#(#methods),*];
                    const ALL: [&str; ::waterspout_sdk::__private::count(OWN, #inherited)] =
                        ::waterspout_sdk::__private::join(OWN, #inherited);
                    &ALL
                }},
                quote!(#streams || #streamed),
                quote!(
                    ::waterspout_sdk::__private::call_base(&mut self.base, cx, Self::METHODS, at)
                        .await
                ),
            )
        }
        None => (
            quote!(&[#(#methods),*]),
            quote!(#streams),
            quote!(::core::unreachable!(
                "the host called a method that the handler does not declare"
            )),
        ),
    };
    let functions = others.iter().map(|other| &other.function);
    let websocket = websocket.map(|websocket| websocket.into_tokens(base.as_ref()));
    let (websocket, noted) = websocket.unzip();
    let ty = &item.self_ty;
    let (generics, _, bounds) = item.generics.split_for_impl();
    let inherent = match others.is_empty() {
        true => TokenStream::new(),
        false => quote! {
            impl #generics #ty #bounds {
                #(#functions)*
            }
        },
    };
    Ok(quote! {
        #(#faults)*

        #item

        #websocket

        #inherent

        impl #generics ::waterspout_sdk::__private::Handler for #ty #bounds {
            const NAME: &'static str = #name;
            const METHODS: &'static [&'static str] = #all_methods;
            const HOOKS: ::waterspout_sdk::__private::Hooks = ::waterspout_sdk::__private::Hooks {
                #(#hooks,)*
            };
            const ROUTES: &'static [::waterspout_sdk::__private::Route] = &[#(#routes),*];
            const STREAMS_BODY: bool = #streams;
            #noted

            async fn call_method(&mut self, cx: &::waterspout_sdk::Context, at: u32) -> ::waterspout_sdk::Result {
                match at {
                    #(#at => #calls,)*
                    _ => #otherwise,
                }
            }
        }
    })
}

/// The name after `#` in a configured route: the name of the type.
pub fn type_name(ty: &Type) -> Result<String> {
    match ty {
        Type::Path(path) if !path.path.segments.is_empty() => Ok(path
            .path
            .segments
            .last()
            .expect("it is not empty")
            .ident
            .to_string()),
        _ => Err(Error::new_spanned(ty, "a handler is a struct with a name")),
    }
}

/// The trait that a handler implements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    WebSocket,
    Tcp,
}

/// An `impl TcpHandler`, whose functions are all known: only their places are noted.
fn tcp(arguments: TokenStream, mut item: ItemImpl) -> Result<TokenStream> {
    if !arguments.is_empty() {
        let message = "a `TcpHandler` has no arguments here";
        return Err(Error::new_spanned(arguments, message));
    }
    for item in &mut item.items {
        if let ImplItem::Fn(function) = item {
            note_places(&mut function.block);
        }
    }
    Ok(quote!(#item))
}

fn check_trait(item: &ItemImpl) -> Result<Kind> {
    let path = item.trait_.as_ref().map(|(_, path, _)| path);
    match path.and_then(|path| path.segments.last()) {
        Some(name) if name.ident == "RequestHandler" => Ok(Kind::Request),
        Some(name) if name.ident == "WebSocketHandler" => Ok(Kind::WebSocket),
        Some(name) if name.ident == "TcpHandler" => Ok(Kind::Tcp),
        _ => Err(Error::new_spanned(
            &item.self_ty,
            "`#[handler]` belongs on an `impl RequestHandler for …`, an `impl WebSocketHandler for …` or an `impl TcpHandler for …`",
        )),
    }
}

/// What stands between the parentheses of `#[handler]`.
fn base(arguments: TokenStream) -> Result<Option<Base>> {
    match arguments.is_empty() {
        true => Ok(None),
        false => syn::parse2(arguments).map(Some),
    }
}

/// Tornado's decorator `@stream_request_body`, and the function that it is for: one without the other is a fault, unless a
/// base may have the function.
fn take_stream(item: &mut ItemImpl, has_base: bool) -> (bool, Option<Error>) {
    let (streams, others): (Vec<_>, _) = item
        .attrs
        .drain(..)
        .partition(|attribute| attribute.path().is_ident("stream_request_body"));
    item.attrs = others;
    let functions = item.items.iter().filter_map(function_name);
    let receives = functions.into_iter().find(|name| *name == "data_received");
    let fault = match (streams.first(), receives) {
        (None, None) => None,
        (None, Some(_)) if has_base => None,
        (None, Some(function)) => Some(Error::new_spanned(
            function,
            "is never called without `#[stream_request_body]` under `#[handler]`",
        )),
        (Some(stream), None) if !has_base => Some(Error::new_spanned(
            stream,
            "needs a function `data_received`",
        )),
        (Some(stream), _) => stream.meta.require_path_only().err(),
    };
    (!streams.is_empty(), fault)
}

fn function_name(item: &ImplItem) -> Option<&Ident> {
    match item {
        ImplItem::Fn(function) => Some(&function.sig.ident),
        _ => None,
    }
}

pub fn optional(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
