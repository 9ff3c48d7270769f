// The stage: the screenshots of the current step, and where on them it acted.

const screens = find("[data-screens]");
const slider = find("[data-slider]");
const note = find("[data-stage-note]");
let view = "both";

function marks() {
  const article = find("article", detail);
  if (article?.dataset.index !== String(current)) return [];
  return JSON.parse(article.dataset.marks);
}

// Marks are drawn in pixels of the page, so that they stay readable whatever the screenshot's size.
function overlay(shot) {
  const drawing = svg("svg", { "aria-hidden": "true" });
  const place = () => {
    const box = drawing.getBoundingClientRect();
    const scale = box.width / shot.width;
    drawing.replaceChildren();
    if (!find("[data-overlay]").checked || !(scale > 0)) return;
    const all = marks().map((mark) => ({ ...mark, left: mark.x * scale, top: mark.y * scale }));
    const inside = all.filter((mark) => mark.x >= 0 && mark.y >= 0 && mark.x <= shot.width && mark.y <= shot.height);
    const ground = inside.find((mark) => mark.kind === "ground");
    const action = inside.find((mark) => mark.kind === "action");
    const apart = ground && action && Math.hypot(ground.left - action.left, ground.top - action.top) > 12;
    if (apart) {
      drawing.append(svg("line", { class: "mark-link", x1: ground.left, y1: ground.top, x2: action.left, y2: action.top }));
    }
    for (const mark of inside) {
      const radius = mark.kind === "action" ? 9 : 15;
      const dashed = mark.indirect ? " indirect" : "";
      const circle = { cx: mark.left, cy: mark.top, r: radius };
      drawing.append(svg("circle", { class: "mark-halo", ...circle }));
      drawing.append(svg("circle", { class: `mark-${mark.kind}${dashed}`, ...circle }));
      if (mark.kind === "action") drawing.append(svg("circle", { cx: mark.left, cy: mark.top, r: 2.5, fill: "#e5383b" }));
    }
    const named = ground ?? action;
    if (named) label(drawing, named, box);
  };
  requestAnimationFrame(place);
  new ResizeObserver(place).observe(drawing);
  return drawing;
}

function label(drawing, mark, box) {
  const words = mark.indirect ? `${mark.label} (not from the screenshot)` : mark.label;
  const text = svg("text", { class: "mark-label" }, words);
  drawing.append(text);
  const room = Math.min(box.width - 18, 480);
  for (let shown = 60; words.length > shown || text.getComputedTextLength() > room; shown -= 4) {
    text.textContent = `${words.slice(0, shown)}…`;
    if (shown <= 4 || text.getComputedTextLength() <= room) break;
  }
  const width = text.getComputedTextLength();
  const left = Math.max(6, Math.min(mark.left + 20, box.width - width - 12));
  const top = mark.top > 40 ? mark.top - 20 : mark.top + 36;
  text.setAttribute("x", left + 6);
  text.setAttribute("y", top);
  drawing.insertBefore(svg("rect", { class: "mark-plate", x: left, y: top - 15, width: width + 12, height: 21, rx: 4 }), text);
}

function image(step, kind) {
  const shot = step.screenshots[kind];
  const words = { pre: "Before", post: "After", target: "Target of", diff: "Difference made by" }[kind];
  return element("img", {
    src: shotUrl(step.step_index, kind, shot),
    width: shot.width,
    height: shot.height,
    alt: `${words} step ${step.step_index}: ${step.intent ?? step.step_type}`,
  });
}

function screen(step, kind, caption) {
  const shot = step.screenshots[kind];
  const words = caption ? [element("figcaption", {}, caption)] : [];
  const box = element("div", { class: "screen" }, image(step, kind), overlay(shot));
  if (shot.width < 320) box.classList.add("small");
  return element("figure", { class: "shot" }, box, ...words);
}

// Pixels that differ, in red over a pale copy of the screenshot after the step.
async function difference(step) {
  const { pre, post } = step.screenshots;
  const load = (kind) => {
    const loading = image(step, kind);
    return loading.decode().then(() => loading);
  };
  const [before, after] = await Promise.all([load("pre"), load("post")]);
  const [width, height] = [Math.max(pre.width, post.width), Math.max(pre.height, post.height)];
  const canvas = element("canvas", { width, height, role: "img", "aria-label": `What step ${step.step_index} changed` });
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  const pixels = (picture) => {
    paint.clearRect(0, 0, width, height);
    paint.drawImage(picture, 0, 0);
    return paint.getImageData(0, 0, width, height);
  };
  const [one, other] = [pixels(before).data, pixels(after)];
  let changed = 0;
  for (let at = 0; at < one.length; at += 4) {
    const data = other.data;
    const far =
      Math.abs(one[at] - data[at]) + Math.abs(one[at + 1] - data[at + 1]) + Math.abs(one[at + 2] - data[at + 2]);
    if (far > 24 || one[at + 3] !== data[at + 3]) {
      changed += 1;
      data.set([229, 56, 59, 255], at);
    } else {
      const grey = 200 + (data[at] + data[at + 1] + data[at + 2]) / 14;
      data.set([grey, grey, grey, 255], at);
    }
  }
  paint.putImageData(other, 0, 0);
  return { canvas, share: changed / (width * height) };
}

