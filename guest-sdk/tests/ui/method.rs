use waterspout_sdk::prelude::*;

#[derive(Default)]
struct Search;

#[handler]
impl RequestHandler for Search {
    #[method("GET")]
    async fn read(&mut self, cx: &Context) -> Result {
        cx.write("a")
    }

    #[method("TWO WORDS")]
    async fn two(&mut self, cx: &Context) -> Result {
        cx.write("b")
    }

    #[method("QUERY")]
    async fn query(&mut self, cx: &Context) -> Result {
        cx.write("c")
    }

    #[method("QUERY")]
    async fn again(&mut self, cx: &Context) -> Result {
        cx.write("d")
    }
}

fn main() {}
