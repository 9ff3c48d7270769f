//! What holds on every store.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use pentad_blob::{BlobId, Blobs, Error, Key, ObjectInfo};

use crate::{key, noise, on_every_store, prefix};

const PLENTY: u64 = 1 << 30;

fn names(objects: &[ObjectInfo]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

async fn put(blobs: &Blobs, name: &str, bytes: &Bytes) {
    let mut upload = blobs.upload(&key(name), PLENTY);
    upload.write(bytes).await.unwrap();
    upload.finish().await.unwrap();
}

fn future() -> SystemTime {
    // Stores keep ages by the second, and by a clock of their own.
    std::fs::metadata("/proc/self").unwrap().modified().unwrap() + Duration::from_secs(3600)
}

fn past() -> SystemTime {
    future() - Duration::from_secs(7200)
}

on_every_store! {
    async fn addressed_bytes_come_back(store) {
        let tenant = prefix("cas/tenant-1");
        for length in [0, 1, store.part() - 1, store.part(), store.part() + 1, 3 * store.part() + 7] {
            let bytes = noise(length, 1);
            let id = store.blobs.put_addressed(&tenant, bytes.clone()).await.unwrap();
            assert_eq!(id, BlobId::of(&bytes));
            assert_eq!(store.blobs.put_addressed(&tenant, bytes.clone()).await.unwrap(), id, "again");
            assert_eq!(store.blobs.get_addressed(&tenant, &id, PLENTY).await.unwrap(), bytes);
            let download = store.blobs.download_addressed(&tenant, &id).await.unwrap();
            assert_eq!(download.size(), length as u64);
            assert_eq!(download.bytes().await.unwrap(), bytes);
        }
        let other = prefix("cas/tenant-2");
        let missing = store.blobs.get_addressed(&other, &BlobId::of(b""), PLENTY).await;
        assert!(matches!(missing, Err(Error::NotFound { .. })), "namespaces are apart");
        assert_eq!(store.remains(), [""; 0]);
    }

    async fn concurrent_puts_of_the_same_bytes_all_succeed(store) {
        let bytes = noise(5000, 2);
        let namespace = prefix("cas/1");
        let puts = (0..16).map(|_| store.blobs.put_addressed(&namespace, bytes.clone()));
        let ids = futures_util::future::try_join_all(puts).await.unwrap();
        assert!(ids.iter().all(|id| *id == BlobId::of(&bytes)));
        assert_eq!(store.blobs.list(&namespace, None, 10).await.unwrap().objects.len(), 1);
        assert_eq!(store.remains(), [""; 0]);
    }

    async fn corrupt_bytes_are_not_handed_out(store) {
        let namespace = prefix("cas/1");
        for length in [0, 100, 2 * store.part() + 1] {
            let (right, wrong) = (noise(length + 1, 3), noise(length, 4));
            let id = BlobId::of(&right);
            let damaged = Key::addressed(&namespace, &id);
            put(&store.blobs, damaged.as_str(), &wrong).await;
            match store.blobs.get_addressed(&namespace, &id, PLENTY).await {
                Err(Error::Corrupt { key, found }) => assert_eq!((key, found), (damaged.clone(), BlobId::of(&wrong))),
                other => panic!("{other:?}"),
            }
            let download = store.blobs.download_addressed(&namespace, &id).await.unwrap();
            let mut seen = 0;
            let outcome = download
                .into_stream()
                .try_for_each(|part| {
                    seen += part.len();
                    std::future::ready(Ok(()))
                })
                .await;
            assert!(matches!(outcome, Err(Error::Corrupt { .. })), "{outcome:?}");
            assert!(seen <= length / store.part() * store.part(), "the last part is held back");
            // Putting the right bytes mends an object of the wrong size.
            store.blobs.put_addressed(&namespace, right.clone()).await.unwrap();
            assert_eq!(store.blobs.get_addressed(&namespace, &id, PLENTY).await.unwrap(), right);
        }
    }

    async fn ranges_of_an_object(store) {
        let bytes = noise(2 * store.part() + 100, 5);
        put(&store.blobs, "a/object", &bytes).await;
        let end = bytes.len() as u64;
        let part = store.part() as u64;
        for range in [0..1, 0..end, 5..5, end - 1..end, end..end, part - 1..part + 1, 3..2 * part + 3] {
            let expected = bytes.slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
            assert_eq!(store.blobs.get_range(&key("a/object"), range.clone()).await.unwrap(), expected, "{range:?}");
        }
        #[expect(clippy::reversed_empty_ranges, reason = "what a caller may get wrong")]
        for range in [0..end + 1, end + 1..end + 2, 7..6] {
            let outcome = store.blobs.get_range(&key("a/object"), range.clone()).await;
            assert!(matches!(outcome, Err(Error::InvalidRange { .. })), "{range:?}");
        }
        let missing = store.blobs.get_range(&key("a/nothing"), 0..1).await;
        assert!(matches!(missing, Err(Error::NotFound { .. })));
    }

    async fn an_object_larger_than_the_reader_allows_is_not_read(store) {
        for length in [101, store.part() + 1] {
            put(&store.blobs, "a/object", &noise(length, 6)).await;
            let allowed = length as u64 - 1;
            match store.blobs.get(&key("a/object"), allowed).await {
                Err(Error::TooLarge { limit, .. }) => assert_eq!(limit, allowed),
                other => panic!("{other:?}"),
            }
            assert_eq!(store.blobs.get(&key("a/object"), allowed + 1).await.unwrap().len(), length);
        }
    }

    async fn what_is_missing_is_not_found(store) {
        let missing = key("a/nothing");
        assert!(matches!(store.blobs.get(&missing, PLENTY).await, Err(Error::NotFound { key }) if key == missing));
        assert!(matches!(store.blobs.head(&missing).await, Err(Error::NotFound { .. })));
        assert!(matches!(store.blobs.download(&missing).await, Err(Error::NotFound { .. })));
    }

    async fn deleting_twice_is_deleting(store) {
        put(&store.blobs, "a/1", &noise(10, 7)).await;
        put(&store.blobs, "a/2", &noise(10, 7)).await;
        store.blobs.delete(&key("a/1")).await.unwrap();
        store.blobs.delete(&key("a/1")).await.unwrap();
        assert!(matches!(store.blobs.head(&key("a/1")).await, Err(Error::NotFound { .. })));
        let many = (0..40).map(|number| key(&format!("a/{number}")));
        store.blobs.delete_many(many).await.unwrap();
        assert_eq!(store.blobs.list(&prefix("a"), None, 10).await.unwrap().objects, []);
    }

    async fn an_object_is_replaced_whole(store) {
        put(&store.blobs, "a/object", &noise(4 * store.part(), 8)).await;
        let download = store.blobs.download(&key("a/object")).await.unwrap();
        let replacement = noise(100, 9);
        put(&store.blobs, "a/object", &replacement).await;
        assert_eq!(store.blobs.get(&key("a/object"), PLENTY).await.unwrap(), replacement);
        let torn = download.bytes().await;
        assert!(matches!(torn, Err(Error::Replaced { .. })), "a reader never mixes two versions: {torn:?}");
    }

    async fn addressed_bytes_may_be_written_anew_while_they_are_read(store) {
        let (bytes, namespace) = (noise(6 * store.part(), 10), prefix("a"));
        let name = BlobId::of(&bytes);
        let object = Key::addressed(&namespace, &name);
        put(&store.blobs, object.as_str(), &bytes).await;
        let download = store.blobs.download_addressed(&namespace, &name).await.unwrap();
        put(&store.blobs, object.as_str(), &bytes).await;
        assert_eq!(download.bytes().await.unwrap(), bytes);
    }

    async fn pages_follow_the_order_of_keys(store) {
        let keys = [
            "l/a", "l/a-b", "l/a.b", "l/ab", "l/b-/x", "l/b.d/x", "l/b/a", "l/b/c/d", "l/b/c/e", "l/b0/x", "l/c",
        ];
        for name in keys.iter().rev().chain(&["la", "k/z", "m/a"]) {
            put(&store.blobs, name, &noise(3, 1)).await;
        }
        for limit in [1, 2, 3, keys.len() - 1, keys.len(), keys.len() + 1] {
            let mut seen = Vec::new();
            let mut after = None;
            loop {
                let page = store.blobs.list(&prefix("l"), after.as_ref(), limit).await.unwrap();
                assert!(page.objects.len() <= limit);
                assert!(page.objects.iter().all(|object| object.size == 3));
                seen.extend(names(&page.objects).into_iter().map(str::to_owned));
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!(seen, keys, "pages of {limit}");
        }
        let after = key("l/b/b");
        let page = store.blobs.list(&prefix("l/b"), Some(&after), 10).await.unwrap();
        assert_eq!(names(&page.objects), ["l/b/c/d", "l/b/c/e"], "after a key that does not exist");
        let nothing = store.blobs.list(&prefix("nothing"), None, 10).await.unwrap();
        assert_eq!((nothing.objects.len(), nothing.next), (0, None));
    }

    async fn a_sweep_takes_what_is_old_and_unreferenced(store) {
        let namespace = prefix("cas/1");
        let mut kept = Vec::new();
        let mut orphans = Vec::new();
        for number in 0..20 {
            let bytes = noise(100 + number as usize, number);
            let id = store.blobs.put_addressed(&namespace, bytes).await.unwrap();
            let list = if number % 3 == 0 { &mut kept } else { &mut orphans };
            list.push(Key::addressed(&namespace, &id));
        }
        put(&store.blobs, "elsewhere/object", &noise(1, 1)).await;
        let answer = |asked: Vec<Key>| {
            let unreferenced: Vec<Key> = asked.into_iter().filter(|key| orphans.contains(key)).collect();
            std::future::ready(Ok::<_, std::io::Error>(unreferenced))
        };

        let young = store.blobs.sweep(&namespace, past(), answer).await.unwrap();
        assert_eq!((young.examined, young.young, young.deleted), (20, 20, 0));

        let swept = store.blobs.sweep(&namespace, future(), answer).await.unwrap();
        assert_eq!((swept.examined, swept.referenced, swept.deleted), (20, 7, 13));
        assert_eq!(swept.deleted_bytes, (0..20).filter(|number| number % 3 != 0).map(|number| 100 + number).sum::<u64>());
        let mut left: Vec<_> = store.blobs.list(&namespace, None, 100).await.unwrap().objects;
        left.sort_by_key(|object| kept.iter().position(|key| *key == object.key));
        assert_eq!(left.into_iter().map(|object| object.key).collect::<Vec<_>>(), kept);
        assert!(store.blobs.head(&key("elsewhere/object")).await.is_ok());

        let again = store.blobs.sweep(&namespace, future(), answer).await.unwrap();
        assert_eq!((again.examined, again.deleted), (7, 0));
    }

    async fn a_sweep_that_gets_no_answer_deletes_nothing(store) {
        let namespace = prefix("cas/1");
        let id = store.blobs.put_addressed(&namespace, noise(10, 1)).await.unwrap();
        let answer = |_| std::future::ready(Err::<Vec<Key>, _>(std::io::Error::other("database away")));
        let outcome = store.blobs.sweep(&namespace, future(), answer).await;
        assert!(matches!(outcome, Err(Error::Reference { .. })));
        assert!(store.blobs.get_addressed(&namespace, &id, 10).await.is_ok());
    }

    async fn a_sweep_works_through_many_batches(store) {
        let namespace = prefix("many/1");
        let puts = (0..1100).map(|number| {
            let blobs = store.blobs.clone();
            async move { put(&blobs, &format!("many/1/{number}"), &Bytes::from_static(b"x")).await }
        });
        futures_util::StreamExt::for_each_concurrent(futures_util::stream::iter(puts), 32, |put| put).await;
        let mut batches = 0;
        let swept = store.blobs.sweep(&namespace, future(), |asked| {
            batches += 1;
            std::future::ready(Ok::<_, std::io::Error>(asked))
        });
        assert_eq!(swept.await.unwrap().deleted, 1100);
        assert_eq!(batches, 3);
        assert_eq!(store.blobs.list(&namespace, None, 1).await.unwrap().objects, []);
    }
}

#[tokio::test]
async fn an_old_object_that_is_put_again_is_young_again() {
    use pentad_blob::{Limits, Options};
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits {
        refresh_after: Duration::from_secs(60),
        ..crate::limits()
    };
    let url = format!("file:{}", directory.path().display());
    let blobs = Blobs::open_with(
        &url,
        &Options {
            limits,
            ..Options::default()
        },
    )
    .unwrap();
    let namespace = prefix("cas/1");
    let bytes = noise(100, 1);
    let id = blobs.put_addressed(&namespace, bytes.clone()).await.unwrap();
    let object = Key::addressed(&namespace, &id);
    let file = std::fs::File::open(directory.path().join(object.as_str())).unwrap();

    let minute = Duration::from_secs(60);
    let now = blobs.head(&object).await.unwrap().modified;
    file.set_modified(now - 10 * minute).unwrap();
    let sweep_all = |asked: Vec<Key>| {
        // The bytes are put again while the sweep asks about them.
        let (blobs, namespace, bytes) = (blobs.clone(), namespace.clone(), bytes.clone());
        async move {
            blobs.put_addressed(&namespace, bytes).await?;
            Ok::<_, Error>(asked)
        }
    };
    let swept = blobs
        .sweep(&namespace, now - 5 * minute, sweep_all)
        .await
        .unwrap();
    assert_eq!((swept.deleted, swept.young), (0, 1));
    assert_eq!(blobs.get_addressed(&namespace, &id, 100).await.unwrap(), bytes);
}

/// Handlers are spawned, so what they await must be `Send`.
#[test]
fn operations_can_be_spawned() {
    fn spawnable<T: Send + 'static>(_: impl FnOnce(Blobs) -> T) {}
    spawnable(|blobs| async move {
        blobs.put_addressed(&prefix("a"), Bytes::new()).await?;
        blobs
            .put_stream(
                &key("a"),
                1,
                futures_util::stream::empty::<Result<Bytes, Error>>(),
            )
            .await?;
        blobs.list(&prefix("a"), None, 1).await?;
        blobs.delete_many([key("a")]).await?;
        blobs
            .sweep(&prefix("a"), SystemTime::UNIX_EPOCH, |asked| async {
                Ok::<_, Error>(asked)
            })
            .await?;
        blobs
            .download_addressed(&prefix("a"), &BlobId::of(b""))
            .await?
            .bytes()
            .await
    });
}
