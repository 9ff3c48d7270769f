//! Files over HTTP.

use std::io::Write as _;

use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, Client, both_databases};

both_databases! {
    async fn files_go_in_and_come_out_as_they_are(client) {
        client.session("s").await;
        let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let put = client
            .request(Method::PUT, "/api/sessions/s/files/image.png")
            .header("content-type", "image/png")
            .body(bytes.clone());
        let put = Answer::of(put.send().await.unwrap()).await;
        assert_eq!((put.status, put.json), (200, json!({"path": "image.png", "size": 300_000})));
        let got = client.get("/api/sessions/s/files/image.png").await;
        assert!(got.bytes == bytes && got.headers["content-type"] == "image/png");
        assert_eq!((&got.headers["content-disposition"], &got.headers["x-content-type-options"]),
                   (&"attachment".parse().unwrap(), &"nosniff".parse().unwrap()));
        client.put_bytes("/api/sessions/s/files/sub/dir/a.json", "{}").await;
        client.put_bytes("/api/sessions/s/files/sp%20ace%20%C3%A9.txt", "u").await;
        client.put_bytes("/api/sessions/s/files/e", "").await;
        client.put_bytes("/api/sessions/s/files/e", "again").await;
        assert_eq!(client.paths("s").await, ["e", "image.png", "sp ace é.txt", "sub/dir/a.json"]);
        let run = client.run("s", "print(open('sp ace é.txt').read(), open('sub/dir/a.json').read(), open('e').read(), len(open('image.png', 'rb').read()))").await;
        assert_eq!((run.stdout(), &run.json["files_modified"]), ("u {} again 300000\n", &json!(0)));
        let listed = client.get("/api/sessions/s/files").await.json;
        assert_eq!((&listed["total_count"], &listed["total_size_bytes"]), (&json!(4), &json!(300_008)));
        let deleted = client.delete("/api/sessions/s/files/sub/dir/a.json").await;
        assert_eq!((&deleted.json["success"], &deleted.json["path"]), (&json!(true), &json!("sub/dir/a.json")));
        let gone = client.delete("/api/sessions/s/files/sub/dir/a.json").await;
        assert_eq!((gone.status, gone.code()), (404, "FILE_NOT_FOUND"));
    }

    async fn a_file_cannot_stand_where_a_directory_is(client) {
        client.session("s").await;
        client.put_bytes("/api/sessions/s/files/a/b", "1").await;
        for path in ["a", "a/b/c"] {
            let refused = client.put_bytes(&format!("/api/sessions/s/files/{path}"), "2").await;
            assert_eq!((refused.status, refused.code()), (409, "PATH_CONFLICT"), "{path}");
        }
        assert_eq!(client.put_bytes("/api/sessions/s/files/a.b", "2").await.status, 200);
        // A program may turn one into the other.
        let turned = client.run("s", "import shutil\nshutil.rmtree('a')\nopen('a', 'w').write('file')").await;
        assert_eq!(turned.json["files_modified"], 2, "{}", turned.json);
        assert_eq!(client.paths("s").await, ["a", "a.b"]);
    }

    async fn an_archive_is_unpacked_whole_or_not_at_all(client) {
        client.session("s").await;
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, bytes).unwrap();
        };
        add("src/main.py", b"print('m')");
        add("data.bin", &[7; 40_000]);
        let plain = builder.into_inner().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        for (query, body) in [("", plain.clone()), ("&path=lib/x", gzip.finish().unwrap())] {
            let done = client.put_bytes(&format!("/api/sessions/s/files?extract=tar{query}"), body).await;
            assert_eq!((done.status, &done.json["total_count"]), (200, &json!(2)), "{}", done.json);
        }
        assert_eq!(client.paths("s").await, ["data.bin", "lib/x/data.bin", "lib/x/src/main.py", "src/main.py"]);
        let before = client.get("/api/sessions/s/files").await.json;
        for (body, status) in [(b"no archive".to_vec(), 400), (plain[..700].to_vec(), 400), (Vec::new(), 400)] {
            assert_eq!(client.put_bytes("/api/sessions/s/files?extract=tar", body).await.status, status);
        }
        let wrong = client.put_bytes("/api/sessions/s/files?extract=tar&path=../x", plain.clone()).await;
        assert_eq!((wrong.status, wrong.code()), (400, "INVALID_PATH"));
        let conflict = client.put_bytes("/api/sessions/s/files?extract=tar&path=data.bin", plain).await;
        assert_eq!((conflict.status, conflict.code()), (409, "PATH_CONFLICT"));
        let mut builder = tar::Builder::new(Vec::new());
        for name in ["q", "other", "q/r"] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(0);
            builder.append_data(&mut header, name, &b""[..]).unwrap();
        }
        let nested = client.put_bytes("/api/sessions/s/files?extract=tar", builder.into_inner().unwrap()).await;
        assert_eq!((nested.status, nested.code()), (409, "PATH_CONFLICT"), "{}", nested.json);
        assert_eq!(client.get("/api/sessions/s/files").await.json, before);
        assert_eq!(client.run("s", "print('runs')").await.stdout(), "runs\n");
    }

    async fn many_files_come_and_go_at_once(client) {
        client.session("s").await;
        let mut builder = tar::Builder::new(Vec::new());
        for number in 0..1_000 {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(0);
            builder.append_data(&mut header, format!("d{}/f{number}", number % 7), &b""[..]).unwrap();
        }
        let archive = builder.into_inner().unwrap();
        for _ in 0..2 {
            let done = client.put_bytes("/api/sessions/s/files?extract=tar", archive.clone()).await;
            assert_eq!((done.status, &done.json["total_count"]), (200, &json!(1_000)), "{}", done.json);
        }
        let run = client.run("s", "import shutil\nfor n in range(6): shutil.rmtree(f'd{n}')").await;
        assert_eq!(run.json["files_modified"], 858, "{}", run.json);
        assert_eq!(client.paths("s").await.len(), 142);
        // The last file of all stands where the archive needs a directory.
        client.put_bytes("/api/sessions/s/files/x/d6", "in the way").await;
        let conflict = client.put_bytes("/api/sessions/s/files?extract=tar&path=x", archive).await;
        assert_eq!((conflict.status, conflict.code()), (409, "PATH_CONFLICT"));
        assert!(conflict.json["message"].as_str().unwrap().contains("x/d6/f"), "{}", conflict.json);
        assert_eq!(client.paths("s").await.len(), 143);
    }
}

