// The page of a run: the film strip, the stage, the step beside it, and what changes while it is open.
//
// Steps are fetched page by page and kept as small records; only the frames in view are elements, so that a
// run of ten thousand steps scrolls as one of ten does.

const main = document.querySelector("main.run");
const run = main.dataset.run;
const name = encodeURIComponent(run);
const api = `/api/v1/runs/${name}`;
const viewer = `/viewer/runs/${name}`;

const PAGE = 1000;
const FRAME = 130;
const OVERSCAN = 6;
const QUIET_MS = 250;
const HEAD_MS = 1500;

const find = (selector, within = document) => within.querySelector(selector);
const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function svg(tag, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

async function ask(url) {
  const answer = await fetch(url);
  if (answer.status === 401) {
    location.assign(`/viewer/login?next=${encodeURIComponent(location.pathname + location.hash)}`);
    throw new Error("signed out");
  }
  return answer;
}

const shotUrl = (index, kind, shot, width) => {
  const file = `${api}/screenshots/${String(index).padStart(4, "0")}_${kind}.png`;
  return `${file}?${width ? `w=${width}&` : ""}v=${shot.sha256}`;
};

// ---- The steps -------------------------------------------------------------------------------------

const steps = [];
const places = new Map();
const flags = new Map();
let total = Number(main.dataset.steps);

function put(step) {
  const known = places.get(step.step_index);
  if (known !== undefined) {
    steps[known] = step;
    return;
  }
  let at = steps.length;
  while (at > 0 && steps[at - 1].step_index > step.step_index) at -= 1;
  steps.splice(at, 0, step);
  if (at === steps.length - 1) places.set(step.step_index, at);
  else steps.forEach((each, place) => places.set(each.step_index, place));
}

async function fetchSteps(from, limit) {
  const answer = await ask(`${api}/steps?from=${from}&limit=${limit}`);
  if (!answer.ok) return null;
  const page = await answer.json();
  page.steps.forEach(put);
  total = Math.max(page.total, steps.length);
  return page;
}

async function fetchAll() {
  strip.ariaBusy = "true";
  let from = 0;
  while (from !== null) {
    const page = await fetchSteps(from, PAGE);
    if (!page) return;
    from = page.next_from;
    draw();
    if (current === null && steps.length > 0) openFromAddress();
  }
  strip.ariaBusy = "false";
}

const isTrouble = (step) => step.status === "failed" || step.verdict === "failed" || flags.has(step.step_index);

function readFlags() {
  const rank = { critical: 3, high: 3, medium: 2, low: 1, info: 1 };
  flags.clear();
  for (const item of findAll("#head [data-step][data-severity]")) {
    const index = Number(item.dataset.step);
    flags.set(index, Math.max(flags.get(index) ?? 0, rank[item.dataset.severity] ?? 1));
  }
}

// ---- The film strip --------------------------------------------------------------------------------

const strip = find("[data-strip]");
const frames = find("[data-frames]");
const timeline = find("[data-timeline]");
const shown = new Map();

function frame(step, at) {
  const index = step.step_index;
  const kind = ["post", "pre"].find((each) => step.screenshots[each]);
  const words = step.intent ?? step.step_type;
  const link = element("a", {
    href: `#step=${index}`,
    title: words,
    tabindex: "-1",
    "aria-label": `Step ${index}, ${step.status}: ${words}`,
  });
  if (kind) {
    const shot = step.screenshots[kind];
    link.append(element("img", { src: shotUrl(index, kind, shot, 160), alt: "", draggable: "false" }));
  } else {
    link.append(element("span", { class: "blank" }, step.step_type));
  }
  const caption = element("span", { class: "caption" }, element("strong", {}, String(index)));
  const flag = flags.get(index);
  if (flag > 1) caption.append(element("span", { class: flag > 2 ? "flag" : "flag mild", title: "A finding" }, "!"));
  if (step.attempts > 1) caption.append(element("span", { title: `${step.attempts} attempts` }, `×${step.attempts}`));
  caption.append(element("span", {}, words));
  link.append(caption);
  const item = element("li", { class: `frame ${step.status}`, "aria-posinset": at + 1, "aria-setsize": total }, link);
  item.style.left = `${at * FRAME}px`;
  return item;
}

const keyOf = (step) => JSON.stringify([step, flags.get(step.step_index)]);

function draw() {
  frames.style.width = `${Math.max(total, steps.length) * FRAME}px`;
  const first = Math.max(0, Math.floor(strip.scrollLeft / FRAME) - OVERSCAN);
  const last = Math.min(steps.length, Math.ceil((strip.scrollLeft + strip.clientWidth) / FRAME) + OVERSCAN);
  for (const [at, known] of shown) {
    if (at < first || at >= last) {
      known.item.remove();
      shown.delete(at);
    }
  }
  for (let at = first; at < last; at += 1) {
    const key = keyOf(steps[at]);
    const known = shown.get(at);
    if (known?.key === key) continue;
    const item = frame(steps[at], at);
    if (known) known.item.replaceWith(item);
    else {
      // In the order of the steps, so that a reader of the list meets them in order.
      const after = [...shown.keys()].filter((other) => other > at).sort((a, b) => a - b)[0];
      frames.insertBefore(item, after === undefined ? null : shown.get(after).item);
    }
    shown.set(at, { item, key });
  }
  for (const [at, { item }] of shown) {
    const link = find("a", item);
    const isCurrent = steps[at].step_index === current;
    if (isCurrent) link.setAttribute("aria-current", "step");
    else link.removeAttribute("aria-current");
    link.tabIndex = isCurrent ? 0 : -1;
  }
  drawTimeline();
  const at = places.get(current);
  find("[data-position]").textContent = at === undefined ? "" : `${at + 1} of ${Math.max(total, steps.length)}`;
}

// Each step as wide as it took, coloured by how it ended.
function widths() {
  const known = steps.map((step) => step.duration_ms).filter((millis) => millis > 0);
  const typical = known.length > 0 ? known.reduce((sum, millis) => sum + millis, 0) / known.length : 1;
  const weights = steps.map((step) => Math.sqrt(step.duration_ms > 0 ? step.duration_ms : typical));
  const sum = weights.reduce((all, weight) => all + weight, 0) || 1;
  let at = 0;
  return weights.map((weight) => {
    const from = at / sum;
    at += weight;
    return [from, at / sum];
  });
}

let spans = [];

function drawTimeline() {
  const width = timeline.clientWidth;
  const scale = window.devicePixelRatio || 1;
  timeline.width = Math.round(width * scale);
  timeline.height = Math.round(28 * scale);
  const paint = timeline.getContext("2d");
  paint.scale(scale, scale);
  const colour = (token) => {
    timeline.style.color = `var(--${token})`;
    return getComputedStyle(timeline).color;
  };
  const colours = {
    succeeded: colour("good"),
    failed: colour("bad"),
    recovered: colour("warn"),
    running: colour("busy"),
    pending: colour("busy"),
    skipped: colour("muted"),
    accent: colour("text"),
  };
  timeline.style.color = "";
  spans = widths();
  const gap = steps.length < width / 4 ? 1 : 0;
  const bar = (step, at, least) => {
    const from = spans[at][0] * width;
    const wide = Math.max((spans[at][1] - spans[at][0]) * width - gap, least);
    paint.fillStyle = colours[step.status] ?? colours.skipped;
    paint.fillRect(Math.min(from, width - wide), 9, wide, 13);
    return [from, wide];
  };
  steps.forEach((step, at) => bar(step, at, 0.5));
  // What went wrong is drawn over the rest, wide enough to be seen among ten thousand.
  steps.forEach((step, at) => {
    const flag = flags.get(step.step_index) ?? 0;
    if (step.status !== "failed" && flag < 2) return;
    const [from, wide] = bar(step, at, step.status === "failed" ? 3 : 0.5);
    if (flag > 1) {
      paint.fillStyle = flag > 2 ? colours.failed : colours.recovered;
      paint.fillRect(Math.min(from, width - 3), 2, Math.max(wide, 3), 5);
    }
  });
  const at = places.get(current);
  if (at !== undefined && spans[at]) {
    const from = spans[at][0] * width;
    const wide = Math.max((spans[at][1] - spans[at][0]) * width, 3);
    paint.strokeStyle = colours.accent;
    paint.lineWidth = 2;
    paint.strokeRect(Math.min(from, width - wide) + 1, 7, Math.max(wide - 2, 1), 18);
  }
}

strip.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
new ResizeObserver(() =>
  requestAnimationFrame(() => {
    if (places.has(current)) reveal(places.get(current));
    draw();
  }),
).observe(strip);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(draw));
frames.addEventListener("dragstart", (event) => event.preventDefault());

