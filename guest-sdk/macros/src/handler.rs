//! `#[handler]`, the `#[route]` and `#[stream_request_body]` lines under it, and the attributes of its functions.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, LitStr, Pat, Result, Token, Type};
use syn::{braced, parse_quote_spanned};

/// The functions of a handler that belong to no method.
const HOOKS: [&str; 5] = [
    "initialize",
    "prepare",
    "write_error",
    "on_connection_close",
    "on_finish",
];

/// Those of them that HTTP has.
const METHODS: [&str; 7] = ["get", "head", "post", "put", "delete", "patch", "options"];

pub fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut item: ItemImpl = syn::parse2(item)?;
    check_trait(&item)?;
    let name = type_name(&item.self_ty)?;

    // After a fault in here there is still a handler, so that `export!` reports nothing more.
    let unexpected = refuse(arguments).err();
    let (routes, faults): (Vec<_>, Vec<_>) =
        take_routes(&mut item).into_iter().partition(Result::is_ok);
    let routes = routes.into_iter().flatten().map(Route::into_tokens);
    let functions = item.items.iter_mut().filter_map(|item| match item {
        ImplItem::Fn(function) => expand_slash(function).err(),
        _ => None,
    });
    let slashes: Vec<Error> = functions.collect();
    let faults = unexpected
        .into_iter()
        .chain(faults.into_iter().filter_map(Result::err))
        .chain(slashes)
        .map(Error::into_compile_error);

    let streams = take_stream(&mut item);
    let (others, other_faults) = take_others(&mut item);
    let ty = &item.self_ty;
    let names: Vec<&Ident> = item.items.iter().filter_map(function_name).collect();
    let mut hooks: Vec<Ident> = names
        .iter()
        .filter(|name| HOOKS.contains(&name.to_string().as_str()))
        .map(|name| (**name).clone())
        .collect();
    if has_default_headers(&item) && !hooks.iter().any(|name| name == "write_error") {
        // The host's own pages don't have them.
        hooks.push(format_ident!("write_error"));
    }
    let hook_names = HOOKS.map(|name| format_ident!("{name}"));
    let has_hook = HOOKS.map(|name| hooks.iter().any(|hook| hook == name));
    let known = METHODS
        .iter()
        .filter_map(|known| names.iter().find(|name| **name == known));
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
    let functions = others.iter().map(|other| &other.function);
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
        #(#other_faults)*

        #item

        #inherent

        impl #generics ::waterspout_sdk::__private::Handler for #ty #bounds {
            const NAME: &'static str = #name;
            const METHODS: &'static [&'static str] = &[#(#methods),*];
            const HOOKS: ::waterspout_sdk::__private::Hooks = ::waterspout_sdk::__private::Hooks {
                #(#hook_names: #has_hook,)*
            };
            const ROUTES: &'static [::waterspout_sdk::__private::Route] = &[#(#routes),*];
            #streams

            async fn call_method(&mut self, cx: &::waterspout_sdk::Context, at: u32) -> ::waterspout_sdk::Result {
                match at {
                    #(#at => #calls,)*
                    _ => ::core::unreachable!("the host called a method that the handler does not declare"),
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

fn check_trait(item: &ItemImpl) -> Result<()> {
    let name = item
        .trait_
        .as_ref()
        .and_then(|(_, path, _)| path.segments.last());
    if name.is_some_and(|segment| segment.ident == "RequestHandler") {
        return Ok(());
    }
    Err(Error::new_spanned(
        &item.self_ty,
        "`#[handler]` belongs on an `impl RequestHandler for …`",
    ))
}

fn refuse(arguments: TokenStream) -> Result<()> {
    if arguments.is_empty() {
        return Ok(());
    }
    let message =
        "`#[handler]` takes no arguments; a route is declared by `#[route(\"/\")]` below it";
    Err(Error::new_spanned(arguments, message))
}

fn take_routes(item: &mut ItemImpl) -> Vec<Result<Route>> {
    let (routes, others): (Vec<_>, _) = item
        .attrs
        .drain(..)
        .partition(|attribute| attribute.path().is_ident("route"));
    item.attrs = others;
    routes.iter().map(syn::Attribute::parse_args).collect()
}

/// Tornado's decorator `@stream_request_body`, and the function that it is for: one without the other is a fault.
fn take_stream(item: &mut ItemImpl) -> TokenStream {
    let (streams, others): (Vec<_>, _) = item
        .attrs
        .drain(..)
        .partition(|attribute| attribute.path().is_ident("stream_request_body"));
    item.attrs = others;
    let receives = item.items.iter().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == "data_received" => {
            Some(&function.sig.ident)
        }
        _ => None,
    });
    let fault = match (streams.first(), receives) {
        (None, None) => return TokenStream::new(),
        (None, Some(function)) => Error::new_spanned(
            function,
            "is never called without `#[stream_request_body]` under `#[handler]`",
        ),
        (Some(stream), None) => Error::new_spanned(stream, "needs a function `data_received`"),
        (Some(stream), Some(_)) => match stream.meta.require_path_only() {
            Ok(_) => {
                return quote!(
                    const STREAMS_BODY: bool = true;
                );
            }
            Err(error) => error,
        },
    };
    let fault = fault.into_compile_error();
    quote!(const STREAMS_BODY: bool = { #fault true };)
}

/// Tornado's decorators `@addslash` and `@removeslash`: the function begins with what they do.
fn expand_slash(function: &mut ImplItemFn) -> Result<()> {
    let is_slash = |attribute: &syn::Attribute| {
        attribute.path().is_ident("addslash") || attribute.path().is_ident("removeslash")
    };
    let (slashes, others): (Vec<_>, _) = function.attrs.drain(..).partition(is_slash);
    function.attrs = others;
    for slash in slashes {
        slash.meta.require_path_only()?;
        if !METHODS.contains(&function.sig.ident.to_string().as_str()) {
            let message = "belongs on a method: `get`, `head`, `post`, …";
            return Err(Error::new_spanned(&slash, message));
        }
        let Some(cx) = context(function) else {
            let message = "needs a name for the context: `cx: &Context`";
            return Err(Error::new_spanned(&slash, message));
        };
        let done = match slash.path().is_ident("addslash") {
            true => quote!(add_slash),
            false => quote!(remove_slash),
        };
        let span = slash
            .path()
            .get_ident()
            .map_or_else(Span::call_site, Ident::span);
        function.block.stmts.insert(
            0,
            parse_quote_spanned! {span=>
                if ::waterspout_sdk::__private::#done(#cx)? {
                    return ::core::result::Result::Ok(());
                }
            },
        );
    }
    Ok(())
}

/// What a function calls its context.
fn context(function: &ImplItemFn) -> Option<&Ident> {
    match function.sig.inputs.get(1)? {
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(name) => Some(&name.ident),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    }
}

fn has_default_headers(item: &ItemImpl) -> bool {
    item.items.iter().any(
        |item| matches!(item, ImplItem::Fn(function) if function.sig.ident == "set_default_headers"),
    )
}

struct Route {
    pattern: LitStr,
    name: Option<LitStr>,
    host: Option<LitStr>,
    kwargs: Option<String>,
}

impl Parse for Route {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut route = Self {
            pattern: input.parse()?,
            name: None,
            host: None,
            kwargs: None,
        };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            let key: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let was_there = match key.to_string().as_str() {
                "name" => route.name.replace(input.parse()?).is_some(),
                "host" => route.host.replace(input.parse()?).is_some(),
                "kwargs" => route.kwargs.replace(parse_json_object(input)?).is_some(),
                other => {
                    let message = format!(
                        "unknown argument `{other}`: a route has `name`, `host` and `kwargs`"
                    );
                    return Err(Error::new(key.span(), message));
                }
            };
            if was_there {
                return Err(Error::new(key.span(), format!("`{key}` stands here twice")));
            }
        }
        Ok(route)
    }
}

