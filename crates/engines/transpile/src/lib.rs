//! TypeScript to JavaScript in process.
