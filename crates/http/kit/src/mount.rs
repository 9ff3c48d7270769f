//! Operations at their paths.

use std::rc::Rc;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};

use crate::gate::{Admission, Policy, guard};
use crate::{Endpoint, Gate, SurfaceRoutes};

/// Mounts the operations of these surfaces, each behind its guard, with and without a trailing slash. Of two that
/// take the same path and method, that of the earlier surface answers.
pub fn mount(
    surfaces: impl IntoIterator<Item = SurfaceRoutes>,
    gate: &Data<Gate>,
    config: &mut ServiceConfig,
) {
    mount_behind(surfaces, &Admission::Gate(gate.clone()), config);
}

/// Mounts the operations of a surface for a server that talks to programs in sandboxes: beside each connection
/// lies the [`crate::Program`] that made it, whose scopes count as those of a key do.
pub fn mount_for_programs(surface: SurfaceRoutes, config: &mut ServiceConfig) {
    mount_behind([surface], &Admission::Programs, config);
}

/// A path and its methods.
struct Place {
    pattern: String,
    policies: Vec<(Method, Policy)>,
    methods: Vec<Endpoint>,
}

/// The router tries one pattern after the other, so that the last of some hundreds would cost more than many a
/// handler. Behind a scope for each first name of a path it only tries those that begin with that name.
fn mount_behind(
    surfaces: impl IntoIterator<Item = SurfaceRoutes>,
    admission: &Admission,
    config: &mut ServiceConfig,
) {
    let mut areas: Vec<(String, Vec<Place>)> = Vec::new();
    for place in surfaces.into_iter().flat_map(places) {
        let area = area(&place.pattern);
        let Some((_, known)) = areas.iter_mut().find(|(known, _)| known == area) else {
            areas.push((area.to_owned(), vec![place]));
            continue;
        };
        match known.iter_mut().find(|known| known.pattern == place.pattern) {
            Some(same) => same.join(place),
            None => known.push(place),
        }
    }
    for (area, places) in areas {
        let mut scope = web::scope(&area);
        for place in places {
            let below = &place.pattern[area.len()..];
            scope = scope.service(place.resource(below, admission));
            let ends_open = below.ends_with('/') || place.methods.iter().any(|endpoint| endpoint.tail);
            if !ends_open {
                scope = scope.service(place.resource(&format!("{below}/"), admission));
            }
        }
        config.service(scope);
    }
}

/// The paths of a surface, in the order in which they are tried.
fn places(surface: SurfaceRoutes) -> Vec<Place> {
    let mut found: Vec<(String, Vec<Endpoint>)> = Vec::new();
    for endpoint in surface.endpoints.into_iter().filter(|endpoint| !endpoint.shared) {
        let pattern = endpoint.pattern();
        match found.iter_mut().find(|(known, _)| *known == pattern) {
            Some((_, methods)) => methods.push(endpoint),
            None => found.push((pattern, vec![endpoint])),
        }
    }
    let place = |(pattern, methods): (String, Vec<Endpoint>)| {
        let policies = methods
            .iter()
            .map(|endpoint| {
                let policy = Policy {
                    surface: (!endpoint.surface_by_path).then_some(surface.surface),
                    access: endpoint.access,
                    body_limit: endpoint.body_limit,
                    slow_to_refuse: endpoint.slow_to_refuse,
                };
                (endpoint.method.clone(), policy)
            })
            .collect();
        Place {
            pattern,
            policies,
            methods,
        }
    };
    found.into_iter().map(place).collect()
}

impl Place {
    /// Takes the methods of another surface at the same path that this one does not have.
    fn join(&mut self, other: Self) {
        let theirs = other.policies.into_iter().zip(other.methods);
        for ((method, policy), endpoint) in theirs {
            if self.policies.iter().all(|(known, _)| *known != method) {
                self.policies.push((method, policy));
                self.methods.push(endpoint);
            }
        }
    }

    fn resource(
        &self,
        pattern: &str,
        admission: &Admission,
    ) -> impl actix_web::dev::HttpServiceFactory + use<> {
        let (policies, admission) = (Rc::from(self.policies.as_slice()), admission.clone());
        let mut resource = web::resource(pattern);
        for endpoint in &self.methods {
            resource = resource.route((endpoint.route)().method(endpoint.method.clone()));
        }
        resource.wrap(from_fn(move |request, next| {
            guard(Rc::clone(&policies), admission.clone(), request, next)
        }))
    }
}

/// The start of a pattern up to its first name that tells operations apart: the one after `/api` or `/api/v1`,
/// which surfaces have in common.
///
/// # Panics
/// When that name is a parameter: its scope would take the paths of all others.
fn area(pattern: &str) -> &str {
    let start = ["/api/v1/", "/api/", "/"]
        .into_iter()
        .find(|common| pattern.starts_with(common))
        .map_or(0, str::len);
    let rest = &pattern[start..];
    let name = rest.find('/').map_or(rest, |end| &rest[..end]);
    assert!(
        !name.is_empty() && !name.contains('{'),
        "{pattern} begins with no name of its own"
    );
    &pattern[..start + name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_the_first_name_that_tells_operations_apart() {
        for (pattern, expected) in [
            ("/api/v1/runs/{id}/trace", "/api/v1/runs"),
            ("/api/v1/runs", "/api/v1/runs"),
            ("/api/execute", "/api/execute"),
            ("/agent/query", "/agent"),
            ("/metrics", "/metrics"),
        ] {
            assert_eq!(area(pattern), expected, "{pattern}");
        }
    }

    #[test]
    #[should_panic(expected = "no name of its own")]
    fn a_parameter_cannot_tell_operations_apart() {
        area("/api/v1/{anything}");
    }
}
