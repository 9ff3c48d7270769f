//! Storage, as programs reach it from a sandbox that has neither a network nor a key.

use std::net::TcpStream;

use pentad_kernel::Actor;
use pentad_sandbox::{InputFile, Language, WorkspacePath};
use tokio::sync::oneshot;

use crate::Exec;
use crate::workspace::{PYTHON_MODULE, SCRIPT_MODULE};

/// What answers when a program connects to the storage port of its sandbox.
pub trait Storage: Send + Sync {
    /// Serves one connection of a program of this actor: HTTP, the storage routes alone. The connection itself
    /// says who is asking. It returns at once; what it returns is ready when the connection is over.
    fn connect(&self, actor: &Actor, connection: TcpStream) -> oneshot::Receiver<()>;

    /// The module by which Python programs use it.
    fn python_module(&self) -> &'static str;

    /// The same for Node.
    fn script_module(&self) -> &'static str;

    /// The same for Deno.
    fn deno_module(&self) -> &'static str;
}

impl Exec {
    /// The modules that a program of the language finds beside it.
    pub(crate) fn modules(&self, language: Language) -> Vec<InputFile> {
        let Some(storage) = self.storage() else {
            return Vec::new();
        };
        let (name, text) = match language {
            Language::Python => (PYTHON_MODULE, storage.python_module()),
            Language::Node | Language::TypeScript => (SCRIPT_MODULE, storage.script_module()),
            Language::Deno => (SCRIPT_MODULE, storage.deno_module()),
            Language::Go => return Vec::new(),
        };
        WorkspacePath::parse(name)
            .map(|path| InputFile::injected(path, text.as_bytes()))
            .into_iter()
            .collect()
    }
}
