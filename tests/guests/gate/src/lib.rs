//! A gate in a guest: requests wait at it until a test lets them go, and a test sees how many do. So no test has to guess
//! how long it takes until all are inside. Each instance has a gate of its own.

use std::cell::Cell;

use waterspout_sdk::locks::Event;

static GO: Event = Event::new();

thread_local! {
    static WAITING: Cell<u32> = const { Cell::new(0) };
}

/// Waits until a test says `let_go`.
pub async fn wait() {
    let _waiting = Waiting::begin();
    GO.wait().await;
}

/// Lets all go who wait.
pub fn let_go() {
    GO.set();
    GO.clear();
}

/// How many wait.
pub fn waiting() -> u32 {
    WAITING.get()
}

struct Waiting;

impl Waiting {
    fn begin() -> Self {
        WAITING.set(WAITING.get() + 1);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.set(WAITING.get() - 1);
    }
}

/// The handler `Gate` at this path. GET: how many wait. POST lets them go.
#[macro_export]
macro_rules! gate {
    ($path:tt) => {
        #[derive(Default)]
        struct Gate;

        #[handler]
        #[route($path)]
        impl RequestHandler for Gate {
            async fn get(&mut self, cx: &Context) -> Result {
                cx.write_json(&$crate::waiting())
            }

            async fn post(&mut self, _: &Context) -> Result {
                $crate::let_go();
                Ok(())
            }
        }
    };
}
