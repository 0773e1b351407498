//! Functions of methods beyond the seven, under `#[method("…")]`.

use syn::{Error, ImplItem, ImplItemFn, ItemImpl, LitStr, Result};

use super::METHODS;

/// A function for a method beyond the seven, under `#[method("QUERY")]`.
pub struct Other {
    pub method: LitStr,
    pub function: ImplItemFn,
}

/// Takes them out of the trait's functions, and returns their faults, too.
pub fn take_others(item: &mut ItemImpl) -> (Vec<Other>, Vec<Error>) {
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
                faults.push(Error::new_spanned(method, message));
            }
            Ok(method) => others.push(Other { method, function }),
            Err(error) => faults.push(error),
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
