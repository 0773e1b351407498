//! A component of another world, which exports no handler. A test of `generation` sees it refused by name.

#![allow(unsafe_code, reason = "`export!` of wit-bindgen is made of it")]

wit_bindgen::generate!({
    inline: "
        package nowhere:other;
        world other {
            export greet: func() -> string;
        }
    ",
});

struct Other;

export!(Other);

impl Guest for Other {
    fn greet() -> String {
        "hello".to_owned()
    }
}
