//! The data of a store that belongs to capabilities: of each type one value. Does not know the types.

use std::any::Any;

/// One capability's data in one store.
pub type Part = Box<dyn Any + Send>;

/// The data of all capabilities in one store.
pub struct Parts(Box<[Part]>);

impl Parts {
    pub fn new(parts: Box<[Part]>) -> Self {
        Self(parts)
    }

    /// The data of this type. Its capability has made it with the store.
    ///
    /// # Panics
    ///
    /// If no capability makes data of this type.
    pub fn get<T: 'static>(&self) -> &T {
        let found = self.0.iter().find_map(|part| part.downcast_ref());
        found.expect("every capability's data is made with the store")
    }

    /// The same, to be changed.
    ///
    /// # Panics
    ///
    /// If no capability makes data of this type.
    pub fn get_mut<T: 'static>(&mut self) -> &mut T {
        let found = self.0.iter_mut().find_map(|part| part.downcast_mut());
        found.expect("every capability's data is made with the store")
    }
}
