// The current step: which it is, how one gets to another, and what is told beside the stage.

let current = null;
let tab = "overview";
let asked = 0;

const address = () => new URLSearchParams(location.hash.slice(1));

// Only when all steps are known is it known which is the last one, and that there is none of the address.
function openFromAddress(isWhole) {
  const wanted = address();
  if (wanted.has("tab")) tab = wanted.get("tab");
  const index = Number(wanted.get("step"));
  const last = following() && main.dataset.atWork === "true";
  if (wanted.has("step") && places.has(index)) show(index);
  else if (current === null && steps.length > 0 && (isWhole || !(wanted.has("step") || last))) {
    const trouble = steps.find((step) => step.status === "failed");
    show((last ? steps.at(-1) : (trouble ?? steps[0])).step_index);
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
  if (ticket !== asked) return;
  if (!answer?.ok) {
    detail.replaceChildren(failure("This step could not be loaded.", fetchDetail));
    return;
  }
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
