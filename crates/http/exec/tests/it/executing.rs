//! One-shot programs.

use serde_json::json;

use crate::client::Client;

#[tokio::test]
async fn a_program_in_each_language_answers_as_the_document_says() {
    let Some(client) = Client::start().await else {
        return;
    };
    let engine = client_engine();
    for (name, language, code) in [
        ("python", "Py", "print('Hello World')"),
        ("node", "javascript", "console.log('Hello World')"),
        (
            "typescript",
            "ts",
            "const m: string = 'Hello World'; console.log(m)",
        ),
        ("deno", "deno", "const m: string = 'Hello World'; console.log(m)"),
        (
            "go",
            "golang",
            "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"Hello World\") }",
        ),
    ] {
        let language_of = pentad_sandbox::Language::parse(name).unwrap();
        let answer = client.execute(language, code).await;
        if engine.executor().unwrap().runtimes().of(language_of).is_err() {
            assert_eq!((answer.status, answer.code()), (503, "LANGUAGE_UNAVAILABLE"));
            assert!(
                answer.json["message"].as_str().unwrap().contains("install"),
                "{}",
                answer.json
            );
            continue;
        }
        assert_eq!(answer.stdout(), "Hello World\n", "{name}: {}", answer.json);
        assert_eq!(
            (&answer.json["exit_code"], &answer.json["language"]),
            (&json!(0), &json!(name))
        );
        assert_eq!(
            (&answer.json["stderr"], &answer.json["killed_by"]),
            (&json!(""), &json!(null))
        );
        assert!(answer.json["execution_time_ms"].is_number() && answer.json["session_id"].is_string());
    }
}

fn client_engine() -> pentad_exec::Engine {
    pentad_testkit::engine().unwrap()
}

#[tokio::test]
async fn a_program_that_fails_is_a_result() {
    let Some(client) = Client::start().await else {
        return;
    };
    let failed = client
        .execute(
            "python",
            "import sys\nprint('o')\nprint('e', file=sys.stderr)\nsys.exit(3)",
        )
        .await;
    assert_eq!(failed.stdout(), "o\n");
    assert_eq!(
        (&failed.json["exit_code"], &failed.json["stderr"]),
        (&json!(3), &json!("e\n"))
    );
    let killed = client
        .execute("python", "import os; os.kill(os.getpid(), 9)")
        .await;
    assert_eq!((killed.status, &killed.json["exit_code"]), (200, &json!(137)));
    assert_eq!(
        (&killed.json["killed_by"], &killed.json["stopped"]),
        (&json!(null), &json!(false))
    );
    let wrong = client.execute("typescript", "const x: = 3").await;
    assert!(
        wrong.json["exit_code"] != 0 && wrong.json["stderr"] != "",
        "{}",
        wrong.json
    );
}

#[tokio::test]
async fn a_program_whose_time_is_over_is_408_with_what_it_wrote() {
    let Some(client) = Client::start().await else {
        return;
    };
    for limit in [
        json!({"timeout_ms": 700}),
        json!({"timeout": 0.7}),
        json!({"timeout_ms": 700, "timeout": 60}),
    ] {
        let mut body =
            json!({"language": "python", "code": "print('before', flush=True)\nimport time\ntime.sleep(60)"});
        body.as_object_mut()
            .unwrap()
            .extend(limit.as_object().unwrap().clone());
        let answer = client.post("/api/execute", &body).await;
        assert_eq!((answer.status, answer.code()), (408, "EXECUTION_TIMEOUT"));
        assert_eq!(
            (&answer.json["stdout"], &answer.json["exit_code"]),
            (&json!("before\n"), &json!(124))
        );
        assert_eq!(
            (&answer.json["killed_by"], &answer.json["stopped"]),
            (&json!("timeout"), &json!(true))
        );
    }
}

