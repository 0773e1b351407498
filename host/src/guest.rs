//! Guests: their code, their instances, a request inside one, and what they may call. Knows no app.

pub mod bindings;
pub mod capabilities;
pub mod description;
pub mod engine;
pub mod imports;
pub mod instances;
pub mod invoke;
pub mod resources;
pub mod run;
pub mod stack;
pub mod workers;
