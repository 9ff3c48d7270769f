//! Who wrote a row.

use pentad_kernel::{Actor, KeyId};

/// The columns by which every written row says who wrote it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author<'a> {
    pub(crate) user: &'a str,
    pub(crate) actor_type: &'static str,
    pub(crate) service_key_id: Option<&'a str>,
    pub(crate) service_key_name: Option<&'a str>,
}

impl<'a> From<&'a Actor> for Author<'a> {
    fn from(actor: &'a Actor) -> Self {
        let service = actor.is_service_key();
        Self {
            user: actor.user.as_str(),
            actor_type: if service { "service_key" } else { "user" },
            service_key_id: actor.key.as_ref().filter(|_| service).map(KeyId::as_str),
            service_key_name: actor.key_name.as_deref().filter(|_| service),
        }
    }
}
