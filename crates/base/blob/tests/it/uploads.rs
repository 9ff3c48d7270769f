//! Objects of unknown size.

use bytes::Bytes;
use futures_util::stream;
use pentad_blob::{BlobId, Error};

use crate::{key, noise, on_every_store, prefix};

/// The chunks a client might send: of all sizes, some empty.
fn chunks(bytes: &Bytes) -> impl Iterator<Item = Result<Bytes, std::io::Error>> + use<> {
    let bytes = bytes.clone();
    let sizes = [1, 0, 999, 4096, 3 << 20].into_iter().cycle();
    sizes
        .scan(0, move |start, size| {
            let end = (*start + size).min(bytes.len());
            let chunk = bytes.slice(*start..end);
            let done = *start == bytes.len() && size != 0;
            *start = end;
            (!done).then_some(chunk)
        })
        .map(Ok)
}

on_every_store! {
    async fn a_stream_of_any_size_is_stored(store) {
        let part = store.part();
        for length in [0, 1, part - 1, part, part + 1, 3 * part, 4 * part + 345] {
            let bytes = noise(length, 1);
            let stored = store
                .blobs
                .put_stream(&key("u/object"), length as u64, stream::iter(chunks(&bytes)))
                .await
                .unwrap();
            assert_eq!((stored.size, stored.id), (length as u64, BlobId::of(&bytes)));
            assert_eq!(store.blobs.get(&key("u/object"), length as u64).await.unwrap(), bytes);
            assert_eq!(store.blobs.head(&key("u/object")).await.unwrap().size, length as u64);
        }
        assert_eq!(store.remains(), [""; 0]);
    }

    async fn a_stream_beyond_its_cap_leaves_nothing(store) {
        for length in [10, 3 * store.part()] {
            let cap = length as u64 - 1;
            let bytes = noise(length, 2);
            match store.blobs.put_stream(&key("u/object"), cap, stream::iter(chunks(&bytes))).await {
                Err(Error::TooLarge { limit, .. }) => assert_eq!(limit, cap),
                other => panic!("{other:?}"),
            }
            assert_eq!(store.blobs.list(&prefix("u"), None, 1).await.unwrap().objects, []);
            assert_eq!(store.remains(), [""; 0]);
        }
    }

    async fn a_stream_that_fails_leaves_what_was_there(store) {
        let before = noise(50, 3);
        store.blobs.put_stream(&key("u/object"), 50, stream::iter(chunks(&before))).await.unwrap();
        for length in [10, 3 * store.part()] {
            let content = chunks(&noise(length, 4)).chain([Err(std::io::Error::other("client went away"))]);
            let outcome = store.blobs.put_stream(&key("u/object"), 1 << 30, stream::iter(content)).await;
            assert!(matches!(outcome, Err(Error::Content { .. })), "{outcome:?}");
            assert_eq!(store.blobs.get(&key("u/object"), 50).await.unwrap(), before);
            assert_eq!(store.remains(), [""; 0]);
        }
    }

    async fn an_upload_is_invisible_until_it_is_finished(store) {
        let bytes = noise(3 * store.part(), 5);
        let mut upload = store.blobs.upload(&key("u/object"), 1 << 30);
        upload.write(&bytes).await.unwrap();
        assert_eq!(upload.size(), bytes.len() as u64);
        assert!(matches!(store.blobs.head(&key("u/object")).await, Err(Error::NotFound { .. })));
        assert_eq!(store.blobs.list(&prefix("u"), None, 1).await.unwrap().objects, []);
        upload.finish().await.unwrap();
        assert_eq!(store.blobs.get(&key("u/object"), 1 << 30).await.unwrap(), bytes);
    }

    async fn an_aborted_upload_leaves_nothing(store) {
        let mut upload = store.blobs.upload(&key("u/object"), 1 << 30);
        upload.write(&noise(3 * store.part(), 6)).await.unwrap();
        upload.abort().await;
        assert_eq!(store.remains(), [""; 0]);
        assert_eq!(store.blobs.list(&prefix("u"), None, 1).await.unwrap().objects, []);
    }

    async fn a_dropped_upload_leaves_nothing(store) {
        let mut upload = store.blobs.upload(&key("u/object"), 1 << 30);
        upload.write(&noise(3 * store.part(), 7)).await.unwrap();
        drop(upload);
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while !store.remains().is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "left: {:?}", store.remains());
            tokio::task::yield_now().await;
        }
        assert_eq!(store.blobs.list(&prefix("u"), None, 1).await.unwrap().objects, []);
    }
}
