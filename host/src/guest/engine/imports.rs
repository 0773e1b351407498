//! The imports of a component that the host does not offer. Runs nothing.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

use super::Engine;
use crate::guest::resources::Ctx;

impl Engine {
    /// The imports that the host does not offer, or not with these types.
    ///
    /// The linker names one at a time. A stub is defined for it, until nothing is missing.
    pub fn not_offered(&self, component: &Component) -> Vec<String> {
        let mut linker = self.linker.clone();
        let component_type = component.component_type();
        let imports = component_type.imports(component.engine());
        let mut imports: Vec<_> = imports.map(|(name, import)| (name, import.ty)).collect();
        let mut missing = Vec::new();
        while let Err(error) = linker.instantiate_pre(component) {
            let said = error.to_string();
            let named = |(name, _): &(&str, _)| said.contains(&format!("`{name}`"));
            let Some(at) = imports.iter().position(named) else {
                break;
            };
            let (name, item) = imports.remove(at);
            missing.push(name.to_owned());
            if put_in(&mut linker, name, &item).is_err() {
                break;
            }
        }
        missing
    }
}

/// Defines an import in place of the existing one.
fn put_in(linker: &mut Linker<Ctx>, name: &str, item: &ComponentItem) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    match item {
        ComponentItem::ComponentInstance(interface) => {
            let engine = linker.engine().clone();
            let mut instance = linker.instance(name)?;
            for (name, item) in interface.exports(&engine) {
                put_in_item(&mut instance, name, &item.ty)?;
            }
            Ok(())
        }
        item => put_in_item(&mut linker.root(), name, item),
    }
}

fn put_in_item(
    place: &mut LinkerInstance<'_, Ctx>,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(function) if function.async_() => {
            place.func_new_concurrent(name, |_, _, _, _| Box::pin(async { never() }))
        }
        ComponentItem::ComponentFunc(_) => place.func_new(name, |_, _, _, _| never()),
        ComponentItem::Resource(_) => {
            place.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))
        }
        ComponentItem::Type(_) => Ok(()),
        _ => wasmtime::bail!("only functions and resources can be put in"),
    }
}

fn never() -> wasmtime::Result<()> {
    wasmtime::bail!("this is there for a look only")
}
