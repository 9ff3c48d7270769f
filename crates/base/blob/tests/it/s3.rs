//! What is peculiar to S3.

use std::time::Duration;

use bytes::Bytes;
use pentad_blob::testing::S3Server;
use pentad_blob::{Blobs, Error, Limits, Options};

use crate::{key, noise, prefix};

#[tokio::test]
async fn prefixes_of_one_bucket_are_apart() {
    let server = S3Server::start().await;
    let open = |prefix| Blobs::open_with(&server.url(prefix), &server.options()).unwrap();
    let (whole, left, right) = (open(""), open("left"), open("/right/side/"));
    let id = left
        .put_addressed(&prefix("cas"), Bytes::from_static(b"content"))
        .await
        .unwrap();
    let missing = right.get_addressed(&prefix("cas"), &id, 100).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })));
    assert_eq!(right.list(&prefix("cas"), None, 1).await.unwrap().objects, []);
    assert_eq!(left.list(&prefix("cas"), None, 1).await.unwrap().objects.len(), 1);
    let seen_whole = whole.get_addressed(&prefix("left/cas"), &id, 100).await.unwrap();
    assert_eq!(seen_whole, "content");
}

#[tokio::test]
async fn an_object_of_real_parts() {
    let server = S3Server::start().await;
    let blobs = Blobs::open_with(&server.url(""), &server.options()).unwrap();
    let bytes = noise(20 << 20, 1);
    let id = blobs.put_addressed(&prefix("cas"), bytes.clone()).await.unwrap();
    assert_eq!(
        blobs.get_addressed(&prefix("cas"), &id, 20 << 20).await.unwrap(),
        bytes
    );
}

#[tokio::test]
async fn wrong_credentials_are_denied() {
    let server = S3Server::start().await;
    let mut options = server.options();
    options
        .environment
        .retain(|(name, _)| name != "AWS_SECRET_ACCESS_KEY");
    options
        .environment
        .push(("AWS_SECRET_ACCESS_KEY".to_owned(), "wrong".to_owned()));
    let blobs = Blobs::open_with(&server.url(""), &options).unwrap();
    let outcome = blobs.put_addressed(&prefix("cas"), Bytes::new()).await;
    assert!(matches!(outcome, Err(Error::Denied { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let server = S3Server::start().await;
    let limits = Limits {
        timeout: Duration::from_secs(5),
        retries: 1,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..server.options()
    };
    let blobs = Blobs::open_with(&server.url(""), &options).unwrap();
    blobs.put_addressed(&prefix("cas"), Bytes::new()).await.unwrap();
    drop(server);
    let error = blobs.head(&key("cas/object")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_server_that_never_answers_is_timed_out() {
    // Bound and never accepted from: connections are made by the kernel, and stay silent.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    pentad_blob::install_crypto_provider();
    let environment = [
        (
            "AWS_ENDPOINT_URL",
            format!("http://{}", silent.local_addr().unwrap()),
        ),
        ("AWS_REGION", "r".to_owned()),
        ("AWS_ACCESS_KEY_ID", "a".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "s".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let limits = Limits {
        timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let blobs = Blobs::open_with("s3://bucket", &Options { limits, environment }).unwrap();
    match blobs.head(&key("a/object")).await {
        Err(Error::Timeout { after, key, .. }) => {
            assert_eq!((after, key.as_str()), (Duration::from_millis(200), "a/object"));
        }
        other => panic!("{other:?}"),
    }
}
