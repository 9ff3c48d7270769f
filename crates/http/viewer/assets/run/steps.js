// The steps: what is known of them, and which are in trouble.

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
    const page = await fetchSteps(from, PAGE).catch(() => null);
    if (!page) {
      if (current === null) detail.replaceChildren(failure("The steps could not be loaded.", fetchAll));
      break;
    }
    from = page.next_from;
    draw();
    if (current === null) openFromAddress(from === null);
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
