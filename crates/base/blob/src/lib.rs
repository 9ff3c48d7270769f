//! Durable, content-addressed objects on local files or S3.
