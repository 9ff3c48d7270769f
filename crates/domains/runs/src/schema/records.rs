//! Schema version 0.1 of the bundle format, record by record.

use super::Member;
use super::Shape::{
    self, Any, Boolean, Index, Instant, List, Map, Matching, Nullable, Number, Object, OneOf, Text, Whole,
};

const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        required: true,
        shape,
    }
}

const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member {
        name,
        required: false,
        shape,
    }
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    (2..=3).contains(&parts.len())
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_debug_session_id(text: &str) -> bool {
    text.strip_prefix("dbg_").is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    })
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

static VERSION: Shape = Matching(is_version, "a version such as 0.1");
static DEBUG_SESSION_ID: Shape = Matching(is_debug_session_id, "dbg_ followed by letters, digits, _ or -");
static FAILURE_CLASS: Shape = Nullable(&Text);
static CAPTURE_MODE: Shape = OneOf(&[
    "off",
    "metadata",
    "trace",
    "screenshots",
    "video",
    "model_io",
    "dispatch",
    "replay",
    "full",
]);
static COORDINATE_SPACE: Shape = OneOf(&["viewport_css_px", "device_px", "screenshot_px", "dom_client_rect"]);
static VERDICT_STATUS: Shape = OneOf(&["passed", "failed", "recoverable", "skipped", "unknown"]);
static AMOUNT: Shape = Number(0.0, f64::INFINITY);
static SHARE: Shape = Number(0.0, 1.0);
static ANY_NUMBER: Shape = Number(f64::NEG_INFINITY, f64::INFINITY);
static COUNT: Shape = Whole(0);
static ORDINAL: Shape = Whole(1);
static NULLABLE_TEXT: Shape = Nullable(&Text);
static NULLABLE_INSTANT: Shape = Nullable(&Instant);
static NULLABLE_COUNT: Shape = Nullable(&COUNT);
static NULLABLE_INDEX: Shape = Nullable(&Index);
static TEXTS: Shape = List(&Text);
static ANY_OBJECT: Shape = Map(&Any);
static OBJECTS: Shape = List(&ANY_OBJECT);

static CLIENT: Shape = Object(&[
    required("name", &Text),
    optional("version", &Text),
    optional("git_sha", &Text),
]);

/// Cumulative or per-step costs.
pub(crate) static COSTS: Shape = Object(&[
    optional("total_usd", &AMOUNT),
    optional("model_usd", &AMOUNT),
    optional("gpu_usd", &AMOUNT),
    optional("proxy_usd", &AMOUNT),
    optional("tokens_in", &COUNT),
    optional("tokens_out", &COUNT),
    optional("cache_hit_tokens", &COUNT),
]);

/// The names of the amounts in [`COSTS`].
pub(crate) const COST_NAMES: [&str; 7] = [
    "total_usd",
    "model_usd",
    "gpu_usd",
    "proxy_usd",
    "tokens_in",
    "tokens_out",
    "cache_hit_tokens",
];

static BUNDLE_FORMAT: Shape = OneOf(&["augur-bundle"]);
static TRACE_PATH: Shape = OneOf(&["trace.json"]);
static STEPS_PATH: Shape = OneOf(&["steps/"]);
static SCREENSHOTS_PATH: Shape = OneOf(&["screenshots/"]);
static EVENTS_PATH: Shape = OneOf(&["events/"]);
static LOGS_PATH: Shape = OneOf(&["logs/"]);
static PATHS: Shape = Object(&[
    required("steps", &STEPS_PATH),
    required("screenshots", &SCREENSHOTS_PATH),
    required("events", &EVENTS_PATH),
    required("logs", &LOGS_PATH),
]);
static REDACTION: Shape = Object(&[required("policy_id", &Text), optional("applied", &Boolean)]);
static SHA256: Shape = Matching(is_sha256, "a SHA-256 in lower-case hex");
static SIGNATURES: Shape = Map(&SHA256);

/// The envelope of a bundle.
pub(crate) static MANIFEST: Shape = Object(&[
    required("schema_version", &VERSION),
    required("bundle_format", &BUNDLE_FORMAT),
    required("run_id", &Text),
    required("debug_session_id", &DEBUG_SESSION_ID),
    required("client", &CLIENT),
    required("capture_mode", &CAPTURE_MODE),
    required("created_at", &Instant),
    required("trace", &TRACE_PATH),
    required("step_count", &COUNT),
    required("paths", &PATHS),
    optional("redaction", &REDACTION),
    optional("costs", &COSTS),
    optional("signatures", &SIGNATURES),
    optional("missing", &TEXTS),
    optional("trajectory_fingerprint", &Text),
]);

