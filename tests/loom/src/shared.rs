//! The room `shared`, as far as it is modelled: the real files, and the models, which stand where
//! the rest of the room does.

#[path = "../../../src/shared/load.rs"]
mod load;
#[path = "models.rs"]
mod models;
#[path = "../../../src/shared/slots.rs"]
mod slots;
