//! The example `fetch`: the demo app asks itself.

use crate::oracle::demo;

#[tokio::test]
async fn the_demo_fetches_from_itself_one_page_or_several_at_once() {
    let server = demo().serve().await;
    let own = format!("http://{}", server.address);
    let one = server.get(&format!("/fetch?url={own}/hello")).await;
    assert_eq!(one.body, format!("{own}/hello: 12 bytes\n"));
    let many = format!("/fetch/many?url={own}/hello&url={own}/none&url=http://example.com/");
    let refused = "HTTP 599: Not granted: `allow = { http = […] }` of the component does not name this origin";
    let list = server.get(&many).await;
    assert_eq!(
        list.body,
        format!(r#"[12,"HTTP 404: Not Found","{refused}"]"#)
    );
    let map = server.get(&format!("{many}&format=map")).await;
    let pairs = format!(
        r#"{{"{own}/hello":12,"{own}/none":"HTTP 404: Not Found","http://example.com/":"{refused}"}}"#
    );
    assert_eq!(map.body, pairs);
    let failed = server.get("/fetch?url=http://example.com/").await;
    assert_eq!(failed.status, 502);
}
