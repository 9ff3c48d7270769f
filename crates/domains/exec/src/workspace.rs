//! From the rows of a workspace to the files of a run, and back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pentad_kernel::Timestamp;
use pentad_sandbox::{
    Change, ChangeKind, Changes, Content as Changed, InputContent, InputFile, Workspace, WorkspacePath,
};

use crate::cache::InUse;
use crate::manifest::{self, Content, Entry};
use crate::session::{Object, Session};
use crate::{Error, Exec, Result, repository};

/// Where a program finds the data of its session.
pub(crate) const DATA_FILE: &str = ".session_data.json";
/// The modules by which programs reach storage.
pub(crate) const PYTHON_MODULE: &str = "era_storage.py";
/// The same for JavaScript.
pub(crate) const SCRIPT_MODULE: &str = "era_storage.js";
/// Names that every run fills itself.
const RESERVED: [&str; 3] = [DATA_FILE, PYTHON_MODULE, SCRIPT_MODULE];
/// Files read or written at a time.
const AT_A_TIME: usize = 4;
/// Deepest nesting of a session's data.
const DEEPEST: usize = 64;

/// Whether a path is one that every run fills itself, or lies below one.
pub(crate) fn is_reserved(path: &str) -> bool {
    let top = path.split('/').next().unwrap_or(path);
    RESERVED.contains(&top)
}

/// Refuses paths of which one is named twice, or would have to be a directory for another one.
pub(crate) fn check_paths<'a>(paths: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for path in paths {
        if !seen.insert(path) {
            return Err(Error::Invalid(format!("{path:?} is named twice")));
        }
    }
    for path in &seen {
        if let Some(parent) = manifest::parents(path).find(|parent| seen.contains(parent)) {
            return Err(Error::PathConflict {
                path: (*path).to_owned(),
                other: parent.to_owned(),
            });
        }
    }
    Ok(())
}

/// What a commit did.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Files created, changed and deleted.
    pub(crate) files_modified: u64,
    /// Why the files were not kept, if they were not.
    pub(crate) refused: Option<Error>,
    /// The data as it is now, where it changed.
    pub(crate) data: Option<Object>,
}

/// The program that a run belongs to, for its commit.
pub(crate) struct Finished<'a> {
    pub(crate) session: &'a Session,
    pub(crate) epoch: i64,
    pub(crate) changes: Changes,
    /// The data that the run was asked to begin with, where it was asked.
    pub(crate) asked_data: Option<Object>,
    /// Leave out what by its name is a secret.
    pub(crate) without_secrets: bool,
}

impl Exec {
    /// The files that a run of the session finds.
    pub(crate) async fn files_for_run(&self, session: &Session) -> Result<(Workspace, Option<InUse>)> {
        let entries = manifest::all(self.db(), &session.key).await?;
        let bytes: u64 = entries.iter().map(|entry| entry.size).sum();
        if bytes > self.settings().direct_workspace_bytes
            && let Some(cache) = self.cache()
        {
            let (base, in_use) = cache.materialise(self.objects(), session, &entries).await?;
            let workspace = Workspace {
                base: Some(base),
                files: Vec::new(),
            };
            return Ok((workspace, Some(in_use)));
        }
        let reading: Vec<_> = entries
            .into_iter()
            .map(|entry| self.input(session, entry))
            .collect();
        let files = stream::iter(reading).buffered(AT_A_TIME).try_collect().await?;
        Ok((Workspace { base: None, files }, None))
    }

    async fn input(&self, session: &Session, entry: Entry) -> Result<InputFile> {
        let content = match entry.content {
            Content::Link(target) => InputContent::Symlink { target },
            content => InputContent::File {
                bytes: Arc::from(
                    &self
                        .objects()
                        .get(&session.organisation, &content, entry.size)
                        .await?[..],
                ),
                executable: entry.executable,
            },
        };
        Ok(InputFile {
            path: WorkspacePath::parse(&entry.path)?,
            content,
            injected: false,
        })
    }

    /// Writes down what a run did, all of it or, when the session was deleted meanwhile, nothing.
    pub(crate) async fn commit(&self, finished: Finished<'_>) -> Result<Committed> {
        let Finished {
            session,
            epoch,
            changes,
            asked_data,
            without_secrets,
        } = finished;
        let changes = Arc::new(changes);
        let mut data = asked_data;
        if session.persistent
            && let Some(left) = data_left(&changes, self.settings().data_bytes)
        {
            data = Some(left);
        }
        let keeps = |change: &&Change| {
            session.persistent && !is_reserved(&change.path) && !(without_secrets && is_secret(&change.path))
        };
        let kept: Vec<Change> = changes.iter().filter(keeps).cloned().collect();
        let files_modified = changes.iter().filter(|change| !is_reserved(&change.path)).count() as u64;
        if kept.is_empty() && data.is_none() {
            repository::end_run(self.db(), &session.key, epoch).await?;
            return Ok(Committed {
                files_modified,
                refused: None,
                data: None,
            });
        }
        // First the bytes, then the rows that name them.
        let storing: Vec<_> = kept
            .iter()
            .map(|change| self.store(session, &changes, change))
            .collect();
        let entries: Vec<Option<Entry>> = stream::iter(storing).buffered(AT_A_TIME).try_collect().await?;
        let refused = self
            .write_rows(session, epoch, &kept, entries, data.as_ref())
            .await?;
        Ok(Committed {
            files_modified: if refused.is_some() { 0 } else { files_modified },
            refused,
            data,
        })
    }

