// The film strip and the timeline above it.

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
