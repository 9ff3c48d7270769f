// Buttons, keys and the address; then the page begins.

async function fetchAbout() {
  const answer = await ask(`${viewer}/about`).catch(() => null);
  if (!answer?.ok) {
    find("#about-body").replaceChildren(failure("This could not be loaded.", fetchAbout));
    return;
  }
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
  const index = Number(input.value);
  if (input.value !== "" && !places.has(index)) {
    input.setCustomValidity("This run has no such step.");
    input.reportValidity();
    return;
  }
  if (input.value !== "") go(index);
  input.value = "";
  strip.focus();
});

find("#jump").addEventListener("input", (event) => event.target.setCustomValidity(""));

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