#[tokio::test]
async fn no_path_leads_out() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    // Raw, because a client's own library would tidy the path up.
    let address = client.gateway.base().replace("http://", "");
    for path in [
        "../x",
        "a/../../x",
        "%2e%2e/x",
        "..%2fx",
        "%2Fetc%2Fpasswd",
        "/etc/passwd",
        "a/%00b",
        "./../x",
        "a//b",
        "a/",
        "%ff",
        ".",
        "a/.",
        ".session_data.json",
        "era_storage.py",
    ] {
        for method in ["PUT", "GET", "DELETE"] {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut connection = tokio::net::TcpStream::connect(&address).await.unwrap();
            let head = format!(
                "{method} /api/sessions/s/files/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 1\r\nConnection: close\r\n\r\n1",
                client.key
            );
            connection.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            let expected =
                answer.starts_with("HTTP/1.1 400") || (method != "PUT" && answer.starts_with("HTTP/1.1 404"));
            assert!(
                expected && answer.contains("\"code\":"),
                "{method} {path}: {answer}"
            );
        }
    }
    assert_eq!(client.paths("s").await, [""; 0]);
}

#[tokio::test]
async fn too_much_is_refused_by_name_and_changes_nothing() {
    let settings = pentad_exec::Settings {
        file_bytes: 2_000_000,
        workspace_bytes: 3_000_000,
        workspace_files: 3,
        ..pentad_testkit::exec_settings()
    };
    let Some(client) = Client::with(None, settings).await else {
        return;
    };
    client.session("s").await;
    let put = async |name: &str, bytes: usize| {
        client
            .put_bytes(&format!("/api/sessions/s/files/{name}"), vec![0; bytes])
            .await
    };
    let large = put("large", 2_000_001).await;
    assert_eq!((large.status, large.code()), (413, "PAYLOAD_TOO_LARGE"));
    assert!(large.json["message"].as_str().unwrap().contains("file_bytes"));
    assert_eq!(put("a", 1_900_000).await.status, 200);
    let full = put("b", 1_900_000).await;
    assert_eq!((full.status, full.code()), (507, "QUOTA_EXCEEDED"));
    assert!(full.json["message"].as_str().unwrap().contains("workspace_bytes"));
    // A run that leaves too much keeps nothing of it, and says so.
    let run = client
        .run(
            "s",
            "open('a', 'a').write('+')\nopen('c', 'wb').write(bytes(2_500_000))\nprint('done')",
        )
        .await;
    assert_eq!(
        (run.stdout(), &run.json["killed_by"], &run.json["files_modified"]),
        ("done\n", &json!("disk"), &json!(0))
    );
    assert!(
        run.json["stderr"].as_str().unwrap().contains("workspace_bytes"),
        "{}",
        run.json
    );
    assert_eq!(
        client.get("/api/sessions/s").await.json["total_size_bytes"],
        1_900_000
    );
    for name in ["b", "c"] {
        assert_eq!(put(name, 1).await.status, 200);
    }
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["1", "2", "3", "4"] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(0);
        builder.append_data(&mut header, name, &b""[..]).unwrap();
    }
    let archive = builder.into_inner().unwrap();
    let many = client
        .put_bytes("/api/sessions/s/files?extract=tar", archive)
        .await;
    assert_eq!(
        (many.status, many.code()),
        (507, "QUOTA_EXCEEDED"),
        "{}",
        many.json
    );
    assert!(many.json["message"].as_str().unwrap().contains("workspace_files"));
    let many = put("d", 1).await;
    assert_eq!((many.status, many.code()), (507, "QUOTA_EXCEEDED"));
    assert!(many.json["message"].as_str().unwrap().contains("workspace_files"));
}
