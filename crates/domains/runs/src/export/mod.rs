//! A run in the forms that other tools read.

mod atif;
mod openai;
mod otlp;

use pentad_kernel::Actor;

use crate::bundle::File;
use crate::canonical;
use crate::json::Json;
use crate::names::RunId;
use crate::reading::{self, RunInfo};
use crate::record::Kind;
use crate::steps::Shots;
use crate::{Result, Runs};

/// A form in which a run is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An Agent Trajectory Interchange Format document, version 1.7 (Harbor RFC 0001).
    Atif,
    /// OpenTelemetry traces as OTLP/JSON, with the attributes of the GenAI conventions.
    Otlp,
    /// OpenAI's items of computer use, one a line.
    OpenAi,
}

/// What exports are made from.
struct Subject {
    info: RunInfo,
    organisation: String,
    session: Json,
    steps: Vec<(u64, Json)>,
    shots: Shots,
    reasoning: Vec<Json>,
    model_calls: Vec<(String, Json)>,
}

impl Runs {
    /// A run in the form that another tool reads.
    ///
    /// # Errors
    /// [`crate::Error::RunNotFound`].
    pub async fn export(&self, actor: &Actor, run_id: &RunId, format: Format) -> Result<File> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        let steps = self.steps(&info).await?;
        let model_calls = reading::of_kind(&self.db, info.id, Kind::ModelIo).await?;
        let subject = Subject {
            organisation: actor.organisation.as_str().to_owned(),
            session: canonical::session(&info, &steps),
            steps: steps
                .iter()
                .map(|step| (step.index, step.canonical().clone()))
                .collect(),
            shots: match steps.last() {
                Some(last) => self.shots(&info, 0, last.index).await?,
                None => Shots::new(),
            },
            reasoning: canonical::reasoning(&reading::of_kind(&self.db, info.id, Kind::Reasoning).await?)?,
            model_calls: model_calls
                .iter()
                .map(|row| Ok((row.key.clone(), row.plain()?)))
                .collect::<Result<_>>()?,
            info,
        };
        Ok(match format {
            Format::Atif => File::json(&atif::document(&subject)),
            Format::Otlp => File::json(&otlp::document(&subject)),
            Format::OpenAi => File::lines(&openai::items(&subject)),
        })
    }
}

impl Subject {
    fn screenshot(&self, index: u64) -> Option<String> {
        use crate::ShotKind::{Post, Pre};
        let shots = self.shots.get(&index)?;
        let kind = [Post, Pre].into_iter().find(|kind| shots.contains_key(kind))?;
        Some(format!("screenshots/{index:04}_{}.png", kind.name()))
    }

    fn client(&self) -> (&str, Option<&str>) {
        let client = self.session.get("client");
        let text = |name: &str| client.and_then(|client| client.text_at(name));
        (text("name").unwrap_or("unknown"), text("version"))
    }
}

/// An object of those members that are there.
fn known<const N: usize>(members: [(&str, Option<Json>); N]) -> Json {
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.filter(|value| !value.is_null())?)))
        .collect()
}