#[tokio::test]
async fn what_a_program_may_use_is_bounded_and_the_answer_says_by_what() {
    let Some(client) = Client::start().await else {
        return;
    };
    let greedy = json!({"language": "python", "code": "x = bytearray(400 << 20)\nprint(len(x))",
                        "limits": {"memory_bytes": 134_217_728}});
    let answer = client.post("/api/execute", &greedy).await;
    assert_eq!(
        (answer.status, &answer.json["killed_by"]),
        (200, &json!("memory")),
        "{}",
        answer.json
    );
    let wide = json!({"language": "python", "code": "1", "limits": {"memory_bytes": 1_u64 << 40}});
    let refused = client.post("/api/execute", &wide).await;
    assert_eq!((refused.status, refused.code()), (400, "VALIDATION_ERROR"));
    assert!(refused.json["message"].as_str().unwrap().contains("memory_bytes"));
    let loud = client
        .execute("python", "print('x' * (3 << 20))\nprint('end')")
        .await;
    let text = loud.stdout();
    assert!(loud.json["stdout_truncated"] == true && text.ends_with("end\n"));
    assert!(
        text.starts_with("xxx") && text.len() < (1 << 20) + 200,
        "{}",
        text.len()
    );
}

#[tokio::test]
async fn files_input_and_variables_reach_the_program_and_nothing_stays() {
    let Some(client) = Client::start().await else {
        return;
    };
    let body = json!({
        "language": "python",
        "code": "import os, sys\nprint(open('a/b.txt').read(), open('bin', 'rb').read(), sys.stdin.read())\n\
                 print(os.environ['TOKEN'], os.environ['ERA_SESSION'], os.environ['ERA_LANGUAGE'])\n\
                 print(sorted(os.environ))",
        "files": {"a/b.txt": "text", "bin": {"base64": "AAH/"}}, "stdin": "in",
        "env": {"TOKEN": "t", "ERA_SESSION": "forged"},
    });
    let answer = client.post("/api/execute", &body).await;
    let out = answer.stdout();
    assert!(
        out.starts_with("text b'\\x00\\x01\\xff' in\nt true python\n"),
        "{out}"
    );
    assert!(
        !out.contains("PENTAD") && !out.contains("CARGO"),
        "nothing of the gateway's own passes: {out}"
    );
    assert_eq!(client.get("/api/sessions").await.json["count"], 0);
}

#[tokio::test]
async fn there_is_no_network_and_no_way_to_the_gateway() {
    let Some(client) = Client::start().await else {
        return;
    };
    let port = client.gateway.base().rsplit(':').next().unwrap().to_owned();
    let code = format!(
        "import socket\nfor a in (('1.1.1.1', 53), ('169.254.169.254', 80), ('127.0.0.1', {port}), ('127.0.0.1', 3128)):\n\
         \x20   try:\n        socket.create_connection(a, 2)\n        print('open')\n    except OSError:\n        print('closed')"
    );
    assert_eq!(
        client.execute("python", &code).await.stdout(),
        "closed\n".repeat(4)
    );
}

#[tokio::test]
async fn without_a_sandbox_everything_else_is_served() {
    let gateway = pentad_testkit::TestGateway::start().await;
    let post = async |path: &str, body: serde_json::Value| {
        let request = gateway
            .client()
            .post(gateway.url(path))
            .bearer_auth(gateway.key());
        crate::client::Answer::of(request.json(&body).send().await.unwrap()).await
    };
    let refused = post("/api/execute", json!({"language": "python", "code": "1"})).await;
    assert_eq!((refused.status, refused.code()), (503, "SANDBOX_UNAVAILABLE"));
    assert!(
        refused.json["message"]
            .as_str()
            .unwrap()
            .contains("this test runs no programs")
    );
    let made = post("/api/sessions", json!({"language": "python", "session_id": "s"})).await;
    assert_eq!(made.status, 201, "sessions and files need no sandbox");
    let refused = post("/api/sessions/s/run", json!({"code": "1"})).await;
    assert_eq!((refused.status, refused.code()), (503, "SANDBOX_UNAVAILABLE"));
    let health = gateway.client().get(gateway.url("/health")).send().await.unwrap();
    assert_eq!(health.status(), 200);
}
