//! A form, and the body that it sends.

use waterspout_sdk::prelude::*;

#[derive(Default)]
struct MyForm;

#[handler]
impl RequestHandler for MyForm {
    async fn get(&mut self, cx: &Context) -> Result {
        cx.write(concat!(
            r#"<html><body><form action="/myform" method="POST">"#,
            r#"<input type="text" name="message">"#,
            r#"<input type="submit" value="Submit">"#,
            r#"</form></body></html>"#,
        ))
    }

    async fn post(&mut self, cx: &Context) -> Result {
        let message = cx.get_body_argument("message").await?;
        cx.set_header("Content-Type", "text/plain")?;
        cx.write(format!("You wrote {message}"))
    }
}

export!(MyForm);
