//! Named file types, for `type` filters.

/// Name or names of a type, and the base names it covers.
type FileType = (&'static [&'static str], &'static [&'static str]);

const TYPES: &[FileType] = &[
    (&["asm"], &["*.asm", "*.s", "*.S"]),
    (&["c"], &["*.c", "*.h", "*.[chH].in", "*.H"]),
    (&["clojure"], &["*.clj", "*.cljc", "*.cljs", "*.cljx"]),
    (&["cmake"], &["CMakeLists.txt", "*.cmake"]),
    (&["config"], &["*.cfg", "*.conf", "*.config", "*.ini"]),
    (
        &["cpp", "c++"],
        &[
            "*.C", "*.H", "*.cc", "*.cpp", "*.cxx", "*.h", "*.hh", "*.hpp", "*.hxx", "*.inl",
        ],
    ),
    (&["cs", "csharp"], &["*.cs"]),
    (&["css"], &["*.css", "*.scss", "*.sass", "*.less"]),
    (&["csv"], &["*.csv", "*.tsv"]),
    (&["dart"], &["*.dart"]),
    (&["diff"], &["*.diff", "*.patch"]),
    (
        &["docker"],
        &["Dockerfile", "Dockerfile.*", "*.dockerfile", "Containerfile"],
    ),
    (&["elixir"], &["*.ex", "*.exs", "*.eex", "*.heex", "*.leex"]),
    (&["elm"], &["*.elm"]),
    (&["erlang"], &["*.erl", "*.hrl"]),
    (&["fsharp"], &["*.fs", "*.fsi", "*.fsx"]),
    (&["go", "golang"], &["*.go"]),
    (&["gradle"], &["*.gradle", "*.gradle.kts"]),
    (&["graphql"], &["*.graphql", "*.graphqls", "*.gql"]),
    (&["haskell"], &["*.hs", "*.lhs", "*.hsc"]),
    (&["html"], &["*.htm", "*.html", "*.ejs"]),
    (&["java"], &["*.java", "*.jsp", "*.properties"]),
    (
        &["js", "javascript"],
        &["*.js", "*.jsx", "*.mjs", "*.cjs", "*.vue"],
    ),
    (&["json"], &["*.json", "*.jsonl", "*.jsonc", "*.sarif"]),
    (&["julia"], &["*.jl"]),
    (&["kotlin"], &["*.kt", "*.kts"]),
    (&["lisp"], &["*.el", "*.lisp", "*.lsp", "*.scm"]),
    (&["lock"], &["*.lock", "package-lock.json", "pnpm-lock.yaml"]),
    (&["log"], &["*.log"]),
    (&["lua"], &["*.lua"]),
    (
        &["make"],
        &[
            "Makefile",
            "makefile",
            "GNUmakefile",
            "Makefile.*",
            "*.mk",
            "*.mak",
        ],
    ),
    (&["md", "markdown"], &["*.md", "*.markdown", "*.mdx", "*.mdown"]),
    (&["nix"], &["*.nix"]),
    (&["objc"], &["*.m", "*.h"]),
    (&["ocaml"], &["*.ml", "*.mli", "*.mll", "*.mly"]),
    (&["perl"], &["*.pl", "*.pm", "*.t", "*.pod"]),
    (&["php"], &["*.php", "*.php3", "*.php4", "*.php5", "*.phtml"]),
    (&["protobuf", "proto"], &["*.proto"]),
    (&["ps", "powershell"], &["*.ps1", "*.psm1", "*.psd1"]),
    (&["py", "python"], &["*.py", "*.pyi", "*.pyx"]),
    (&["r"], &["*.R", "*.r", "*.Rmd"]),
    (&["rst"], &["*.rst"]),
    (&["ruby"], &["*.rb", "*.gemspec", "*.rbw", "Gemfile", "Rakefile"]),
    (&["rust"], &["*.rs"]),
    (&["scala"], &["*.scala", "*.sbt"]),
    (
        &["sh", "shell"],
        &[
            "*.sh", "*.bash", "*.zsh", "*.ksh", "*.fish", ".bashrc", ".profile", ".zshrc",
        ],
    ),
    (&["sql"], &["*.sql", "*.psql"]),
    (&["svelte"], &["*.svelte"]),
    (&["swift"], &["*.swift"]),
    (&["terraform", "tf"], &["*.tf", "*.tfvars", "*.hcl"]),
    (&["tex"], &["*.tex", "*.ltx", "*.cls", "*.sty", "*.bib"]),
    (&["toml"], &["*.toml", "Cargo.lock"]),
    (&["ts", "typescript"], &["*.ts", "*.tsx", "*.cts", "*.mts"]),
    (&["txt"], &["*.txt"]),
    (&["vue"], &["*.vue"]),
    (&["xml"], &["*.xml", "*.xsd", "*.xsl", "*.xslt", "*.svg"]),
    (&["yaml", "yml"], &["*.yaml", "*.yml"]),
    (&["zig"], &["*.zig"]),
];

/// The base-name globs of the type called `name`.
pub(crate) fn globs(name: &str) -> Option<&'static [&'static str]> {
    TYPES
        .iter()
        .find(|(names, _)| names.contains(&name))
        .map(|&(_, globs)| globs)
}

/// The names that [`QueryBuilder::file_type`](crate::QueryBuilder::file_type) knows, with
/// the base names each covers.
pub fn file_types() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    TYPES
        .iter()
        .flat_map(|&(names, globs)| names.iter().map(move |&name| (name, globs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_given_once() {
        let mut names: Vec<_> = file_types().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