static SESSION_STATUS: Shape = OneOf(&["running", "succeeded", "failed", "cancelled", "halted"]);
static TAGS: Shape = Map(&Text);
static LIVE: Shape = Nullable(&Object(&[
    optional("status_url", &Text),
    optional("video_url", &Text),
    optional("reasoning_url", &Text),
]));
static MUTATED_AXIS: Shape = OneOf(&["model", "prompt", "action", "grounder", "tool_description"]);
static BRANCH_CONTEXT: Shape = Nullable(&Object(&[
    required("parent_run_id", &Text),
    required("branch_point_step_index", &Index),
    required("mutated_axis", &MUTATED_AXIS),
    optional("mutation", &ANY_OBJECT),
    optional("branch_id", &Text),
]));
static NULLABLE_ORDINAL: Shape = Nullable(&ORDINAL);
static NULLABLE_WHOLE: Shape = Nullable(&Whole(0));
static SUCCESS_CONDITIONS: Shape = List(&Object(&[
    required("kind", &Text),
    optional("params", &ANY_OBJECT),
    optional("description", &Text),
]));
static TASK_SUBGOALS: Shape = List(&Object(&[
    required("subgoal_id", &Text),
    required("description", &Text),
    optional("parent_subgoal_id", &NULLABLE_TEXT),
    optional("weight", &AMOUNT),
]));
static TASK_SPEC: Shape = Nullable(&Object(&[
    required("instruction", &Text),
    optional("task_spec_id", &Text),
    optional("task_class", &Text),
    optional("max_steps", &NULLABLE_ORDINAL),
    optional("max_duration_s", &NULLABLE_ORDINAL),
    optional("prohibited_actions", &TEXTS),
    optional("success_conditions", &SUCCESS_CONDITIONS),
    optional("reset_state_id", &NULLABLE_TEXT),
    optional("task_seed", &ANY_INTEGER),
    optional("env_id", &NULLABLE_TEXT),
    optional("subgoals", &TASK_SUBGOALS),
]));
static ANY_INTEGER: Shape = Nullable(&ANY_NUMBER);

static SESSION: Shape = Object(&[
    required("schema_version", &VERSION),
    required("debug_session_id", &DEBUG_SESSION_ID),
    required("run_id", &Text),
    required("client", &CLIENT),
    required("capture_mode", &CAPTURE_MODE),
    required("started_at", &Instant),
    required("status", &SESSION_STATUS),
    optional("ended_at", &NULLABLE_INSTANT),
    optional("artifact_root", &Text),
    optional("trace_uri", &Text),
    optional("live", &LIVE),
    optional("tags", &TAGS),
    optional("costs", &COSTS),
    optional("branch_context", &BRANCH_CONTEXT),
    optional("task_spec", &TASK_SPEC),
    optional("task_spec_id", &NULLABLE_TEXT),
]);

static STEPS: Shape = List(&STEP);

/// A session with all its steps.
pub(crate) static TRACE: Shape = Object(&[required("session", &SESSION), required("steps", &STEPS)]);

static STEP_STATUS: Shape = OneOf(&[
    "pending",
    "running",
    "succeeded",
    "failed",
    "skipped",
    "recovered",
]);
static SUBGOALS: Shape = List(&Object(&[
    required("subgoal_id", &Text),
    required("completion", &SHARE),
    optional("first_completed_at_step", &NULLABLE_INDEX),
]));
static LATENCY: Shape = Object(&[
    optional("planner_ms", &COUNT),
    optional("grounding_ms", &COUNT),
    optional("dispatch_ms", &COUNT),
    optional("verifier_ms", &COUNT),
    optional("recovery_ms", &COUNT),
    optional("total_ms", &COUNT),
]);
static CAPTURED_VERSIONS: Shape = Object(&[
    optional("model", &Text),
    optional("prompt", &Text),
    optional("prompt_hash", &Text),
    optional("tool_descriptions_hash", &Text),
    optional("env_fingerprint_ref", &Text),
    optional("code_git_sha", &Text),
    optional("grounder", &Text),
]);
static API_SHAPES: Shape = Map(&Text);
static ENV_FINGERPRINT: Shape = Object(&[
    optional("url_host", &Text),
    optional("url_path_template", &Text),
    optional("viewport_hash", &Text),
    optional("dom_hash", &Text),
    optional("api_shapes", &API_SHAPES),
    optional("extensions", &TEXTS),
]);
// `type` is required by the schema; see the module's second relaxation.
static ACTION: Shape = Object(&[
    optional("type", &NULLABLE_TEXT),
    optional("params", &ANY_OBJECT),
    optional("coordinate_space", &COORDINATE_SPACE),
    optional("dispatch_backend", &Text),
]);
static COORDINATES: Shape = Object(&[required("x", &ANY_NUMBER), required("y", &ANY_NUMBER)]);
static PROVENANCE: Shape = OneOf(&[
    "screenshot",
    "dom",
    "human_override",
    "replay_candidate",
    "diagnostic",
]);
static GROUNDING: Shape = Object(&[
    required("provider", &Text),
    required("provenance", &PROVENANCE),
    optional("target_label", &Text),
    optional("coordinates", &COORDINATES),
    optional("confidence", &SHARE),
    optional("evidence", &Text),
]);
static COMPARATOR: Shape = OneOf(&["verifier", "model-judge", "exact-match", "human"]);
static VERDICT: Shape = Object(&[
    required("status", &VERDICT_STATUS),
    optional("reason", &Text),
    optional("evidence_refs", &TEXTS),
    optional("score", &SHARE),
    optional("score_components", &ANY_OBJECT),
    optional("comparator", &COMPARATOR),
    optional("should_stop", &Boolean),
    optional("uncertainty", &SHARE),
]);
static RECOVERY_TYPE: Shape = OneOf(&[
    "retry",
    "alternate_grounding",
    "skip",
    "halt",
    "replan",
    "human_handoff",
    "none",
]);
static RECOVERY: Shape = Nullable(&Object(&[
    required("type", &RECOVERY_TYPE),
    optional("reason", &Text),
    optional("attempt", &ORDINAL),
]));
static JUDGE_DECISIONS: Shape = List(&JUDGE_DECISION);

