//! `export!`: the handlers of a component, what runs when an instance starts and stops, and what else it does.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Ident, Path, Result, Token, Type, bracketed};

use crate::handler::type_name;
use crate::jobs::{Functions, Schedules};

pub fn expand(input: TokenStream) -> Result<TokenStream> {
    let Export {
        handlers,
        single,
        websocket,
        tcp,
        start,
        stop,
        save,
        restore,
        functions,
        schedules,
    } = syn::parse2(input)?;
    let functions = functions.unwrap_or_default();
    let schedules = schedules.unwrap_or_default().into_tokens(&functions)?;
    let functions = functions.into_tokens()?;
    let websocket = self::websocket(websocket.as_ref(), &handlers);
    let (tcp_handlers, tcp_exports) = self::tcp(tcp.as_deref())?;
    let (state_functions, state_exports) = state(save.as_ref(), restore.as_ref(), single)?;
    let handlers = list(&handlers);
    let (has_start, has_stop) = (start.is_some(), stop.is_some());
    let [start, stop] = [start, stop].map(|function| match function {
        Some(function) => quote_spanned!(function.span()=> #function().await),
        None => quote!(::core::result::Result::Ok(())),
    });
    Ok(quote! {
        const _: () = {
            struct Component;

            impl ::waterspout_sdk::__private::Component for Component {
                type Handlers = #handlers;
                #tcp_handlers

                const SINGLE: bool = #single;
                const START: bool = #has_start;
                const STOP: bool = #has_stop;
                #schedules
                #functions

                async fn start() -> ::waterspout_sdk::Result {
                    #start
                }

                async fn stop() -> ::waterspout_sdk::Result {
                    #stop
                }

                #state_functions
            }

            type Exported = ::waterspout_sdk::__private::Exported<Component>;
            ::waterspout_sdk::__private::export_bindings!(
                Exported with_types_in ::waterspout_sdk::__private::bindings
            );
            use ::waterspout_sdk::__private::NoHandler as _;
            #websocket
            #tcp_exports
            #state_exports
        };
    })
}

/// The functions that hand the component's state over, and what it exports for them.
fn state(
    save: Option<&Path>,
    restore: Option<&Path>,
    single: bool,
) -> Result<(TokenStream, TokenStream)> {
    let (save, restore) = match (save, restore) {
        (None, None) => return Ok((TokenStream::new(), TokenStream::new())),
        (Some(save), Some(restore)) => (save, restore),
        (Some(alone), None) | (None, Some(alone)) => {
            let message = "`save` and `restore` need each other: what one makes, the other takes";
            return Err(Error::new_spanned(alone, message));
        }
    };
    if !single {
        let message = "only a `single` component has one state to hand over: `export!(Room, single, save = …)`";
        return Err(Error::new_spanned(save, message));
    }
    let save = quote_spanned!(save.span()=> #save().await);
    let restore = quote_spanned!(restore.span()=> #restore(state).await);
    let functions = quote! {
        async fn save() -> ::waterspout_sdk::Result<::std::vec::Vec<u8>> {
            #save
        }

        async fn restore(state: ::std::vec::Vec<u8>) -> ::waterspout_sdk::Result {
            #restore
        }
    };
    let exports = quote! {
        ::waterspout_sdk::__private::export_state!(
            Exported with_types_in ::waterspout_sdk::__private::bindings::state
        );
    };
    Ok((functions, exports))
}

/// The list of the stream handlers, and what a component exports for them.
fn tcp(handlers: Option<&[Type]>) -> Result<(TokenStream, TokenStream)> {
    let Some(handlers) = handlers else {
        return Ok((
            quote!(
                type TcpHandlers = ();
            ),
            TokenStream::new(),
        ));
    };
    let names = handlers.iter().map(type_name).collect::<Result<Vec<_>>>()?;
    let list = list(handlers);
    let exports = quote! {
        ::waterspout_sdk::__private::export_tcpserver!(
            Exported with_types_in ::waterspout_sdk::__private::bindings::tcpserver
        );
    };
    let handlers = quote! {
        type TcpHandlers = #list;
        const TCP: &'static [&'static str] = &[#(#names),*];
    };
    Ok((handlers, exports))
}

/// A list of types, one pair in the other. What is wrong with one is reported at its name.
fn list(types: &[Type]) -> TokenStream {
    types.iter().rfold(
        quote!(()),
        |rest, ty| quote_spanned!(ty.span()=> (#ty, #rest)),
    )
}

/// What a component with WebSocket handlers exports for them. The flag, and what the handlers are, have to fit.
fn websocket(flag: Option<&Ident>, handlers: &[Type]) -> TokenStream {
    let kinds = handlers.iter().map(
        |ty| quote_spanned!(ty.span()=> ::waterspout_sdk::__private::Kind::<#ty>::IS_WEBSOCKET),
    );
    let Some(flag) = flag else {
        let checks = handlers.iter().zip(kinds).map(|(ty, kind)| {
            quote_spanned! {ty.span()=>
                const _: () = ::core::assert!(
                    !::core::matches!(#kind, ::core::option::Option::Some(true)),
                    "a component with a `WebSocketHandler` says `websocket`: `export!(Echo, websocket)`"
                );
            }
        });
        return quote!(#(#checks)*);
    };
    let check = quote_spanned! {flag.span()=>
        const _: () = ::core::assert!(
            false #(|| !::core::matches!(#kinds, ::core::option::Option::Some(false)))*,
            "`websocket` is for a component with an `impl WebSocketHandler`, and none of these handlers is one"
        );
    };
    quote! {
        #check
        ::waterspout_sdk::__private::export_websocket!(
            Exported with_types_in ::waterspout_sdk::__private::bindings::websocket
        );
    }
}

#[derive(Default)]
struct Export {
    handlers: Vec<Type>,
    single: bool,
    websocket: Option<Ident>,
    tcp: Option<Vec<Type>>,
    start: Option<Path>,
    stop: Option<Path>,
    save: Option<Path>,
    restore: Option<Path>,
    functions: Option<Functions>,
    schedules: Option<Schedules>,
}

impl Parse for Export {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut export = Self::default();
        while !input.is_empty() {
            export.parse_item(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let has_work = export.start.is_some() || export.functions.is_some();
        if export.handlers.is_empty() && export.tcp.is_none() && !has_work {
            let message =
                "a component has a handler, `tcp`, `start` or `functions`: `export!(Hello)`";
            return Err(input.error(message));
        }
        Ok(export)
    }
}

impl Export {
    fn parse_item(&mut self, input: ParseStream) -> Result<()> {
        if input.peek(Ident) && input.peek2(Token![=]) {
            return self.parse_function(input);
        }
        let ty: Type = input.parse()?;
        if let Type::Path(path) = &ty
            && let Some(flag) = path.path.get_ident()
        {
            if flag == "single" {
                self.single = true;
                return Ok(());
            }
            if flag == "websocket" {
                self.websocket = Some(flag.clone());
                return Ok(());
            }
        }
        add(&mut self.handlers, ty)
    }

    fn parse_function(&mut self, input: ParseStream) -> Result<()> {
        let key: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        let was_there = match key.to_string().as_str() {
            "tcp" => self.tcp.replace(parse_types(input)?).is_some(),
            "start" => self.start.replace(input.parse()?).is_some(),
            "stop" => self.stop.replace(input.parse()?).is_some(),
            "save" => self.save.replace(input.parse()?).is_some(),
            "restore" => self.restore.replace(input.parse()?).is_some(),
            "functions" => self.functions.replace(input.parse()?).is_some(),
            "schedules" => self.schedules.replace(input.parse()?).is_some(),
            other => {
                let message = format!(
                    "unknown argument `{other}`: a component has `single`, `websocket`, `tcp`, `start`, `stop`, `save`, `restore`, `functions` and `schedules`"
                );
                return Err(Error::new(key.span(), message));
            }
        };
        if was_there {
            return Err(Error::new(key.span(), format!("`{key}` stands here twice")));
        }
        Ok(())
    }
}

/// `[Echo, crate::gopher::Gopher]`
fn parse_types(input: ParseStream) -> Result<Vec<Type>> {
    let inner;
    let bracket = bracketed!(inner in input);
    let mut types = Vec::new();
    for ty in Punctuated::<Type, Token![,]>::parse_terminated(&inner)? {
        add(&mut types, ty)?;
    }
    match types.is_empty() {
        true => Err(Error::new(
            bracket.span.join(),
            "names no handler: `tcp = [Echo]`",
        )),
        false => Ok(types),
    }
}

/// Adds a handler, whose name no other may have.
fn add(handlers: &mut Vec<Type>, ty: Type) -> Result<()> {
    let name = type_name(&ty)?;
    let mut others = handlers.iter().map(type_name);
    if others.any(|other| other.is_ok_and(|other| other == name)) {
        let message = format!("two handlers of the component are named `{name}`");
        return Err(Error::new_spanned(ty, message));
    }
    handlers.push(ty);
    Ok(())
}
