//! What a component imports, by name. Decides nothing.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// One interface that a component imports.
pub struct Import {
    /// As in WIT: `wasi:io/poll@0.2.6`.
    pub name: String,
    /// The functions that it imports, as WIT names them: `[method]descriptor.open-at`.
    pub functions: Vec<String>,
}

impl Import {
    /// All imports of a component, in its own order.
    pub fn all(component: &Component) -> Vec<Import> {
        let engine = component.engine();
        let component = component.component_type();
        let imports = component.imports(engine).map(|(name, import)| Import {
            name: name.to_owned(),
            functions: match &import.ty {
                ComponentItem::ComponentInstance(interface) => interface
                    .exports(engine)
                    .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
                    .map(|(function, _)| function.to_owned())
                    .collect(),
                ComponentItem::ComponentFunc(_) => vec![name.to_owned()],
                _ => Vec::new(),
            },
        });
        imports.collect()
    }

    /// The name of the first of these imports that is meant.
    pub fn first(imports: &[Import], is_meant: impl Fn(&Import) -> bool) -> Option<&str> {
        let import = imports.iter().find(|import| is_meant(import));
        import.map(|import| &*import.name)
    }

    /// Whether the interface's name begins so.
    pub fn is(&self, begin: &str) -> bool {
        self.name.starts_with(begin)
    }

    /// Whether one of its functions is meant.
    pub fn calls(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.functions.iter().any(|name| is_meant(name))
    }
}