impl Route {
    fn into_tokens(self) -> TokenStream {
        let Self {
            pattern,
            name,
            host,
            kwargs,
        } = self;
        let [name, host] = [name, host].map(optional);
        let kwargs = optional(kwargs);
        quote! {
            ::waterspout_sdk::__private::Route { pattern: #pattern, name: #name, host: #host, kwargs: #kwargs }
        }
    }
}

fn parse_json_object(input: ParseStream) -> Result<String> {
    let inner;
    let braces = braced!(inner in input);
    let text = format!("{{{}}}", inner.parse::<TokenStream>()?);
    match serde_json::from_str::<serde_json::Map<_, _>>(&text) {
        Ok(object) => Ok(serde_json::Value::Object(object).to_string()),
        Err(error) => Err(Error::new(
            braces.span.join(),
            format!("not a JSON object: {error}"),
        )),
    }
}

fn function_name(item: &ImplItem) -> Option<&Ident> {
    match item {
        ImplItem::Fn(function) => Some(&function.sig.ident),
        _ => None,
    }
}

/// A function for a method beyond the seven, under `#[method("QUERY")]`.
struct Other {
    method: LitStr,
    function: ImplItemFn,
}

/// Takes them out of the trait's functions, and returns their faults, too.
fn take_others(item: &mut ItemImpl) -> (Vec<Other>, Vec<TokenStream>) {
    let (mut others, mut faults) = (Vec::<Other>::new(), Vec::new());
    let mut items = Vec::new();
    for item in item.items.drain(..) {
        let ImplItem::Fn(mut function) = item else {
            items.push(item);
            continue;
        };
        let is_method = |attribute: &syn::Attribute| attribute.path().is_ident("method");
        let (attributes, rest): (Vec<_>, _) = function.attrs.drain(..).partition(is_method);
        function.attrs = rest;
        let Some(attribute) = attributes.first() else {
            items.push(ImplItem::Fn(function));
            continue;
        };
        let known = |method: &LitStr| {
            others
                .iter()
                .any(|other| other.method.value() == method.value())
        };
        match attribute.parse_args::<LitStr>().and_then(check_method) {
            Ok(method) if known(&method) => {
                let message = format!("two functions are for `{}`", method.value());
                faults.push(Error::new_spanned(method, message).into_compile_error());
            }
            Ok(method) => others.push(Other { method, function }),
            Err(error) => faults.push(error.into_compile_error()),
        }
    }
    item.items = items;
    (others, faults)
}

/// A name that a request line may have (RFC 9110, section 9.1), and that no function of the trait is for.
fn check_method(method: LitStr) -> Result<LitStr> {
    let name = method.value();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let message = if name.is_empty() || !name.chars().all(is_token) {
        format!("{name:?} is no method: a name like `QUERY` is")
    } else if METHODS.contains(&name.to_lowercase().as_str()) {
        format!(
            "`{name}` has a function of its own: `async fn {}`",
            name.to_lowercase()
        )
    } else if name == "CONNECT" {
        "no handler gets CONNECT".to_owned()
    } else {
        return Ok(method);
    };
    Err(Error::new_spanned(method, message))
}

/// A JSON value, written as an expression: an object, a list, a string, a number.
pub fn parse_json(input: ParseStream) -> Result<String> {
    let tokens: proc_macro2::TokenTree = input.parse()?;
    let sign = matches!(&tokens, proc_macro2::TokenTree::Punct(sign) if sign.as_char() == '-');
    let text = match sign {
        true => format!("-{}", input.parse::<proc_macro2::TokenTree>()?),
        false => tokens.to_string(),
    };
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) => Ok(value.to_string()),
        Err(error) => Err(Error::new(tokens.span(), format!("not JSON: {error}"))),
    }
}

pub fn optional(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
