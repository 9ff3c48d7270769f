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

// What could not be loaded, and another try.
function failure(words, again) {
  const button = element("button", { type: "button" }, "Try again");
  button.addEventListener("click", again);
  return element("div", { class: "message", role: "alert" }, element("p", {}, words), button);
}

const shotUrl = (index, kind, shot, width) => {
  const file = `${api}/screenshots/${String(index).padStart(4, "0")}_${kind}.png`;
  return `${file}?${width ? `w=${width}&` : ""}v=${shot.sha256}`;
};
