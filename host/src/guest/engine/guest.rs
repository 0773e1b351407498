//! The functions of one instance: where they are is looked up once for a component, and each is type-checked when
//! it is first wanted. Calls none of them.

use std::sync::{Arc, OnceLock};

use http::Method;
use wasmtime::AsContextMut;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc,
};
use wasmtime::error::Context as _;

use crate::guest::bindings::{
    Arguments, Call, Description, Failure, Functions, JobDescription, Outcome,
};
use crate::guest::resources::Ctx;

/// The interface that every handler component exports.
const HANDLER: &str = "waterspout:web/handler@0.1.0";

/// The one of what a component does beside its requests. It need not be there.
const JOBS: &str = "waterspout:web/jobs@0.1.0";

/// The methods that a handler can have, in the order of `Guest::methods`: how HTTP and WIT name each.
pub const METHODS: [(Method, &str, Functions); 7] = [
    (Method::GET, "get", Functions::GET),
    (Method::HEAD, "head", Functions::HEAD),
    (Method::POST, "post", Functions::POST),
    (Method::PUT, "put", Functions::PUT),
    (Method::DELETE, "delete", Functions::DELETE),
    (Method::PATCH, "patch", Functions::PATCH),
    (Method::OPTIONS, "options", Functions::OPTIONS),
];

/// Where `Guest::methods` has the function for this method. `None`: no handler can have it.
pub fn method_index(method: &Method) -> Option<usize> {
    METHODS.iter().position(|(known, ..)| known == method)
}

/// Where a component has its functions.
pub struct Exports {
    describe: ComponentExportIndex,
    start: ComponentExportIndex,
    stop: ComponentExportIndex,
    initialize: ComponentExportIndex,
    prepare: ComponentExportIndex,
    methods: [ComponentExportIndex; METHODS.len()],
    write_error: ComponentExportIndex,
    on_connection_close: ComponentExportIndex,
    on_finish: ComponentExportIndex,
    cancel: ComponentExportIndex,
    release: ComponentExportIndex,
    jobs: Option<JobExports>,
}

/// The same of its work beside requests.
struct JobExports {
    describe: ComponentExportIndex,
    run: ComponentExportIndex,
    cancel: ComponentExportIndex,
    call: ComponentExportIndex,
}

impl JobExports {
    fn of(component: &Component) -> wasmtime::Result<Option<Self>> {
        let Some(interface) = component.get_export_index(None, JOBS) else {
            return Ok(None);
        };
        let find = |name: &str| {
            component
                .get_export_index(Some(&interface), name)
                .with_context(|| format!("no function `{name}` in `{JOBS}`"))
        };
        Ok(Some(Self {
            describe: find("describe")?,
            run: find("run")?,
            cancel: find("cancel")?,
            call: find("call")?,
        }))
    }
}

impl Exports {
    /// Whether the component has work beside its requests.
    pub fn has_jobs(&self) -> bool {
        self.jobs.is_some()
    }

    /// Looks the functions up, whatever their types.
    pub fn of(component: &Component) -> wasmtime::Result<Self> {
        let interface = component
            .get_export_index(None, HANDLER)
            .with_context(|| no_handler(component))?;
        let find = |name: &str| {
            component
                .get_export_index(Some(&interface), name)
                .with_context(|| format!("no function `{name}` in `{HANDLER}`"))
        };
        let method = |index: usize| find(METHODS[index].1);
        Ok(Self {
            describe: find("describe")?,
            start: find("start")?,
            stop: find("stop")?,
            initialize: find("initialize")?,
            prepare: find("prepare")?,
            methods: [
                method(0)?,
                method(1)?,
                method(2)?,
                method(3)?,
                method(4)?,
                method(5)?,
                method(6)?,
            ],
            write_error: find("write-error")?,
            on_connection_close: find("on-connection-close")?,
            on_finish: find("on-finish")?,
            cancel: find("cancel")?,
            release: find("release")?,
            jobs: JobExports::of(component)?,
        })
    }
}

/// That a component has no handlers, and what it has instead.
fn no_handler(component: &Component) -> String {
    let engine = component.engine();
    let component = component.component_type();
    let exports: Vec<&str> = component.exports(engine).map(|(name, _)| name).collect();
    match exports.is_empty() {
        true => format!("no export `{HANDLER}`, nor any other"),
        false => format!("no export `{HANDLER}`, but `{}`", exports.join("`, `")),
    }
}

