//! `pentad keys` and `pentad admin`.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use pentad_identity::{DEFAULT_ORGANISATION, Identity, KeyFamily, NewKey, Organisation, PlanName, User};
use pentad_kernel::{Clock as _, KeyId, ScopeSet, SystemClock};
use secrecy::SecretString;

use crate::cli::{AdminCommand, FamilyChoice, KeysCommand, StorageArguments};
use crate::config::Storage;
use crate::setup;

async fn open(arguments: &StorageArguments) -> anyhow::Result<(Identity, Storage)> {
    let storage = arguments.resolve()?;
    let db = setup::open_database(&storage).await?;
    Ok((setup::identity(db, &storage), storage))
}

pub(crate) async fn keys(command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Create {
            storage,
            family,
            org,
            email,
            scopes,
            name,
        } => {
            let (identity, _) = open(&storage).await?;
            let user = owner(&identity, email.as_deref()).await?;
            let organisation = match (&org, &email) {
                (Some(slug), _) => identity.organisation_by_slug(slug).await?,
                (None, Some(_)) => identity.organisation(&user.home_organisation).await?,
                (None, None) => identity.organisation_by_slug(DEFAULT_ORGANISATION).await?,
            };
            let mut new = NewKey::of(family.into());
            if !scopes.is_empty() {
                new = new.with_scopes(ScopeSet::parse(&scopes)?);
            }
            new.name = name;
            say!(
                "{}",
                identity.mint_key(&organisation.id, &user.id, new).await?.secret()
            );
        }
        KeysCommand::List { storage, org } => {
            let (identity, _) = open(&storage).await?;
            let organisation = identity.organisation_by_slug(&org).await?;
            list(&identity, &organisation).await?;
        }
        KeysCommand::Revoke { storage, id, reason } => {
            let (identity, _) = open(&storage).await?;
            let id = KeyId::new(id);
            identity.key(&id).await?;
            let now = identity.revoke_key(&id, &reason).await?;
            say!("{id} {}", if now { "revoked" } else { "was revoked before" });
        }
    }
    Ok(())
}

async fn list(identity: &Identity, organisation: &Organisation) -> anyhow::Result<()> {
    let now = SystemClock.now();
    for key in identity.organisation_keys(&organisation.id).await? {
        let state = if key.revoked_at.is_some() {
            "revoked"
        } else if key.is_active(now) {
            "active"
        } else {
            "ended"
        };
        say!(
            "{}  {:<12}  {:<7}  {:<7}  {:<28}  {}",
            key.id,
            key.prefix,
            key.family.name(),
            state,
            key.scopes.names().join(","),
            key.name.as_deref().unwrap_or("-"),
        );
    }
    Ok(())
}

async fn owner(identity: &Identity, email: Option<&str>) -> anyhow::Result<User> {
    if let Some(email) = email {
        return Ok(identity.user_by_email(email).await?);
    }
    identity
        .first_admin()
        .await?
        .context("there is no user yet: start the gateway once with `pentad serve`")
}

impl From<FamilyChoice> for KeyFamily {
    fn from(choice: FamilyChoice) -> Self {
        match choice {
            FamilyChoice::User => Self::User,
            FamilyChoice::Grep => Self::Grep,
            FamilyChoice::Memory => Self::Memory,
            FamilyChoice::Exec => Self::Exec,
            FamilyChoice::Ingest => Self::Ingest,
        }
    }
}

pub(crate) async fn admin(command: AdminCommand) -> anyhow::Result<()> {
    match command {
        AdminCommand::UserCreate {
            storage,
            email,
            password_stdin,
            admin,
        } => {
            let (identity, _) = open(&storage).await?;
            let password = if password_stdin {
                Some(password_from_stdin()?)
            } else {
                None
            };
            let user = identity.create_user(&email, password.as_ref(), admin).await?;
            say!("{} {}", user.id, user.email);
        }
        AdminCommand::TenantCreate { storage, slug } => {
            let (identity, _) = open(&storage).await?;
            let organisation = identity.create_organisation(&slug, &slug).await?;
            say!("{} {}", organisation.id, organisation.slug);
        }
        AdminCommand::DsnIssue {
            storage,
            tenant,
            label,
        } => {
            let (identity, storage) = open(&storage).await?;
            let organisation = identity.organisation_by_slug(&tenant).await?;
            let user = owner(&identity, None).await?;
            let mut new = NewKey::of(KeyFamily::Ingest);
            new.name = label;
            let minted = identity.mint_key(&organisation.id, &user.id, new).await?;
            let base = storage
                .public_url
                .as_deref()
                .unwrap_or("http://127.0.0.1:8080")
                .trim_end_matches('/');
            say!(
                "{base}/api/v1?token={}&tenant={}",
                minted.secret(),
                organisation.slug
            );
        }
        AdminCommand::SetPlan { storage, who, plan } => {
            let (identity, _) = open(&storage).await?;
            if plan == "admin" {
                let user = identity.user_by_email(&who).await?;
                identity.set_admin(&user.id, true).await?;
                say!("{who} {plan}");
                return Ok(());
            }
            let plan = PlanName::parse(&plan)?;
            let organisation = if who.contains('@') {
                identity.user_by_email(&who).await?.home_organisation
            } else {
                identity.organisation_by_slug(&who).await?.id
            };
            identity.set_plan(&organisation, plan).await?;
            say!("{who} {plan}");
        }
    }
    Ok(())
}

fn password_from_stdin() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("no password came on standard input")?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("the password on standard input is empty");
    }
    Ok(SecretString::from(password.to_owned()))
}
