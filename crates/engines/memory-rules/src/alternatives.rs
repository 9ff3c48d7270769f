//! Things of one kind, of which a person uses or prefers one: who switches to Emacs leaves Vim, not Slack.

/// Each line is a kind. Lower case.
#[rustfmt::skip]
const KINDS: &[&[&str]] = &[
    &["vim", "neovim", "emacs", "nano", "helix", "vs code", "vscode", "visual studio code", "sublime", "sublime text", "notepad", "notepad++", "intellij", "intellij idea", "pycharm", "webstorm", "eclipse", "zed", "cursor", "atom", "kakoune", "xcode", "rider"],
    &["python", "rust", "go", "golang", "java", "kotlin", "scala", "ruby", "php", "perl", "c", "c++", "c#", "swift", "typescript", "javascript", "elixir", "haskell", "clojure", "julia", "zig"],
    &["linux", "windows", "macos", "ubuntu", "debian", "fedora", "arch", "arch linux", "mac", "a mac", "freebsd", "nixos", "chromeos"],
    &["chrome", "firefox", "safari", "edge", "brave", "opera", "vivaldi", "arc"],
    &["iphone", "an iphone", "android", "an android", "pixel", "a pixel", "samsung", "a samsung", "a flip phone"],
    &["slack", "teams", "microsoft teams", "discord", "mattermost", "zulip"],
    &["whatsapp", "signal", "telegram", "imessage", "messenger", "wechat"],
    &["zoom", "google meet", "webex", "jitsi", "skype"],
    &["jira", "linear", "asana", "trello", "basecamp", "monday", "clickup", "youtrack", "github issues", "shortcut"],
    &["notion", "obsidian", "evernote", "onenote", "roam", "logseq", "apple notes", "google keep", "joplin", "bear"],
    &["postgres", "postgresql", "mysql", "mariadb", "sqlite", "mongodb", "oracle", "sql server", "cockroachdb", "dynamodb"],
    &["react", "vue", "angular", "svelte", "solid", "ember"],
    &["aws", "azure", "gcp", "google cloud", "hetzner", "digitalocean", "heroku", "fly.io"],
    &["github", "gitlab", "bitbucket", "codeberg", "gitea"],
    &["git", "mercurial", "svn", "subversion", "perforce"],
    &["jenkins", "circleci", "github actions", "gitlab ci", "travis", "buildkite", "teamcity"],
    &["bash", "zsh", "fish", "powershell", "nushell"],
    &["npm", "yarn", "pnpm", "bun"],
    &["kafka", "rabbitmq", "nats", "pulsar", "redis streams"],
    &["docker", "podman"],
    &["spotify", "apple music", "tidal", "deezer", "youtube music", "amazon music"],
    &["gmail", "outlook", "protonmail", "proton mail", "fastmail", "yahoo", "yahoo mail", "hey"],
    &["1password", "lastpass", "bitwarden", "dashlane", "keepass"],
    &["google", "duckduckgo", "bing", "kagi", "ecosia"],
    &["chatgpt", "claude", "gemini", "copilot", "grok", "mistral"],
    &["qwerty", "dvorak", "colemak", "workman", "azerty", "qwertz"],
    &["photoshop", "gimp", "affinity", "affinity photo", "krita"],
    &["figma", "sketch", "adobe xd", "penpot"],
    &["excel", "google sheets", "numbers", "libreoffice", "libreoffice calc"],
    &["google maps", "apple maps", "waze"],
    &["duolingo", "babbel", "memrise", "busuu"],
    &["kindle", "a kindle", "kobo", "a kobo"],
    &["xbox", "playstation", "switch", "nintendo switch", "pc"],
    &["tea", "coffee", "green tea", "black tea", "decaf", "espresso", "rooibos", "rooibos tea", "matcha", "hot chocolate"],
    &["red wine", "white wine", "rose wine"],
    &["dark chocolate", "milk chocolate", "white chocolate"],
    &["dark mode", "light mode", "dark theme", "light theme"],
    &["tabs", "spaces"],
    &["window seats", "aisle seats", "a window seat", "an aisle seat", "the window seat", "the aisle seat", "middle seats"],
    &["cats", "dogs"],
    &["email", "emails", "phone calls", "phone", "slack messages", "text messages", "texting", "video calls", "letters"],
    &["trains", "planes", "buses", "taking the train", "flying", "driving"],
    &["mornings", "evenings", "afternoons", "nights"],
    &["morning meetings", "afternoon meetings", "evening meetings"],
    &["async standups", "live standups", "live meetings"],
    &["metric units", "imperial units", "metric", "imperial", "celsius", "fahrenheit"],
    &["summer", "winter", "spring", "autumn", "fall"],
    &["paperbacks", "hardcovers", "e-books", "ebooks", "audiobooks"],
    &["still water", "sparkling water", "tap water"],
    &["working from home", "remote work", "working in the office", "office work", "hybrid work"],
    &["short answers", "long answers", "detailed answers", "brief answers", "concise answers", "short replies", "long replies"],
    &["cash", "card", "credit card", "paypal", "bank transfer"],
];

fn kinds(value: &str) -> impl Iterator<Item = usize> {
    KINDS
        .iter()
        .enumerate()
        .filter(move |(_, kind)| kind.contains(&value))
        .map(|(at, _)| at)
}

/// Whether a thing is of a known kind. Lower case, here and below.
pub(crate) fn is_known(value: &str) -> bool {
    kinds(value).next().is_some()
}

/// Whether two different things are of one kind.
pub(crate) fn are_alternatives(one: &str, other: &str) -> bool {
    one != other && kinds(one).any(|kind| KINDS[kind].contains(&other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_is_left_for_another_of_it() {
        assert!(are_alternatives("vim", "emacs"));
        assert!(are_alternatives("tea", "coffee"));
        assert!(!are_alternatives("vim", "vim"));
        assert!(!are_alternatives("vim", "slack"));
        assert!(!are_alternatives("something", "other"));
        assert!(is_known("slack") && !is_known("hammers"));
    }
}
