//! What is peculiar to local files.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use pentad_blob::{Blobs, Error, Key};

use crate::{Store, key, noise, prefix};

fn open(path: &Path) -> Blobs {
    Blobs::open(&format!("file:{}", path.display())).unwrap()
}

#[tokio::test]
async fn the_directory_is_created_and_found_again() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("not/yet/there");
    let id = open(&root)
        .put_addressed(&prefix("cas"), Bytes::from_static(b"content"))
        .await
        .unwrap();
    let again = Blobs::open(&format!("file://{}", root.display())).unwrap();
    assert_eq!(
        again.get_addressed(&prefix("cas"), &id, 100).await.unwrap(),
        "content"
    );
}

#[test]
fn a_directory_that_cannot_be_is_unavailable() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let outcome = Blobs::open(&format!("file:{}/below", file.display()));
    assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn files_of_others_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = open(directory.path());
    std::fs::create_dir_all(directory.path().join("cas")).unwrap();
    for name in ["cas/README", "cas/a b", "cas/B"] {
        std::fs::write(directory.path().join(name), "").unwrap();
    }
    let mut upload = blobs.upload(&key("cas/object"), 1);
    upload.write(b"x").await.unwrap();
    upload.finish().await.unwrap();
    let page = blobs.list(&prefix("cas"), None, 1).await.unwrap();
    assert_eq!((page.objects[0].key.as_str(), page.next), ("cas/object", None));

    let later = page.objects[0].modified + Duration::from_secs(60);
    let everything = |asked: Vec<Key>| std::future::ready(Ok::<_, Error>(asked));
    assert_eq!(
        blobs
            .sweep(&prefix("cas"), later, everything)
            .await
            .unwrap()
            .deleted,
        1
    );
    assert!(directory.path().join("cas/README").exists());
}

#[tokio::test]
async fn a_sweep_removes_what_killed_writers_left() {
    let store = Store::local().await;
    let root = store.directory.as_ref().unwrap().path().join("objects");
    let kept = store
        .blobs
        .put_addressed(&prefix("cas"), noise(10, 1))
        .await
        .unwrap();
    let modified = store
        .blobs
        .head(&Key::addressed(&prefix("cas"), &kept))
        .await
        .unwrap()
        .modified;
    std::fs::create_dir_all(root.join("cas/ab")).unwrap();
    let (old, young) = (root.join("cas/ab/object#1"), root.join("cas/ab/object#2"));
    for file in [&old, &young] {
        std::fs::write(file, "half of an obj").unwrap();
    }
    let hour = Duration::from_secs(3600);
    std::fs::File::open(&old)
        .unwrap()
        .set_modified(modified - 2 * hour)
        .unwrap();
    assert_eq!(
        store
            .blobs
            .list(&prefix("cas/ab"), None, 10)
            .await
            .unwrap()
            .objects,
        []
    );

    let none = |_| std::future::ready(Ok::<_, Error>(Vec::new()));
    let swept = store
        .blobs
        .sweep(&prefix("cas"), modified - hour, none)
        .await
        .unwrap();
    assert_eq!((swept.remains, swept.deleted), (1, 0));
    assert!(!old.exists() && young.exists());
}
