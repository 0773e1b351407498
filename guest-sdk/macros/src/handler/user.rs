//! The type of a handler's users: the one that is written, or that `get_current_user` returns, or that of its base.

use syn::{
    Error, GenericArgument, ImplItem, ImplItemFn, ItemImpl, PathArguments, Result, ReturnType,
    Type, parse_quote,
};

use super::base::Base;

/// The name of the associated type.
const NAME: &str = "User";

/// Adds the type where it is not written.
pub fn complete(item: &mut ItemImpl, base: Option<&Base>) -> Result<()> {
    if item.items.iter().any(is_user) {
        return Ok(());
    }
    let mut functions = item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    });
    let asks = functions.find(|function| function.sig.ident == "get_current_user");
    let (ty, result): (Type, _) = match (asks, base) {
        (Some(function), _) => match returned(function) {
            Some(ty) => (ty.clone(), Ok(())),
            None => {
                let message = "returns `Result<Option<…>>`; where that has another name, write \
                               `type User = …;` beside it";
                let fault = Error::new_spanned(&function.sig.output, message);
                (parse_quote!(()), Err(fault))
            }
        },
        (None, Some(base)) => (base.user(), Ok(())),
        (None, None) => (parse_quote!(()), Ok(())),
    };
    item.items.insert(0, parse_quote!(type User = #ty;));
    result
}

/// Whether it is the type of the users.
pub fn is_user(item: &ImplItem) -> bool {
    matches!(item, ImplItem::Type(ty) if ty.ident == NAME)
}

/// `T` of a function that returns `Result<Option<T>>`.
fn returned(function: &ImplItemFn) -> Option<&Type> {
    match &function.sig.output {
        ReturnType::Type(_, ty) => inside(inside(ty, "Result")?, "Option"),
        ReturnType::Default => None,
    }
}

/// The first argument of a type with this name.
fn inside<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) if last.ident == name => {
            match arguments.args.first()? {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            }
        }
        _ => None,
    }
}