/// One step of a run.
pub(crate) static STEP: Shape = Object(&[
    required("step_id", &Text),
    required("step_index", &Index),
    required("step_type", &Text),
    required("status", &STEP_STATUS),
    required("started_at", &Instant),
    optional("step_iterations", &ORDINAL),
    optional("subgoals_completed", &SUBGOALS),
    optional("loop_detected", &Boolean),
    optional("group_id", &Text),
    optional("intent", &Text),
    optional("required", &Boolean),
    optional("failure_class", &FAILURE_CLASS),
    optional("capture_mode", &CAPTURE_MODE),
    optional("ended_at", &NULLABLE_INSTANT),
    optional("duration_ms", &NULLABLE_COUNT),
    optional("costs", &COSTS),
    optional("latency", &LATENCY),
    optional("captured_versions", &CAPTURED_VERSIONS),
    optional("env_fingerprint", &ENV_FINGERPRINT),
    optional("branch_context", &BRANCH_CONTEXT),
    optional("judge_decisions", &JUDGE_DECISIONS),
    optional("verdict_source", &Text),
    optional("observation_pre", &NULLABLE_TEXT),
    optional("observation_post", &NULLABLE_TEXT),
    optional("action", &ACTION),
    optional("grounding", &GROUNDING),
    optional("verdict", &VERDICT),
    optional("recovery_decision", &RECOVERY),
    optional("events", &TEXTS),
    optional("logs", &TEXTS),
]);

static EVENT_LAYER: Shape = OneOf(&[
    "planner",
    "grounding",
    "model",
    "dispatch",
    "verifier",
    "step_recovery",
    "routing",
    "runner",
    "adapter",
]);
static EVENT_KIND: Shape = OneOf(&["decision", "observation", "error", "info", "metric"]);
static EVENT: Shape = Object(&[
    required("ts", &Instant),
    required("layer", &EVENT_LAYER),
    required("kind", &EVENT_KIND),
    required("summary", &Text),
    optional("step_index", &NULLABLE_INDEX),
    optional("detail", &ANY_OBJECT),
]);
static EVENT_LIST: Shape = List(&EVENT);

/// A post of decision events.
pub(crate) static EVENTS: Shape = Object(&[
    required("events", &EVENT_LIST),
    optional("step_index", &NULLABLE_INDEX),
]);

static MODELIO_LAYER: Shape = OneOf(&[
    "planner",
    "grounding",
    "model",
    "verifier",
    "step_recovery",
    "judge",
]);
static MESSAGES: Shape = List(&Object(&[required("role", &Text)]));
static MODEL_REQUEST: Shape = Object(&[
    required("model", &Text),
    optional("system", &NULLABLE_TEXT),
    optional("messages", &MESSAGES),
    optional("tools", &OBJECTS),
    optional("params", &ANY_OBJECT),
]);
static USAGE: Shape = Object(&[
    optional("prompt_tokens", &COUNT),
    optional("completion_tokens", &COUNT),
    optional("cache_hit_tokens", &COUNT),
    optional("cache_creation_tokens", &COUNT),
]);
static ALTERNATIVES: Shape = List(&Object(&[
    required("logprob", &ANY_NUMBER),
    optional("token", &Text),
    optional("token_id", &NULLABLE_WHOLE),
]));
static LOGPROBS: Shape = Nullable(&List(&Object(&[
    required("logprob", &ANY_NUMBER),
    optional("token", &Text),
    optional("token_id", &NULLABLE_WHOLE),
    optional("top_alternatives", &ALTERNATIVES),
])));
static MODEL_RESPONSE: Shape = Object(&[
    optional("text", &NULLABLE_TEXT),
    optional("tool_calls", &OBJECTS),
    optional("stop_reason", &Text),
    optional("usage", &USAGE),
    optional("logprobs", &LOGPROBS),
]);

