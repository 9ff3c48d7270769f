// What changes while the page is open.

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
  else if (current !== null && (everything || indexes.has(current))) {
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
  // Before the stream was open, at first or after a break, nobody told what happened.
  source.addEventListener("open", () => noteChange([]));
  source.addEventListener("change", (event) => noteChange(JSON.parse(event.data).paths));
  source.addEventListener("gone", () => {
    source.close();
    note.textContent = "This run was removed.";
  });
}