fn text(value: &str) -> Option<Json> {
    Some(Json::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use pentad_kernel::Timestamp;

    use crate::steps::Shot;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap()
    }

    pub(super) fn subject() -> Subject {
        let at = Timestamp::parse("2026-05-19T00:00:00Z").unwrap();
        let info = RunInfo {
            id: 1,
            run_id: "run".to_owned(),
            rev: 1,
            streamed: true,
            sealed_at: Some(1),
            created_at: at,
            last_activity_at: at,
            client_name: None,
            client_version: None,
            capture_mode: None,
            debug_session_id: None,
            status: "failed".to_owned(),
            parent_run_id: None,
            session: None,
        };
        let shot = Shot {
            sha256: "ab".to_owned(),
            width: 1,
            height: 1,
        };
        let shots = BTreeMap::from([(crate::ShotKind::Post, shot)]);
        Subject {
            info,
            organisation: "acme".to_owned(),
            session: json(
                r#"{"client":{"name":"shopper","version":"2"},"started_at":"2026-05-19T00:00:00Z","ended_at":"2026-05-19T00:00:09Z",
                    "status":"failed","task_spec":{"instruction":"Log in"},"costs":{"total_usd":0.50,"tokens_in":10}}"#,
            ),
            steps: vec![(
                3,
                json(
                    r#"{"step_id":"run/step/0003","step_index":3,"step_type":"click","status":"failed","failure_class":"no_state_change",
                        "started_at":"2026-05-19T00:00:01Z","ended_at":"2026-05-19T00:00:02.5Z","intent":"Press it",
                        "action":{"type":"click","params":{"x":1e1,"y":2}},"captured_versions":{"model":"m-1"},
                        "verdict":{"status":"failed","reason":"nothing happened"},
                        "costs":{"tokens_in":10,"tokens_out":5,"total_usd":0.10}}"#,
                ),
            )],
            shots: BTreeMap::from([(3, shots)]),
            reasoning: vec![json(
                r#"{"step_index":3,"text":"it is green","format":"adapter_inferred"}"#,
            )],
            model_calls: vec![(
                "0003-planner-0.json".to_owned(),
                json(
                    r#"{"layer":"planner","ts":"2026-05-19T00:00:01Z","duration_ms":500,"request":{"model":"m-1"},
                        "response":{"usage":{"prompt_tokens":10,"completion_tokens":5}}}"#,
                ),
            )],
        }
    }

    #[test]
    fn atif_has_the_task_each_step_and_the_sums() {
        assert_eq!(
            atif::document(&subject()),
            json(
                r#"{"schema_version":"ATIF-v1.7","session_id":"run","agent":{"name":"shopper","version":"2","model_name":"m-1"},
                    "steps":[
                      {"step_id":1,"timestamp":"2026-05-19T00:00:00Z","source":"user","message":"Log in"},
                      {"step_id":2,"timestamp":"2026-05-19T00:00:01Z","source":"agent","model_name":"m-1","message":"Press it",
                       "reasoning_content":"it is green",
                       "tool_calls":[{"tool_call_id":"run/step/0003","function_name":"click","arguments":{"x":1e1,"y":2}}],
                       "observation":{"results":[{"source_call_id":"run/step/0003","content":[
                         {"type":"text","text":"failed: nothing happened"},
                         {"type":"image","source":{"media_type":"image/png","path":"screenshots/0003_post.png"}}]}]},
                       "metrics":{"prompt_tokens":10,"completion_tokens":5,"cost_usd":0.10},
                       "extra":{"step_index":3,"status":"failed","failure_class":"no_state_change"}}],
                    "final_metrics":{"total_prompt_tokens":10,"total_cost_usd":0.50,"total_steps":2},
                    "extra":{"status":"failed"}}"#
            )
        );
    }

    #[test]
    fn otlp_has_a_span_for_the_run_each_step_and_each_model_call() {
        let document = otlp::document(&subject());
        let spans = document.get("resourceSpans").and_then(Json::elements).unwrap()[0]
            .get("scopeSpans")
            .and_then(Json::elements)
            .unwrap()[0]
            .get("spans")
            .and_then(Json::elements)
            .unwrap()
            .to_vec();
        let names: Vec<_> = spans.iter().map(|span| span.text_at("name").unwrap()).collect();
        assert_eq!(names, ["invoke_agent shopper", "execute_tool click", "chat m-1"]);
        let root = spans[0].text_at("spanId");
        assert_eq!(spans[1].text_at("parentSpanId"), root);
        assert_eq!(spans[1].text_at("endTimeUnixNano"), Some("1779148802500000000"));
        assert_eq!(spans[2].text_at("parentSpanId"), spans[1].text_at("spanId"));
        assert_eq!(spans[0].text_at("traceId").unwrap().len(), 32);
        assert!(
            document
                .to_line()
                .contains(r#"{"key": "error.type", "value": {"stringValue": "no_state_change"}}"#)
        );
    }

    #[test]
    fn computer_use_items_come_in_pairs() {
        assert_eq!(
            openai::items(&subject()),
            [
                json(r#"{"type":"message","role":"user","content":"Log in"}"#),
                json(r#"{"type":"reasoning","summary":[{"type":"summary_text","text":"it is green"}]}"#),
                json(
                    r#"{"type":"computer_call","call_id":"run/step/0003","action":{"type":"click","x":1e1,"y":2},"status":"completed"}"#
                ),
                json(
                    r#"{"type":"computer_call_output","call_id":"run/step/0003",
                        "output":{"type":"computer_screenshot","image_url":"screenshots/0003_post.png"}}"#
                ),
            ]
        );
    }
}
