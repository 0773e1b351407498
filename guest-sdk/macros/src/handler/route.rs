//! The `#[route]` lines under `#[handler]`, and JSON in the arguments of macros.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, ItemImpl, LitStr, Result, Token, braced};

use super::optional;

/// Takes them from the `impl`.
pub fn take_routes(item: &mut ItemImpl) -> Vec<Result<Route>> {
    let (routes, others): (Vec<_>, _) = item
        .attrs
        .drain(..)
        .partition(|attribute| attribute.path().is_ident("route"));
    item.attrs = others;
    routes.iter().map(syn::Attribute::parse_args).collect()
}

/// A route that a handler declares.
pub struct Route {
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
    pub fn into_tokens(self) -> TokenStream {
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
