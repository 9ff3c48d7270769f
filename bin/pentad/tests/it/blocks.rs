//! The command blocks of a Markdown file, and the output it shows below them.

/// Commands, in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of the file that its fence is on, from 1.
    pub(crate) line: usize,
    pub(crate) language: Language,
    pub(crate) commands: String,
    /// What the file shows as their output: the `text` or `json` block that follows.
    pub(crate) shown: Option<String>,
    pub(crate) mark: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Shell,
    Python,
}

/// What the fence says of the block, behind its language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    None,
    /// `needs=PACKAGE`: run where this client can be installed.
    Needs(String),
    /// `by-hand="REASON"`: not run by the test.
    ByHand(String),
}

impl Mark {
    fn parse(info: &str, line: usize) -> Self {
        let info = info.trim();
        if info.is_empty() {
            Self::None
        } else if let Some(what) = info.strip_prefix("needs=") {
            Self::Needs(what.to_owned())
        } else if let Some(reason) = info.strip_prefix("by-hand=") {
            let reason = reason.trim_matches('"');
            assert!(reason.contains(' '), "line {line}: by-hand= wants a reason");
            Self::ByHand(reason.to_owned())
        } else {
            panic!("line {line}: {info:?} is not understood")
        }
    }
}

/// Every block of commands in the text.
///
/// # Panics
/// When a fence has a mark that is not understood or is never closed.
pub(crate) fn parse(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    // Whether a block of output, if it comes next, belongs to the last block of commands.
    let mut fresh = false;
    while let Some((line, fence)) = lines.next() {
        let Some(info) = fence.strip_prefix("```") else {
            continue;
        };
        let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
        let mut content = String::new();
        loop {
            let (_, inner) = lines
                .next()
                .unwrap_or_else(|| panic!("line {line}: the fence is never closed"));
            if inner == "```" {
                break;
            }
            content.push_str(inner);
            content.push('\n');
        }
        let language = match language {
            "sh" => Language::Shell,
            "python" => Language::Python,
            "text" | "json" if fresh => {
                blocks.last_mut().unwrap().shown = Some(content);
                fresh = false;
                continue;
            }
            _ => {
                fresh = false;
                continue;
            }
        };
        blocks.push(Block {
            line,
            language,
            commands: content,
            shown: None,
            mark: Mark::parse(rest, line),
        });
        fresh = true;
    }
    blocks
}

#[test]
fn output_belongs_to_the_commands_before_it() {
    let text = "```text\nno output of anything\n```\n\n```sh\necho 1\n```\n\nprints\n\n```text\n1\n```\n\n\
                ```text\nelse\n```\n```python needs=aurra\npass\n```\n```sh by-hand=\"it ends the server\"\nexit\n```\n";
    let blocks = parse(text);
    assert_eq!(blocks.len(), 3);
    assert_eq!((blocks[0].line, blocks[0].commands.as_str()), (5, "echo 1\n"));
    assert_eq!(blocks[0].shown.as_deref(), Some("1\n"));
    assert_eq!(blocks[1].language, Language::Python);
    assert_eq!(blocks[1].mark, Mark::Needs("aurra".to_owned()));
    assert_eq!(blocks[2].mark, Mark::ByHand("it ends the server".to_owned()));
}
