//! What is told about the program's work: a log on standard error, and traces for a collector if there is one.

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use pentad_http_kit::REQUEST_SPANS;
use tracing_subscriber::filter::{Directive, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::cli::{LogFormat, LoggingArguments};

/// Where a collector takes traces, below its address (OTLP specification, "OTLP/HTTP Request").
const TRACES: &str = "/v1/traces";

/// Sends what is left when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            eprintln!("pentad: the last traces were not sent: {error}");
        }
    }
}

/// Starts logging, and sending traces to the collector at an address.
pub(crate) fn start(arguments: &LoggingArguments, collector: Option<&str>) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&arguments.log).unwrap_or_else(|error| {
        eprintln!(
            "pentad: the log filter {:?} is not understood ({error}); using info",
            arguments.log
        );
        EnvFilter::new("info")
    });
    // Spans of requests are made for a collector alone: without one they cost nothing.
    let spans_off: Directive = format!("{REQUEST_SPANS}=off").parse()?;
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match arguments.log_format {
        LogFormat::Text => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    let provider = collector.map(exporter).transpose()?;
    let traces = provider.as_ref().map(|provider| {
        global::set_text_map_propagator(TraceContextPropagator::new());
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("pentad"))
            .with_filter(Targets::new().with_target(REQUEST_SPANS, LevelFilter::INFO))
    });
    tracing_subscriber::registry()
        .with(log.with_filter(filter.add_directive(spans_off)))
        .with(traces)
        .init();
    Ok(Telemetry(provider))
}

/// What sends traces, in batches, from a thread of its own. What it is told by the environment's OTEL_… variables
/// (headers, sampling, the name of the service) it obeys.
fn exporter(collector: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}{TRACES}", collector.trim_end_matches('/')))
        .build()
        .with_context(|| format!("traces cannot be sent to {collector}"))?;
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let resource = if named {
        resource
    } else {
        resource.with_service_name("pentad")
    };
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build())
}
