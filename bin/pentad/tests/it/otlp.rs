//! Requests become spans at a collector, in the traces of those who sent them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::program::Server;

/// The head and the body of one request.
async fn received(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .trim();
    let length: usize = length.parse().unwrap();
    let mut body = bytes.split_off(end);
    while body.len() < length {
        assert!(stream.read_buf(&mut body).await.unwrap() > 0);
    }
    Some((head, body))
}

/// A collector that takes whatever comes until nobody sends any more.
fn collect(listener: TcpListener) -> JoinHandle<Vec<(String, ExportTraceServiceRequest)>> {
    tokio::spawn(async move {
        let mut all = Vec::new();
        let (mut stream, _) = listener.accept().await.unwrap();
        while let Some((head, body)) = received(&mut stream).await {
            all.push((head, ExportTraceServiceRequest::decode(body.as_slice()).unwrap()));
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
        }
        all
    })
}

fn attribute<'a>(span: &'a Span, name: &str) -> Option<&'a opentelemetry_proto::tonic::common::v1::AnyValue> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    found.value.as_ref()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_spans_of_their_senders_traces() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let collected = collect(listener);
    let environment = [
        ("PENTAD_OTLP".to_owned(), address),
        (
            "OTEL_EXPORTER_OTLP_HEADERS".to_owned(),
            "x-collector-key=abc".to_owned(),
        ),
    ];
    let server = Server::start_with(directory.path(), &[], &environment).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let answer = reqwest::Client::new()
        .get(format!(
            "{}/api/v1/sessions/share/secret-of-a-link?password=hidden",
            server.address
        ))
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .send()
        .await
        .unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    // What was gathered is sent before the program ends.
    assert!(server.stop().await.success());
    let collected = collected.await.unwrap();
    let (head, first) = collected.first().expect("something was sent");
    assert!(
        head.starts_with("post /v1/traces ") && head.contains("x-collector-key: abc"),
        "{head}"
    );
    let resource = first.resource_spans[0].resource.as_ref().unwrap();
    let service = resource
        .attributes
        .iter()
        .find(|attribute| attribute.key == "service.name")
        .unwrap();
    assert!(format!("{service:?}").contains("\"pentad\""), "{service:?}");
    let spans: Vec<&Span> = collected
        .iter()
        .flat_map(|(_, request)| &request.resource_spans)
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans)
        .collect();
    let of_trace = |span: &&&Span| {
        span.trace_id
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            == trace
    };
    let span = spans.iter().find(of_trace).expect("the trace of the sender");
    assert_eq!(span.name, "GET /api/v1/sessions/share/{token}");
    let route = format!("{:?}", attribute(span, "http.route"));
    assert!(route.contains("/api/v1/sessions/share/{token}"), "{route}");
    assert_eq!(
        span.parent_span_id,
        [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]
    );
    assert!(format!("{:?}", attribute(span, "pentad.request_id")).contains(&id));
    assert!(format!("{:?}", attribute(span, "http.response.status_code")).contains(answer.status().as_str()));
    assert!(attribute(span, "pentad.surface").is_some());
    let all = format!("{collected:?}");
    assert!(
        !all.contains("secret-of-a-link") && !all.contains("hidden"),
        "no path and no query leave"
    );
    let health = |span: &&Span| format!("{:?}", attribute(span, "http.route")).contains("/api/v1/healthz");
    assert!(spans.iter().any(health), "also who sends no trace has one");
}