/// One call of a model.
pub(crate) static MODELIO: Shape = Object(&[
    required("schema_version", &VERSION),
    required("layer", &MODELIO_LAYER),
    required("ts", &Instant),
    required("request", &MODEL_REQUEST),
    required("response", &MODEL_RESPONSE),
    optional("step_index", &NULLABLE_INDEX),
    optional("prompt_hash", &Text),
    optional("redaction_applied", &Boolean),
    optional("duration_ms", &COUNT),
]);

static REVERSIBILITY: Shape = OneOf(&["irreversible", "reversible", "compensated"]);
static SIDE_EFFECT_PROVENANCE: Shape = OneOf(&["sdk_declared", "adapter_inferred", "human_declared"]);
static SIDE_EFFECT_STATUS: Shape = OneOf(&["intent_only", "committed", "aborted"]);

/// Something done to the world outside.
pub(crate) static SIDE_EFFECT: Shape = Object(&[
    required("side_effect_id", &Text),
    required("step_index", &Index),
    required("resource", &Text),
    required("action", &Text),
    required("status", &SIDE_EFFECT_STATUS),
    optional("step_id", &Text),
    optional("idempotency_key", &Text),
    optional("reversibility", &REVERSIBILITY),
    optional("compensation_handle", &Text),
    optional("provenance", &SIDE_EFFECT_PROVENANCE),
    optional("declared_at", &Instant),
    optional("committed_at", &NULLABLE_INSTANT),
    optional("aborted_at", &NULLABLE_INSTANT),
    optional("abort_reason", &Text),
]);

static REASONING_FORMAT: Shape = OneOf(&[
    "adapter_inferred",
    "claude_extended_thinking",
    "openai_reasoning_summary",
]);

/// What a model thought.
pub(crate) static REASONING: Shape = Object(&[
    required("format", &REASONING_FORMAT),
    optional("step_index", &NULLABLE_INDEX),
    optional("ts", &Instant),
    optional("text", &Text),
    optional("tokens", &COUNT),
    optional("model", &Text),
]);

static OUTCOME_SCOPE: Shape = OneOf(&["step", "session"]);
// `status` is required by the schema; see the module's last relaxation.
static OUTCOME_VERDICT: Shape = Object(&[
    optional("status", &VERDICT_STATUS),
    optional("reason", &Text),
    optional("score", &SHARE),
]);

/// How a step or the session ended.
pub(crate) static OUTCOME: Shape = Object(&[
    required("scope", &OUTCOME_SCOPE),
    required("finalized_at", &Instant),
    optional("step_index", &NULLABLE_INDEX),
    optional("task_class", &Text),
    optional("verdict", &OUTCOME_VERDICT),
    optional("cost_summary", &COSTS),
]);

/// A step worth keeping as a regression test.
pub(crate) static EVAL_CANDIDATE: Shape = Object(&[
    required("step_index", &Index),
    required("reason", &Text),
    required("tagged_at", &Instant),
    optional("candidate_cluster_id", &Text),
]);

static JUDGE_TYPE: Shape = OneOf(&["rule", "model", "human", "hybrid"]);
static JUDGE_VERDICT: Shape = Object(&[
    required("status", &VERDICT_STATUS),
    optional("reason", &Text),
    optional("score", &SHARE),
    optional("evidence_refs", &TEXTS),
]);

/// What a judge decided about a step.
pub(crate) static JUDGE_DECISION: Shape = Object(&[
    required("judge_id", &Text),
    required("judge_type", &JUDGE_TYPE),
    required("verdict", &JUDGE_VERDICT),
    optional("confidence", &SHARE),
    optional("evidence_refs", &TEXTS),
    optional("judged_at", &Instant),
]);

/// A piece of log text.
pub(crate) static LOG: Shape = Object(&[
    required("text", &Text),
    optional("name", &Text),
    optional("step_index", &NULLABLE_INDEX),
    optional("seq", &COUNT),
    optional("ts", &Instant),
]);

/// A sign of life.
pub(crate) static HEARTBEAT: Shape = Object(&[
    required("client_id", &Text),
    optional("client_name", &NULLABLE_TEXT),
    optional("client_version", &NULLABLE_TEXT),
    optional("capture_mode", &NULLABLE_TEXT),
    optional("run_id", &NULLABLE_TEXT),
    optional("last_event", &NULLABLE_TEXT),
]);