/// One function of one instance.
pub struct Function<P, R> {
    index: ComponentExportIndex,
    found: OnceLock<TypedFunc<P, R>>,
}

impl<P, R> Function<P, R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    fn at(index: &ComponentExportIndex) -> Self {
        Self {
            index: *index,
            found: OnceLock::new(),
        }
    }

    /// The function itself, to be called.
    pub fn of(
        &self,
        instance: &Instance,
        store: impl AsContextMut<Data = Ctx>,
    ) -> wasmtime::Result<TypedFunc<P, R>> {
        if let Some(found) = self.found.get() {
            return Ok(*found);
        }
        let found = instance.get_typed_func(store, self.index)?;
        Ok(*self.found.get_or_init(|| found))
    }
}

/// A function with arguments `P` that ends with an outcome.
pub type Step<P> = Function<P, (Outcome,)>;

/// The exports of one instance.
pub struct Guest {
    pub instance: Instance,
    pub describe: Function<(), (Description,)>,
    pub start: Function<(), (Result<(), String>,)>,
    pub stop: Function<(), ()>,
    pub initialize: Step<(Call, Arc<str>)>,
    pub prepare: Step<(Call, Arc<Arguments>)>,
    pub methods: [Step<(Call, Arc<Arguments>)>; METHODS.len()],
    pub write_error: Step<(Call, Failure)>,
    pub on_connection_close: Function<(Call,), ()>,
    pub on_finish: Function<(Call,), ()>,
    pub cancel: Function<(u64,), ()>,
    pub release: Function<(u64,), ()>,
    pub jobs: Option<Jobs>,
}

/// Those of its exports that belong to no request.
pub struct Jobs {
    pub describe: Function<(), (JobDescription,)>,
    pub run: Function<(u64,), (Result<(), String>,)>,
    pub cancel: Function<(u64,), ()>,
    pub call: Function<(String, Vec<u8>), (Called,)>,
}

/// What a function gives that is called by its name.
pub type Called = Result<Vec<u8>, String>;

impl Guest {
    /// The functions of this instance, none of which is looked at yet.
    pub fn of(instance: Instance, exports: &Exports) -> Self {
        Self {
            instance,
            describe: Function::at(&exports.describe),
            start: Function::at(&exports.start),
            stop: Function::at(&exports.stop),
            initialize: Function::at(&exports.initialize),
            prepare: Function::at(&exports.prepare),
            methods: exports.methods.each_ref().map(Function::at),
            write_error: Function::at(&exports.write_error),
            on_connection_close: Function::at(&exports.on_connection_close),
            on_finish: Function::at(&exports.on_finish),
            cancel: Function::at(&exports.cancel),
            release: Function::at(&exports.release),
            jobs: exports.jobs.as_ref().map(|jobs| Jobs {
                describe: Function::at(&jobs.describe),
                run: Function::at(&jobs.run),
                cancel: Function::at(&jobs.cancel),
                call: Function::at(&jobs.call),
            }),
        }
    }

    /// Checks the types of all functions: what holds for one instance holds for every one of its component.
    pub fn check(&self, mut store: impl AsContextMut<Data = Ctx>) -> wasmtime::Result<()> {
        let mut store = store.as_context_mut();
        let instance = &self.instance;
        self.describe.of(instance, &mut store).context("describe")?;
        self.start.of(instance, &mut store).context("start")?;
        self.stop.of(instance, &mut store).context("stop")?;
        self.initialize
            .of(instance, &mut store)
            .context("initialize")?;
        self.prepare.of(instance, &mut store).context("prepare")?;
        for (method, (_, name, _)) in self.methods.iter().zip(&METHODS) {
            method.of(instance, &mut store).context(*name)?;
        }
        self.write_error
            .of(instance, &mut store)
            .context("write-error")?;
        self.on_connection_close
            .of(instance, &mut store)
            .context("on-connection-close")?;
        self.on_finish
            .of(instance, &mut store)
            .context("on-finish")?;
        self.cancel.of(instance, &mut store).context("cancel")?;
        self.release.of(instance, &mut store).context("release")?;
        if let Some(jobs) = &self.jobs {
            jobs.describe
                .of(instance, &mut store)
                .context("jobs: describe")?;
            jobs.run.of(instance, &mut store).context("jobs: run")?;
            jobs.cancel
                .of(instance, &mut store)
                .context("jobs: cancel")?;
            jobs.call.of(instance, &mut store).context("jobs: call")?;
        }
        Ok(())
    }
}
