//! Ways out of a static folder, in all spellings that are known here: none gives a byte from outside.

use std::os::unix::fs::symlink;

use http::Request;
use tokio::net::TcpStream;

use super::{app, write};
use crate::harness::{Running, soon};

const SECRET: &str = "the secret of another folder";

/// Paths below the prefix that lead to `secret.txt` beside the folder, or would in a server that decodes once more than
/// it checks, takes a `\` for a `/`, cuts off at a NUL, or follows links.
const WAYS: [&str; 62] = [
    "../secret.txt",
    "./../secret.txt",
    "../../app/secret.txt",
    "sub/../../secret.txt",
    "sub/../../../secret.txt",
    "sub/deep/../../../secret.txt",
    "..//secret.txt",
    ".//../secret.txt",
    "/../secret.txt",
    "//../secret.txt",
    "/secret.txt",
    "%2e%2e/secret.txt",
    "%2E%2E/secret.txt",
    ".%2e/secret.txt",
    "%2e./secret.txt",
    "..%2fsecret.txt",
    "..%2Fsecret.txt",
    "%2e%2e%2fsecret.txt",
    "%2fsecret.txt",
    "sub%2f..%2f..%2fsecret.txt",
    "%252e%252e/secret.txt",
    "%252e%252e%252fsecret.txt",
    "..%252fsecret.txt",
    "%25252e%25252e%25252fsecret.txt",
    "..%5csecret.txt",
    "..\\secret.txt",
    "%2e%2e%5csecret.txt",
    "sub%5c..%5c..%5csecret.txt",
    "..%255csecret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "%c0%ae%c0%ae%c0%afsecret.txt",
    "..%c0%afsecret.txt",
    "%e0%80%ae%e0%80%ae/secret.txt",
    "%f0%80%80%ae%f0%80%80%ae/secret.txt",
    "..%c1%9csecret.txt",
    "%uff0e%uff0e/secret.txt",
    "%ef%bc%8e%ef%bc%8e/secret.txt",
    "..%ef%bc%8fsecret.txt",
    "%e2%80%a4%e2%80%a4/secret.txt",
    "..%e2%88%95secret.txt",
    "..%00/secret.txt",
    "../secret.txt%00",
    "../secret.txt%00.css",
    "%00../secret.txt",
    "a.css%00/../../secret.txt",
    "..;/secret.txt",
    "..%3b/secret.txt",
    "....//secret.txt",
    "..../secret.txt",
    "..%20/secret.txt",
    "..%09/secret.txt",
    "..%0a/secret.txt",
    "..%0d%0a/secret.txt",
    "a.css/../../secret.txt",
    "a.css/../secret.txt",
    "sub/link.txt",
    "link.txt",
    "absolute.txt",
    "linked/secret.txt",
    "linked/../secret.txt",
    "chain/secret.txt",
    "proc/self/root/etc/passwd",
];

/// An app whose folder of files has links that lead out.
async fn serve() -> Running {
    let app = app(&[("a.css", b"inside"), ("sub/deep/b.css", b"inside")]);
    write(&app, "secret.txt", SECRET.as_bytes());
    write(&app, "beside/secret.txt", SECRET.as_bytes());
    let inside = |path: &str| app.path().join("static").join(path);
    symlink("../secret.txt", inside("link.txt")).unwrap();
    symlink("../../secret.txt", inside("sub/link.txt")).unwrap();
    symlink(app.path().join("secret.txt"), inside("absolute.txt")).unwrap();
    symlink("../beside", inside("linked")).unwrap();
    symlink("linked", inside("chain")).unwrap();
    symlink("/proc", inside("proc")).unwrap();
    symlink("sub", inside("within")).unwrap();
    let app = app.config(
        "[server]\nh2c = true\n\n\
         [[route]]\npattern = '/files/(.*)'\nhandler = 'builtin:static'\n\
         kwargs = { path = 'static', default_filename = 'index.html', dot_files = true }\n\n\
         [[route]]\npattern = '(?:/deep)+/(.*)'\nhandler = 'builtin:static'\n\
         kwargs = { path = 'static/sub/deep' }\n",
    );
    app.serve().await
}

#[tokio::test]
async fn no_spelling_leads_out_of_the_folder() {
    let server = serve().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut asked = 0;
    for prefix in ["/static/", "/files/", "/deep/"] {
        for way in WAYS {
            let path = format!("{prefix}{way}");
            let mut one = server.connect().await;
            one.send(format!(
                "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            ))
            .await;
            let answer = String::from_utf8_lossy(&one.rest().await).into_owned();
            assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
            assert!(
                !answer.contains(SECRET) && !answer.contains("root:"),
                "{path}"
            );
            asked += 1;
            // What no client of HTTP/2 can send is no path there either.
            let Ok(request) = Request::get(format!("http://a{path}")).body(()) else {
                continue;
            };
            let mut client = client.clone().ready().await.unwrap();
            let (response, _) = client.send_request(request, true).unwrap();
            let response = soon(response).await.unwrap();
            assert!(response.status().is_client_error(), "{path}");
            let mut body = response.into_body();
            let mut bytes = Vec::new();
            while let Some(data) = body.data().await {
                bytes.extend(data.unwrap());
            }
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(SECRET) && !text.contains("root:"), "{path}");
            asked += 1;
        }
    }
    assert!(asked > 300, "{asked} were asked");
    // A link within the folder is one of its files.
    assert_eq!(server.get("/static/within/deep/b.css").await.body, "inside");
    assert_eq!(server.get("/static/a.css").await.body, "inside");
}
