//! A mistake in a handler is reported at the line of its author. `TRYBUILD=overwrite cargo test --test compile_fail`
//! writes the expected messages again.

#[test]
fn mistakes_are_reported_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
