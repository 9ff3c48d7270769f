//! One name for a git remote, however it is written.

/// `owner/repo` in lower case, without host, user, port and `.git`; `None` for a blank text.
///
/// `git@host:Owner/Repo.git`, `https://host/Owner/Repo` and `ssh://git@host:22/Owner/Repo.git` all name
/// `owner/repo`. An scp form with a user other than `git` and an absolute path, as in
/// `backup@nas:/srv/repo`, names a directory on one machine and is kept whole.
///
/// ```
/// use pentad_kernel::normalised_remote;
/// assert_eq!(normalised_remote("git@github.com:Acme/Widgets.git").as_deref(), Some("acme/widgets"));
/// ```
pub fn normalised_remote(remote: &str) -> Option<String> {
    let remote = remote.trim();
    let path = if let Some((_, rest)) = remote.split_once("://") {
        rest.split_once('/').map_or("", |(_, path)| path)
    } else if let Some((host, path)) = remote.split_once(':')
        && !host.contains('/')
    {
        let user = host.split_once('@').map(|(user, _)| user);
        if path.starts_with('/') && user.is_some_and(|user| user != "git") {
            remote
        } else {
            path
        }
    } else {
        remote
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_matches('/');
    let name: String = path
        .chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .to_lowercase();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_remote_has_one_name() {
        for form in [
            "git@github.com:Acme/Widgets.git",
            "https://github.com/Acme/Widgets",
            "https://token@github.com/acme/widgets.git/",
            "ssh://git@github.com:22/acme/widgets.git",
            "git@nas:/acme/widgets.git",
            " acme/widgets ",
        ] {
            assert_eq!(normalised_remote(form).as_deref(), Some("acme/widgets"), "{form}");
        }
        assert_eq!(
            normalised_remote("gitlab.example:group/sub/repo.git").as_deref(),
            Some("group/sub/repo")
        );
    }

    #[test]
    fn a_directory_on_a_machine_is_kept_whole_and_nothing_has_no_name() {
        assert_eq!(
            normalised_remote("backup@nas:/srv/Repo.git").as_deref(),
            Some("backup@nas:/srv/repo")
        );
        assert_eq!(normalised_remote("  "), None);
        assert_eq!(normalised_remote("https://github.com/"), None);
    }
}