    /// Stores the bytes of a changed file; `None` for a deleted one.
    async fn store(
        &self,
        session: &Session,
        changes: &Arc<Changes>,
        change: &Change,
    ) -> Result<Option<Entry>> {
        let (ChangeKind::Created(changed) | ChangeKind::Changed(changed)) = &change.kind else {
            return Ok(None);
        };
        let now = self.now();
        let entry = |size, executable, modified_at, content| Entry {
            path: change.path.clone(),
            size,
            modified_at,
            executable,
            content_type: None,
            content,
        };
        Ok(Some(match changed {
            Changed::Symlink { target } => entry(0, false, now, Content::Link(target.clone())),
            Changed::File {
                size,
                executable,
                modified,
            } => {
                let (changes, path) = (Arc::clone(changes), change.path.clone());
                let open = move || changes.open(&path);
                let content = self
                    .objects()
                    .put_file(&session.organisation, *size, open)
                    .await?;
                let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
                let modified = i64::try_from(modified.as_micros()).map_or(now, Timestamp::from_micros);
                entry(*size, *executable, modified, content)
            }
        }))
    }

    /// The transaction of a commit. What does not fit into the session is said, and nothing of it kept.
    async fn write_rows(
        &self,
        session: &Session,
        epoch: i64,
        kept: &[Change],
        entries: Vec<Option<Entry>>,
        data: Option<&Object>,
    ) -> Result<Option<Error>> {
        let mut tx = self.db().begin().await?;
        let Some(generation) = repository::commit_run(&mut tx, &session.key, epoch, data, self.now()).await?
        else {
            return Err(Error::SessionNotFound(session.id.to_string()));
        };
        let deleted = kept.iter().filter(|change| change.kind == ChangeKind::Deleted);
        let deleted: Vec<&str> = deleted.map(|change| change.path.as_str()).collect();
        manifest::delete_all(&mut tx, &session.key, &deleted).await?;
        let entries: Vec<Entry> = entries.into_iter().flatten().collect();
        // Somebody wrote files while the run was under way: what the run created has the last word.
        if generation != session.generation + 1 {
            let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
            let others = manifest::in_the_way(&mut tx, &session.key, &paths).await?;
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            manifest::delete_all(&mut tx, &session.key, &others).await?;
        }
        manifest::put(&mut tx, &session.key, &entries).await?;
        let (files, bytes) = repository::count_files(&mut tx, &session.key).await?;
        if let Err(full) = self.check_size(files, bytes) {
            drop(tx);
            let mut tx = self.db().begin().await?;
            repository::commit_run(&mut tx, &session.key, epoch, data, self.now()).await?;
            tx.commit().await?;
            return Ok(Some(full));
        }
        tx.commit().await?;
        Ok(None)
    }

    /// Refuses a workspace with too much in it.
    pub(crate) fn check_size(&self, files: u64, bytes: u64) -> Result<()> {
        let settings = self.settings();
        if files > settings.workspace_files {
            return Err(Error::WorkspaceFull {
                limit: settings.workspace_files,
                unit: "files",
                name: "exec workspace_files",
            });
        }
        if bytes > settings.workspace_bytes {
            return Err(Error::WorkspaceFull {
                limit: settings.workspace_bytes,
                unit: "bytes",
                name: "exec workspace_bytes",
            });
        }
        Ok(())
    }
}

/// Whether a file, or a directory above it, is called as those that hold credentials are.
fn is_secret(path: &str) -> bool {
    let keys = [
        ".netrc",
        ".npmrc",
        ".pypirc",
        ".git-credentials",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
    ];
    path.split('/')
        .any(|name| name == ".env" || name.starts_with(".env.") || keys.contains(&name))
}

/// The session's data as the program left it, when it left an object of a bearable size.
fn data_left(changes: &Changes, most: usize) -> Option<Object> {
    let change = changes.iter().find(|change| change.path == DATA_FILE)?;
    match &change.kind {
        ChangeKind::Created(Changed::File { size, .. }) | ChangeKind::Changed(Changed::File { size, .. })
            if *size <= most as u64 => {}
        _ => return None,
    }
    let value = serde_json::from_slice(&changes.read(DATA_FILE).ok()?).ok()?;
    if depth(&value) > DEEPEST {
        return None;
    }
    match value {
        serde_json::Value::Object(object) => Some(object),
        _ => None,
    }
}

/// How deep arrays and objects are nested.
pub(crate) fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(items) => 1 + items.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Refuses an object that is too large or too deep for its place.
pub(crate) fn check_object(what: &'static str, object: &Object, most: usize) -> Result<()> {
    let value = serde_json::Value::Object(object.clone());
    if depth(&value) > DEEPEST {
        return Err(Error::Invalid(format!("{what} is nested deeper than {DEEPEST}")));
    }
    if value.to_string().len() > most {
        return Err(Error::TooLarge {
            what,
            limit: most as u64,
            name: "exec data_bytes",
        });
    }
    Ok(())
}
