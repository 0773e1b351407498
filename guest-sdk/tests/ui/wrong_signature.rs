use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Hello;

#[handler]
impl RequestHandler for Hello {
    async fn get(&mut self, name: String) -> Result {
        let _ = name;
        Ok(())
    }
}

export!(Hello);

fn main() {}
