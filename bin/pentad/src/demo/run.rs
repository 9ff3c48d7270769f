//! A recorded run: an agent books a room, and one of its clicks misses the page.

use anyhow::Context as _;
use reqwest::multipart;
use serde_json::{Value, json};

use super::Part;
use super::canvas::{Area, Canvas, Colour};
use super::server::Server;

/// The run.
pub(super) const ID: &str = "demo-book-a-room";

const WIDTH: u32 = 960;
const HEIGHT: u32 = 600;

const SEARCH: Area = Area::new(60, 110, 520, 44);
const FIND: Area = Area::new(600, 110, 120, 44);
const BOOK: Area = Area::new(740, 262, 140, 44);

/// A page of the web application that the agent uses.
#[derive(Clone, Copy, Debug)]
struct Page {
    query: &'static str,
    has_results: bool,
    is_booked: bool,
}

/// What the agent did in one step, and the page before and after it.
struct Step {
    intent: &'static str,
    kind: &'static str,
    place: Option<(u32, u32)>,
    text: Option<&'static str>,
    failure: Option<&'static str>,
    before: Page,
    after: Page,
}

const EMPTY: Page = Page {
    query: "",
    has_results: false,
    is_booked: false,
};
const TYPED: Page = Page {
    query: "TURING",
    ..EMPTY
};
const FOUND: Page = Page {
    has_results: true,
    ..TYPED
};
const BOOKED: Page = Page {
    is_booked: true,
    ..FOUND
};

const fn middle(area: Area) -> Option<(u32, u32)> {
    Some((area.x + area.width / 2, area.y + area.height / 2))
}

const STEPS: [Step; 5] = [
    Step {
        intent: "Put the cursor into the search field",
        kind: "click",
        place: middle(SEARCH),
        text: None,
        failure: None,
        before: EMPTY,
        after: EMPTY,
    },
    Step {
        intent: "Type the name of the room",
        kind: "type",
        place: None,
        text: Some("Turing"),
        failure: None,
        before: EMPTY,
        after: TYPED,
    },
    Step {
        intent: "Search",
        kind: "click",
        place: middle(FIND),
        text: None,
        failure: None,
        before: TYPED,
        after: FOUND,
    },
    // Taken from a wider screen: the rules find it.
    Step {
        intent: "Book the room",
        kind: "click",
        place: Some((1180, 284)),
        text: None,
        failure: Some("nothing was booked: the click missed the page"),
        before: FOUND,
        after: FOUND,
    },
    Step {
        intent: "Book the room, at the place where the button is",
        kind: "click",
        place: middle(BOOK),
        text: None,
        failure: None,
        before: FOUND,
        after: BOOKED,
    },
];

/// Records the run, unless it is there.
pub(super) async fn record(server: &Server) -> anyhow::Result<Part> {
    let run = format!("/api/v1/runs/{ID}");
    let known = server.get(&run).await?;
    // The trace comes last and closes the run.
    if known.is_success() && known.body["status"] == "succeeded" {
        return Ok(Part::WasThere);
    }
    let manifest = json!({
        "schema_version": "0.1", "bundle_format": "augur-bundle", "run_id": ID, "debug_session_id": "dbg_demo",
        "created_at": at(0), "capture_mode": "trace", "client": { "name": "pentad-demo" }, "step_count": STEPS.len(),
        "trace": "trace.json", "task_spec": { "description": "Book the room Turing for tomorrow at ten" },
        "paths": { "steps": "steps/", "events": "events/", "logs": "logs/", "screenshots": "screenshots/" },
    });
    server.post("/api/v1/runs", &manifest).await?.expect_success()?;
    for (index, step) in STEPS.iter().enumerate() {
        step.send(server, &run, index).await?;
    }
    let trace = json!({
        "session": {
            "schema_version": "0.1", "run_id": ID, "debug_session_id": "dbg_demo", "capture_mode": "trace",
            "client": { "name": "pentad-demo" }, "started_at": at(0), "ended_at": at(STEPS.len()), "status": "succeeded",
        },
        "steps": STEPS.iter().enumerate().map(|(index, step)| step.trace(index)).collect::<Vec<_>>(),
    });
    server
        .put(&format!("{run}/trace"), &trace)
        .await?
        .expect_success()?;
    Ok(Part::Loaded)
}

