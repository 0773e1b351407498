//! Tornado's decorators of methods, `#[addslash]`, `#[removeslash]` and `#[authenticated]`: a function begins with what
//! they do, in the order in which they stand there.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, FnArg, Ident, ImplItemFn, Pat, Result, Stmt, parse_quote_spanned};

use super::METHODS;

const DECORATORS: [&str; 3] = ["addslash", "removeslash", "authenticated"];

/// Takes them from a function.
pub fn expand_decorators(function: &mut ImplItemFn) -> Result<()> {
    let is_decorator = |attribute: &syn::Attribute| {
        let path = attribute.path();
        DECORATORS.iter().any(|name| path.is_ident(name))
    };
    let (decorators, others): (Vec<_>, _) = function.attrs.drain(..).partition(is_decorator);
    function.attrs = others;
    let is_beyond = function
        .attrs
        .iter()
        .any(|attribute| attribute.path().is_ident("method"));
    let mut begin: Vec<Stmt> = Vec::new();
    for decorator in decorators {
        decorator.meta.require_path_only()?;
        let is_method = METHODS.contains(&function.sig.ident.to_string().as_str());
        if !is_method && !is_beyond {
            let message = "belongs on a method: `get`, `head`, `post`, …";
            return Err(Error::new_spanned(&decorator, message));
        }
        let Some(cx) = context(function) else {
            let message = "needs a name for the context: `cx: &Context`";
            return Err(Error::new_spanned(&decorator, message));
        };
        let name = decorator.path().get_ident();
        let span = name.map_or_else(Span::call_site, Ident::span);
        let done = match name {
            Some(name) if name == "addslash" => quote!(add_slash(#cx)?),
            Some(name) if name == "removeslash" => quote!(remove_slash(#cx)?),
            _ => waits(cx, span),
        };
        begin.push(parse_quote_spanned! {span=>
            if ::waterspout_sdk::__private::#done {
                return ::core::result::Result::Ok(());
            }
        });
    }
    function.block.stmts.splice(0..0, begin);
    Ok(())
}

fn waits(cx: &Ident, span: Span) -> TokenStream {
    quote_spanned!(span=> send_to_login(self, #cx).await?)
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
