//! Logging on standard error.

use tracing_subscriber::EnvFilter;

use crate::cli::{LogFormat, LoggingArguments};

pub(crate) fn start(arguments: &LoggingArguments) {
    let filter = EnvFilter::try_new(&arguments.log).unwrap_or_else(|error| {
        eprintln!(
            "pentad: the log filter {:?} is not understood ({error}); using info",
            arguments.log
        );
        EnvFilter::new("info")
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => builder.json().init(),
    }
}