fn at(step: usize) -> String {
    format!("2026-05-19T09:00:{:02}Z", step * 4)
}

impl Step {
    async fn send(&self, server: &Server, run: &str, index: usize) -> anyhow::Result<()> {
        let step = self.trace(index);
        server
            .put(&format!("{run}/steps/{index}"), &step)
            .await?
            .expect_success()?;
        for (kind, page) in [("pre", self.before), ("post", self.after)] {
            let image = multipart::Part::bytes(page.drawn().png()?)
                .file_name("screenshot.png")
                .mime_str("image/png")
                .context("a media type")?;
            let form = multipart::Form::new().part("image", image);
            let path = format!("{run}/screenshots/{index}/{kind}");
            server
                .send_form(reqwest::Method::POST, &path, form)
                .await?
                .expect_success()?;
        }
        let event =
            json!({ "ts": at(index), "kind": "decision", "layer": "planner", "summary": self.intent });
        let events = json!({ "step_index": index, "events": [event] });
        server
            .post(&format!("{run}/events"), &events)
            .await?
            .expect_success()?;
        let line = self.failure.unwrap_or("done");
        let log = json!({ "step_index": index, "text": format!("{}: {line}\n", self.intent) });
        server
            .post(&format!("{run}/logs"), &log)
            .await?
            .expect_success()?;
        Ok(())
    }

    fn trace(&self, index: usize) -> Value {
        let mut params = json!({});
        if let Some((x, y)) = self.place {
            params = json!({ "x": x, "y": y });
        }
        if let Some(text) = self.text {
            params["text"] = text.into();
        }
        let status = if self.failure.is_some() {
            "failed"
        } else {
            "succeeded"
        };
        let mut step = json!({
            "step_id": format!("{ID}/step/{index:04}"), "step_index": index, "step_type": self.kind,
            "intent": self.intent, "status": status, "started_at": at(index), "ended_at": at(index + 1),
            "action": { "type": self.kind, "params": params, "coordinate_space": "viewport_css_px" },
            "observation_pre_meta": {
                "url": "https://rooms.example/search",
                "viewport": { "width": WIDTH, "height": HEIGHT },
            },
        });
        if let Some(failure) = self.failure {
            step["error"] = json!({ "type": "state_unchanged", "message": failure });
        }
        step
    }
}

impl Page {
    fn drawn(self) -> Canvas {
        const PAPER: Colour = [250, 250, 248];
        const INK: Colour = [40, 44, 52];
        const PALE: Colour = [140, 146, 156];
        const LINE: Colour = [204, 208, 214];
        const BLUE: Colour = [36, 94, 184];
        const GREEN: Colour = [36, 132, 82];
        const WHITE: Colour = [255, 255, 255];
        let mut canvas = Canvas::new(WIDTH, HEIGHT, PAPER);
        canvas.fill(Area::new(0, 0, WIDTH, 64), INK);
        canvas.write(60, 22, 3, "Rooms", WHITE);
        canvas.boxed(SEARCH, WHITE, LINE);
        let (text, colour) = if self.query.is_empty() {
            ("Name of a room", PALE)
        } else {
            (self.query, INK)
        };
        canvas.write(SEARCH.x + 16, SEARCH.y + 15, 2, text, colour);
        canvas.fill(FIND, BLUE);
        canvas.write(FIND.x + 24, FIND.y + 15, 2, "Search", WHITE);
        if !self.has_results {
            canvas.write(60, 200, 2, "Search for a room to see when it is free.", PALE);
            return canvas;
        }
        canvas.write(60, 190, 2, "1 room", PALE);
        canvas.boxed(Area::new(60, 226, 840, 116), WHITE, LINE);
        canvas.write(84, 250, 3, "Turing", INK);
        canvas.write(84, 296, 2, "8 seats, second floor, free 10:00 - 12:00", PALE);
        let (word, colour) = if self.is_booked {
            ("Booked", GREEN)
        } else {
            ("Book", BLUE)
        };
        canvas.fill(BOOK, colour);
        canvas.write(BOOK.x + 34, BOOK.y + 15, 2, word, WHITE);
        if self.is_booked {
            canvas.fill(Area::new(0, HEIGHT - 56, WIDTH, 56), GREEN);
            canvas.write(60, HEIGHT - 36, 2, "Booked for tomorrow, 10:00", WHITE);
        }
        canvas
    }
}
