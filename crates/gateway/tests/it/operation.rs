//! The operations of the published document, so that tests can walk all of them.

use pentad_http_kit::Surface;
use serde_json::Value;

/// One documented operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) method: reqwest::Method,
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Operation {
    /// Every operation of the whole document.
    pub(crate) fn all() -> Vec<Self> {
        let document = serde_json::to_value(&pentad_gateway::documents()[0].api).unwrap();
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, body) in item.as_object().unwrap() {
                if let Ok(method) = method.to_uppercase().parse::<reqwest::Method>()
                    && body.is_object()
                {
                    operations.push(Self {
                        method,
                        path: path.clone(),
                        body: body.clone(),
                    });
                }
            }
        }
        assert!(operations.len() >= 12, "the document holds the operations");
        operations
    }

    /// The path with something plausible in place of each parameter.
    pub(crate) fn concrete_path(&self) -> String {
        self.path
            .split('/')
            .map(|segment| match segment {
                "{id}" if self.body["tags"][0] == "grep" => "3fa85f64-5717-4562-b3fc-2c963f66afa6".to_owned(),
                "{id}" => "ses_0123456789abcdef".to_owned(),
                "{project_id}" => "proj_0123456789abcdef".to_owned(),
                "{step_index}" => "0".to_owned(),
                // What follows a parameter in its segment stays, as in {step}.json.
                parameter if parameter.starts_with('{') => {
                    let (_, rest) = parameter.split_once('}').unwrap();
                    format!("x{rest}")
                }
                fixed => fixed.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("/")
    }

    pub(crate) fn surface(&self) -> Surface {
        match self.name().as_str() {
            // Lists are seed 002's, whatever else opens sessions there.
            "GET /api/v1/sessions" => Surface::Sync,
            // Users are made by seed 004; what else is done to them is seed 002's.
            "POST /api/v1/admin/users" => Surface::Ingest,
            _ => Surface::of_path(&self.concrete_path()).unwrap_or(Surface::Sync),
        }
    }

    /// Whether everybody may reach it from this machine.
    pub(crate) fn is_open(&self) -> bool {
        let ways = self.body["security"]
            .as_array()
            .expect("every operation says who may reach it");
        ways.is_empty() || (ways.contains(&serde_json::json!({})) && self.surface() != Surface::Exec)
    }

    /// The scopes of which one suffices.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let ways = self.body["security"].as_array().unwrap();
        ways.iter()
            .filter_map(|way| way["key"].as_array())
            .flatten()
            .map(|scope| scope.as_str().unwrap().to_owned())
            .collect()
    }

    /// The statuses of success.
    pub(crate) fn successes(&self) -> Vec<(&str, &Value)> {
        let responses = self.body["responses"].as_object().unwrap();
        responses
            .iter()
            .filter(|(status, _)| status.starts_with('2'))
            .map(|(s, r)| (s.as_str(), r))
            .collect()
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Whether the body is the error envelope of the surface.
pub(crate) fn is_envelope(surface: Surface, body: &Value) -> bool {
    match surface {
        Surface::Grep => body["error"].is_string() && body["code"].is_string(),
        Surface::Memory | Surface::Ingest => !body["detail"].is_null(),
        Surface::Sync => {
            body["error"]["code"].is_string()
                && body["error"]["message"].is_string()
                && body["error"]["details"].is_object()
        }
        Surface::Exec => body["error"].is_string() && body["message"].is_string() && body["code"].is_string(),
    }
}
