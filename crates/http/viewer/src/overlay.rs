//! Where on a screenshot an action took place.

use pentad_runs::{Json, Shot};

/// A place on a screenshot, in its pixels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    /// `action`, or `ground` for the place that was found for the target.
    pub(crate) kind: &'static str,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) label: String,
    /// Whether the place was not found by looking at the screenshot; such places have to look different.
    pub(crate) indirect: bool,
}

/// The places of a step's action, as far as its coordinate space can be told from the screenshot's size.
pub(crate) fn marks(step: &Json, shot: Option<&Shot>) -> Vec<Mark> {
    let text = |path: &[&str]| step.at(path).and_then(Json::text);
    let provenance = text(&["grounding", "provenance"]).unwrap_or("screenshot");
    let indirect = matches!(provenance, "dom" | "diagnostic");
    let scale = scale(step, shot);
    let place = |path: [&str; 2]| {
        let axis = |name: &str| step.at(&[path[0], path[1], name]).and_then(Json::number);
        Some((axis("x")? * scale, axis("y")? * scale))
    };
    let mut marks = Vec::new();
    if let Some((x, y)) = place(["grounding", "coordinates"]) {
        marks.push(Mark {
            kind: "ground",
            x,
            y,
            label: text(&["grounding", "target_label"])
                .unwrap_or(provenance)
                .to_owned(),
            indirect,
        });
    }
    if let Some((x, y)) = place(["action", "params"]) {
        marks.push(Mark {
            kind: "action",
            x,
            y,
            label: text(&["action", "type"]).unwrap_or("action").to_owned(),
            indirect,
        });
    }
    marks
}

/// Pixels of the screenshot for a unit of the action's coordinate space.
fn scale(step: &Json, shot: Option<&Shot>) -> f64 {
    let space = step.at(&["action", "coordinate_space"]).and_then(Json::text);
    if !matches!(space, Some("viewport_css_px" | "dom_client_rect")) {
        return 1.0;
    }
    let viewport = |name: &str| {
        let value = step.at(&["observation_pre_meta", "viewport", name])?.number()?;
        (value > 0.0).then_some(value)
    };
    match (viewport("width"), shot) {
        (Some(width), Some(shot)) => shot.width as f64 / width,
        _ => viewport("device_scale_factor").unwrap_or(1.0),
    }
}

/// The form in which the page's script reads them.
pub(crate) fn attribute(marks: &[Mark]) -> String {
    let mark = |mark: &Mark| -> Json {
        [
            ("kind".to_owned(), Json::from(mark.kind)),
            ("x".to_owned(), Json::Number(mark.x.to_string().into())),
            ("y".to_owned(), Json::Number(mark.y.to_string().into())),
            ("label".to_owned(), Json::from(mark.label.as_str())),
            ("indirect".to_owned(), Json::from(mark.indirect)),
        ]
        .into_iter()
        .collect()
    };
    let finite = marks
        .iter()
        .filter(|mark| mark.x.is_finite() && mark.y.is_finite());
    Json::Array(finite.map(mark).collect()).to_line()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(space: &str, meta: &str) -> Json {
        let text = format!(
            r#"{{"action":{{"type":"click","params":{{"x":100,"y":50}},"coordinate_space":"{space}"}}{meta}}}"#
        );
        Json::parse(text.as_bytes()).unwrap()
    }

    fn place(step: &Json, width: u64) -> (f64, f64) {
        let shot = Shot {
            sha256: String::new(),
            width,
            height: 1,
        };
        let marks = marks(step, Some(&shot));
        (marks[0].x, marks[0].y)
    }

    #[test]
    fn css_pixels_are_scaled_to_the_screenshot_and_others_are_not() {
        let viewport = r#","observation_pre_meta":{"viewport":{"width":640,"height":400}}"#;
        assert_eq!(place(&step("viewport_css_px", viewport), 1280), (200.0, 100.0));
        assert_eq!(place(&step("viewport_css_px", ""), 1280), (100.0, 50.0));
        assert_eq!(place(&step("screenshot_px", viewport), 1280), (100.0, 50.0));
        let factor = r#","observation_pre_meta":{"viewport":{"device_scale_factor":2}}"#;
        assert_eq!(place(&step("dom_client_rect", factor), 1280), (200.0, 100.0));
    }

    #[test]
    fn what_was_not_seen_on_the_screenshot_is_marked_as_such() {
        let step = Json::parse(
            br#"{"grounding":{"provenance":"dom","coordinates":{"x":1,"y":2},"target_label":"<b>"}}"#,
        )
        .unwrap();
        let marks = marks(&step, None);
        assert!(marks[0].indirect);
        assert_eq!(
            attribute(&marks),
            r#"[{"indirect": true, "kind": "ground", "label": "<b>", "x": 1, "y": 2}]"#
        );
    }
}