let drawn = "";

function drawStage() {
  const step = steps[places.get(current)];
  if (!step) return;
  const has = (kind) => Boolean(step.screenshots[kind]);
  const two = has("pre") && has("post");
  const available = { pre: has("pre"), post: has("post"), both: two, slide: two, diff: two || has("diff"), target: has("target") };
  const fallback = ["both", "post", "pre", "target", "diff"].find((each) => available[each]);
  const seen = available[view] ? view : fallback;
  for (const button of findAll("[data-view]")) {
    button.disabled = !available[button.dataset.view];
    button.hidden = button.dataset.view === "target" && !available.target;
    button.setAttribute("aria-checked", String(button.dataset.view === seen));
    button.tabIndex = button.dataset.view === seen ? 0 : -1;
  }
  const key = JSON.stringify([current, seen, step.screenshots, marks(), find("[data-overlay]").checked]);
  if (key === drawn) return;
  drawn = key;
  slider.hidden = seen !== "slide";
  tell(step, seen);
  if (!seen) screens.replaceChildren(element("p", { class: "none" }, "No screenshot was recorded for this step."));
  else if (seen === "both") screens.replaceChildren(screen(step, "pre", "Before"), screen(step, "post", "After"));
  else if (seen === "slide") slide(step);
  else if (seen === "diff" && !has("diff")) drawDifference(step);
  else screens.replaceChildren(screen(step, seen));
}

function tell(step, seen) {
  const { pre, post } = step.screenshots;
  const words = [];
  if (pre && post && pre.sha256 === post.sha256) words.push("The screenshots before and after are the same, pixel for pixel.");
  const shot = step.screenshots[seen === "post" ? "post" : "pre"] ?? post;
  for (const mark of shot ? marks() : []) {
    if (mark.x < 0 || mark.y < 0 || mark.x > shot.width || mark.y > shot.height) {
      const what = mark.kind === "action" ? "The action" : "The target found";
      words.push(`${what} at (${mark.x}, ${mark.y}) lies outside the screenshot of ${shot.width}×${shot.height}.`);
    }
  }
  note.textContent = [...new Set(words)].join(" ");
}

function slide(step) {
  const before = screen(step, "pre");
  const after = image(step, "post");
  find("img", before).after(after);
  const cut = () => {
    after.style.clipPath = `inset(0 0 0 ${100 - slider.value}%)`;
  };
  slider.oninput = cut;
  cut();
  screens.replaceChildren(before);
}

async function drawDifference(step) {
  const key = drawn;
  screens.replaceChildren(element("p", { class: "none" }, "Comparing…"));
  const made = await difference(step).catch(() => null);
  if (key !== drawn) return;
  if (!made) {
    screens.replaceChildren(element("p", { class: "none" }, "The screenshots cannot be compared."));
    return;
  }
  const box = element("div", { class: "screen" }, made.canvas);
  if (made.canvas.width < 320) box.classList.add("small");
  screens.replaceChildren(element("figure", { class: "shot" }, box));
  const percent = (made.share * 100).toFixed(made.share > 0 && made.share < 0.01 ? 2 : 1);
  note.textContent = made.share === 0 ? "No pixel changed." : `${percent} % of the pixels changed.`;
}

function look(wanted) {
  view = wanted;
  drawStage();
}

find(".segments").addEventListener("click", (event) => {
  const button = event.target.closest("[data-view]");
  if (button) look(button.dataset.view);
});
find(".segments").addEventListener("keydown", (event) => {
  if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  const buttons = findAll("[data-view]").filter((button) => !button.disabled && !button.hidden);
  const at = buttons.indexOf(document.activeElement) + (event.key === "ArrowRight" ? 1 : -1);
  const next = buttons[(at + buttons.length) % buttons.length];
  look(next.dataset.view);
  next.focus();
});
find("[data-overlay]").addEventListener("change", () => {
  drawn = "";
  drawStage();
});
find("[data-zoom]").addEventListener("change", (event) => screens.classList.toggle("full", event.target.checked));