function pickOnTimeline(event) {
  const box = timeline.getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  const at = spans.findIndex(([, to]) => share <= to);
  if (at >= 0) go(steps[at].step_index);
}
timeline.addEventListener("pointerdown", (event) => {
  timeline.setPointerCapture(event.pointerId);
  pickOnTimeline(event);
});
timeline.addEventListener("pointermove", (event) => {
  if (timeline.hasPointerCapture(event.pointerId)) pickOnTimeline(event);
});

// ---- The current step ------------------------------------------------------------------------------

let current = null;
let tab = "overview";
let asked = 0;

const address = () => new URLSearchParams(location.hash.slice(1));

function openFromAddress() {
  const wanted = address();
  if (wanted.has("tab")) tab = wanted.get("tab");
  const index = Number(wanted.get("step"));
  if (wanted.has("step") && places.has(index)) show(index);
  else if (current === null && !wanted.has("step") && steps.length > 0) {
    const trouble = steps.find((step) => step.status === "failed");
    show(following() && main.dataset.sealed !== "true" ? steps.at(-1).step_index : (trouble ?? steps[0]).step_index);
  }
}

function remember() {
  const wanted = new URLSearchParams({ step: String(current) });
  if (tab !== "overview") wanted.set("tab", tab);
  const hash = `#${wanted}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
}

function reveal(at) {
  const left = at * FRAME;
  const view = strip.clientWidth;
  if (left < strip.scrollLeft + FRAME / 2 || left + FRAME > strip.scrollLeft + view - FRAME / 2) {
    strip.scrollLeft = left - (view - FRAME) / 2;
  }
}

function show(index) {
  const changed = current !== index;
  current = index;
  remember();
  reveal(places.get(index));
  draw();
  drawStage();
  if (changed) fetchDetail();
}

function go(index) {
  if (!places.has(index)) return;
  const follow = find("[data-follow]");
  if (follow && index !== steps.at(-1).step_index) follow.checked = false;
  show(index);
}

function move(by) {
  const at = places.get(current) ?? 0;
  const next = steps[Math.min(Math.max(at + by, 0), steps.length - 1)];
  if (next) go(next.step_index);
}

function nextTrouble(direction) {
  const from = places.get(current) ?? -1;
  for (let by = 1; by <= steps.length; by += 1) {
    const step = steps[(((from + by * direction) % steps.length) + steps.length) % steps.length];
    if (isTrouble(step)) {
      go(step.step_index);
      return;
    }
  }
}

const detail = find("#detail");

async function fetchDetail() {
  const ticket = (asked += 1);
  const index = current;
  const answer = await ask(`${viewer}/steps/${index}`).catch(() => null);
  if (ticket !== asked || !answer?.ok) return;
  const open = new Set(findAll("details[open] > summary", detail).map((each) => each.textContent));
  const scroll = detail.scrollTop;
  const isSame = find("article", detail)?.dataset.index === String(index);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (ticket !== asked) return;
  const focused = document.activeElement?.id;
  detail.replaceChildren(...page.body.childNodes);
  choose(tab);
  if (isSame) {
    for (const each of findAll("details > summary", detail)) each.parentElement.open = open.has(each.textContent);
    detail.scrollTop = scroll;
    if (focused) document.getElementById(focused)?.focus();
  } else {
    detail.scrollTop = 0;
  }
  drawStage();
}

function choose(wanted) {
  const tabs = findAll('[role="tab"]', detail);
  if (tabs.length === 0) return;
  const chosen = tabs.find((each) => each.dataset.tab === wanted) ?? tabs[0];
  tab = chosen.dataset.tab;
  for (const each of tabs) {
    const isChosen = each === chosen;
    each.setAttribute("aria-selected", String(isChosen));
    each.tabIndex = isChosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !isChosen;
  }
  remember();
}

detail.addEventListener("click", (event) => {
  const chosen = event.target.closest('[role="tab"]');
  if (chosen) choose(chosen.dataset.tab);
});
detail.addEventListener("keydown", (event) => {
  if (!event.target.closest('[role="tab"]') || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  const tabs = findAll('[role="tab"]', detail);
  const at = tabs.indexOf(event.target) + (event.key === "ArrowRight" ? 1 : -1);
  const next = tabs[(at + tabs.length) % tabs.length];
  choose(next.dataset.tab);
  next.focus();
});

// ---- The stage -------------------------------------------------------------------------------------

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
  const text = svg("text", { class: "mark-label" }, words.length > 60 ? `${words.slice(0, 60)}…` : words);
  drawing.append(text);
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

// ---- What changes while the page is open -----------------------------------------------------------

const following = () => Boolean(find("[data-follow]")?.checked);
let changedSteps = new Set();
let everythingChanged = false;
let pending = null;
let headPending = null;

function noteChange(paths) {
  if (paths.length === 0) everythingChanged = true;
  for (const path of paths) {
    const index = /^(?:steps|events|screenshots|modelio|side_effects)\/(\d+)/.exec(path) ?? /^logs\/step-(\d+)/.exec(path);
    if (index) changedSteps.add(Number(index[1]));
    if (path === "trace.json") everythingChanged = true;
  }
  pending ??= setTimeout(catchUp, QUIET_MS);
  headPending ??= setTimeout(freshHead, HEAD_MS);
}

async function catchUp() {
  const [indexes, everything] = [changedSteps, everythingChanged];
  changedSteps = new Set();
  everythingChanged = false;
  const before = steps.length;
  try {
    if (everything || indexes.size > 20) {
      const from = everything ? 0 : Math.min(...indexes);
      for (let next = from; next !== null; ) {
        const page = await fetchSteps(next, PAGE);
        next = page ? page.next_from : null;
      }
    } else {
      for (const index of indexes) await fetchSteps(index, 1);
    }
  } catch {
    // The next change brings another look.
  }
  pending = null;
  draw();
  if (steps.length > before && (following() || current === null)) show(steps.at(-1).step_index);
  else if (everything || indexes.has(current)) {
    drawn = "";
    fetchDetail();
  }
  if (changedSteps.size > 0 || everythingChanged) pending = setTimeout(catchUp, QUIET_MS);
}

async function freshHead() {
  headPending = null;
  const answer = await ask(`${viewer}/head`).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const head = find("#head");
  const wasOpen = new Map(findAll("details", head).map((each) => [each.className, each.open]));
  const scroll = find(".findings > ul")?.scrollTop ?? 0;
  head.replaceChildren(...page.body.childNodes);
  for (const each of findAll("details", head)) if (wasOpen.has(each.className)) each.open = wasOpen.get(each.className);
  const list = find(".findings > ul");
  if (list) list.scrollTop = scroll;
  readFlags();
  draw();
}

function follow() {
  const source = new EventSource(`${api}/stream`);
  let opened = false;
  source.addEventListener("open", () => {
    // After a break nobody knows what was missed.
    if (opened) noteChange([]);
    opened = true;
  });
  source.addEventListener("change", (event) => noteChange(JSON.parse(event.data).paths));
  source.addEventListener("gone", () => {
    source.close();
    note.textContent = "This run was removed.";
  });
}

// ---- Commands --------------------------------------------------------------------------------------

async function command(type, payload) {
  const status = find("[data-command-status]");
  status.textContent = "Sending…";
  const answer = await fetch(`${api}/commands`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type, payload }),
  }).catch(() => null);
  const body = await answer?.json().catch(() => null);
  const words = { pause: "Pause", resume: "Resume", kill: "Kill", inject_hint: "Hint" }[type];
  status.textContent = answer?.ok
    ? `${words} sent: the agent gets it at its next look.`
    : `Not sent: ${body?.detail ?? "the server cannot be reached"}`;
  if (answer?.ok && find("#about").open) fetchAbout();
}

findAll("[data-command]").forEach((button) =>
  button.addEventListener("click", () => {
    if (button.dataset.command === "kill") find("[data-confirm-kill]").showModal();
    else command(button.dataset.command);
  }),
);
find("[data-confirm-kill]")?.addEventListener("close", (event) => {
  if (event.target.returnValue === "kill") command("kill");
  event.target.returnValue = "";
});
find("[data-hint]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const input = find("#hint");
  const text = input.value.trim();
  if (text) command("inject_hint", { text }).then(() => (input.value = ""));
});
find("[data-follow]")?.addEventListener("change", (event) => {
  if (event.target.checked && steps.length > 0) show(steps.at(-1).step_index);
});

// ---- The rest --------------------------------------------------------------------------------------

async function fetchAbout() {
  const answer = await ask(`${viewer}/about`).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  find("#about-body").replaceChildren(...page.body.childNodes);
}
find("#about").addEventListener("toggle", (event) => {
  if (event.target === find("#about") && event.target.open) fetchAbout();
});

document.addEventListener("click", async (event) => {
  const citation = event.target.closest("[data-copy]");
  if (citation) {
    await navigator.clipboard.writeText(citation.dataset.copy).catch(() => {});
    const words = citation.textContent;
    citation.textContent = "Copied";
    setTimeout(() => (citation.textContent = words), 1200);
  }
  for (const open of findAll("details.integrity[open]")) if (!open.contains(event.target)) open.open = false;
});

addEventListener("hashchange", () => {
  const wanted = address();
  tab = wanted.get("tab") ?? "overview";
  const index = Number(wanted.get("step"));
  if (wanted.has("step") && places.has(index)) {
    go(index);
    choose(tab);
    if (filmIsFar()) find(".film").scrollIntoView({ block: "start", behavior: "smooth" });
  }
});
const filmIsFar = () => find(".film").getBoundingClientRect().bottom > innerHeight;

find("[data-next-failure]").addEventListener("click", () => nextTrouble(1));
findAll("[data-go]").forEach((button) => button.addEventListener("click", () => move(Number(button.dataset.go))));
find("[data-help]").addEventListener("click", () => find("[data-help-dialog]").showModal());
find("[data-jump]").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = find("#jump");
  if (input.value !== "") go(Number(input.value));
  input.value = "";
  strip.focus();
});

const toggle = (selector) => {
  const box = find(selector);
  box.checked = !box.checked;
  box.dispatchEvent(new Event("change"));
};

const keys = {
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  j: () => move(1),
  k: () => move(-1),
  Home: () => move(-Infinity),
  End: () => move(Infinity),
  f: () => nextTrouble(1),
  F: () => nextTrouble(-1),
  b: () => look("both"),
  d: () => look(view === "diff" ? "both" : "diff"),
  s: () => look(view === "slide" ? "both" : "slide"),
  o: () => toggle("[data-overlay]"),
  z: () => toggle("[data-zoom]"),
  g: () => find("#jump").focus(),
  "?": () => find("[data-help-dialog]").showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  const at = Number(event.key);
  if (at >= 1 && at <= 8) choose(findAll('[role="tab"]', detail)[at - 1]?.dataset.tab);
  else if (keys[event.key]) keys[event.key]();
  else return;
  event.preventDefault();
});

readFlags();
fetchAll().then(() => {
  draw();
  if (main.dataset.sealed !== "true") follow();
});
