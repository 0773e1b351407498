//! The time from the rename of an edited file into its place to the first answer of the new version.

use std::time::Duration;

use crate::app::App;
use crate::versions::until_answer_has;

/// How many modules the larger app has, beside the file that is run, and how many classes each of them has.
pub const MODULES: usize = 20;
const CLASSES: usize = 20;

/// The milliseconds of each edit of one app.
pub struct Edits {
    pub name: &'static str,
    /// The size of all its files in bytes.
    pub size: usize,
    pub took: Vec<f64>,
}

/// Edits an app of one file, and one of many modules, of which another one is edited each time.
pub fn measure(edits: usize) -> anyhow::Result<Vec<Edits>> {
    eprintln!("edits");
    let one = super::app()?;
    let hello = edit(&one, edits, |version| {
        (
            super::FILE.to_owned(),
            super::APP.replace("Hello, world", &text(version)),
        )
    })?;
    let many = App::with_kept_cache()?;
    let mut size = 0;
    for module in 0..MODULES {
        let source = source(module, 0);
        size += source.len();
        many.replace(&path(module), source.as_bytes())?;
    }
    many.replace("shop/app.py", entry().as_bytes())?;
    let modules = edit(&many, edits, |version| {
        let module = version % MODULES;
        (path(module), source(module, version))
    })?;
    Ok(vec![
        Edits {
            name: "one file",
            size: super::APP.len(),
            took: hello,
        },
        Edits {
            name: "a file and 20 modules, one of which is edited",
            size: size + entry().len(),
            took: modules,
        },
    ])
}

fn edit(
    app: &App,
    edits: usize,
    file: impl Fn(usize) -> (String, String),
) -> anyhow::Result<Vec<f64>> {
    let server = app.serve("shared", None)?;
    let edit = |version| {
        // Until then the work before is over.
        std::thread::sleep(Duration::from_millis(250));
        let (path, text_of_file) = file(version);
        let renamed = app.replace(&path, text_of_file.as_bytes())?;
        let answered = until_answer_has(&text(version), server.address, "/")?;
        Ok((answered - renamed).as_secs_f64() * 1e3)
    };
    (1..=edits).map(edit).collect()
}

fn text(version: usize) -> String {
    format!("version {version} of all")
}

fn path(module: usize) -> String {
    format!("shop/part{module:02}.py")
}

/// A module of the usual kind.
fn source(module: usize, version: usize) -> String {
    let mut source =
        format!("\"\"\"Part {module} of the shop.\"\"\"\n\nimport json\n\nVERSION = {version}\n");
    for number in 0..CLASSES {
        source += &format!(
            "\n\nclass Item{number}:\n    price = {number}\n\n    def __init__(self, name, count=1):\n        self.name = name\n        \
             self.count = count\n\n    def total(self, discount=0):\n        if discount > self.price:\n            raise \
             ValueError(f\"{{self.name}} has no such discount\")\n        return (self.price - discount) * self.count\n\n    \
             def text(self):\n        return json.dumps({{\"name\": self.name, \"total\": self.total()}})\n"
        );
    }
    source
}

/// The file that is run: it answers with the latest version of its modules.
fn entry() -> String {
    let names: Vec<String> = (0..MODULES)
        .map(|module| format!("part{module:02}"))
        .collect();
    let names = names.join(", ");
    format!(
        "import asyncio\nimport {names}\nfrom tornado.web import Application, RequestHandler\n\n\n\
         class Get(RequestHandler):\n    def get(self):\n        \
         self.write(f\"version {{max(part.VERSION for part in [{names}])}} of all\")\n\n\n\
         async def main():\n    Application([(r\"/\", Get)]).listen(8888)\n    await asyncio.Event().wait()\n\n\n\
         asyncio.run(main())\n"
    )
}
