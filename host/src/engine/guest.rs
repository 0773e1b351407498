//! The functions of one instance, looked up and type-checked once. Calls none of them.

use std::sync::Arc;

use http::Method;
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, TypedFunc};
use wasmtime::error::Context as _;

use crate::bindings::{Arguments, Call, Description, Failure, Outcome};
use crate::resources::Ctx;

/// The interface that every handler component exports.
const HANDLER: &str = "waterspout:web/handler@0.1.0";

/// The methods that a handler can have, in the order of `Guest::methods`.
const METHODS: [(Method, &str); 7] = [
    (Method::GET, "get"),
    (Method::HEAD, "head"),
    (Method::POST, "post"),
    (Method::PUT, "put"),
    (Method::DELETE, "delete"),
    (Method::PATCH, "patch"),
    (Method::OPTIONS, "options"),
];

/// Where `Guest::methods` has the function for this method. `None`: no handler can have it.
pub fn method_index(method: &Method) -> Option<usize> {
    METHODS.iter().position(|(known, _)| known == method)
}

/// A function with arguments `P` that ends with an outcome.
pub type Step<P> = TypedFunc<P, (Outcome,)>;

/// The exports of one instance.
pub struct Guest {
    pub describe: TypedFunc<(), (Description,)>,
    pub start: TypedFunc<(), (Result<(), String>,)>,
    pub stop: TypedFunc<(), ()>,
    pub initialize: Step<(Call, Arc<str>)>,
    pub prepare: Step<(Call, Arc<Arguments>)>,
    pub methods: [Step<(Call, Arc<Arguments>)>; METHODS.len()],
    pub write_error: Step<(Call, Failure)>,
    pub on_connection_close: TypedFunc<(Call,), ()>,
    pub on_finish: TypedFunc<(Call,), ()>,
    pub cancel: TypedFunc<(u64,), ()>,
    pub release: TypedFunc<(u64,), ()>,
}

impl Guest {
    /// Looks the functions up.
    pub fn of(instance: &Instance, store: &mut Store<Ctx>) -> wasmtime::Result<Self> {
        let mut exports = Exports { instance, store };
        let mut method = |name| exports.function(name);
        let methods = [
            method(METHODS[0].1)?,
            method(METHODS[1].1)?,
            method(METHODS[2].1)?,
            method(METHODS[3].1)?,
            method(METHODS[4].1)?,
            method(METHODS[5].1)?,
            method(METHODS[6].1)?,
        ];
        Ok(Self {
            methods,
            describe: exports.function("describe")?,
            start: exports.function("start")?,
            stop: exports.function("stop")?,
            initialize: exports.function("initialize")?,
            prepare: exports.function("prepare")?,
            write_error: exports.function("write-error")?,
            on_connection_close: exports.function("on-connection-close")?,
            on_finish: exports.function("on-finish")?,
            cancel: exports.function("cancel")?,
            release: exports.function("release")?,
        })
    }
}

struct Exports<'a> {
    instance: &'a Instance,
    store: &'a mut Store<Ctx>,
}

impl Exports<'_> {
    fn function<P, R>(&mut self, name: &str) -> wasmtime::Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let interface = self
            .instance
            .get_export_index(&mut *self.store, None, HANDLER)
            .with_context(|| format!("no export `{HANDLER}`"))?;
        let index = self
            .instance
            .get_export_index(&mut *self.store, Some(&interface), name)
            .with_context(|| format!("no function `{name}` in `{HANDLER}`"))?;
        self.instance
            .get_typed_func(&mut *self.store, index)
            .with_context(|| format!("`{name}` of `{HANDLER}`"))
    }
}
