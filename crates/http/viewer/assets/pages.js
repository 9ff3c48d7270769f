// What every page does: sign in and out, keep the list of runs fresh, choose runs to compare.

const REFRESH_MS = 5000;

const post = (path, body) =>
  fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body ?? {}),
  });

function signIn(form) {
  const error = form.querySelector("[data-error]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.textContent = "";
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const answer = await post("/api/v1/auth/login", {
        email: form.elements.email.value,
        password: form.elements.password.value,
      });
      if (answer.ok) {
        location.replace(form.dataset.next);
        return;
      }
      const body = await answer.json().catch(() => ({}));
      error.textContent = body.detail ?? "Signing in failed.";
      form.elements.password.select();
    } catch {
      error.textContent = "The server cannot be reached.";
    } finally {
      button.disabled = false;
    }
  });
}

function signOut(button) {
  button.addEventListener("click", async () => {
    await post("/api/v1/auth/logout").catch(() => {});
    location.assign("/viewer/login");
  });
}

// The list is fetched anew as the very page it is on; what the reader has chosen stays chosen.
function keepFresh(parts) {
  const chosen = () =>
    new Set([...document.querySelectorAll('input[name="run"]:checked')].map((box) => box.value));
  const refresh = async () => {
    if (document.hidden || document.activeElement?.closest("[data-live]")) return;
    const answer = await fetch(location.href).catch(() => null);
    if (!answer) return;
    if (answer.redirected) {
      location.assign(answer.url);
      return;
    }
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = chosen();
    for (const part of parts) {
      const fresh = page.getElementById(part.id);
      if (!fresh || fresh.innerHTML === part.innerHTML) continue;
      part.replaceChildren(...fresh.childNodes);
    }
    for (const box of document.querySelectorAll('input[name="run"]')) box.checked = before.has(box.value);
    countChosen();
  };
  setInterval(refresh, REFRESH_MS);
  document.addEventListener("visibilitychange", refresh);
}

function countChosen() {
  const button = document.querySelector("[data-compare]");
  if (!button) return;
  const boxes = [...document.querySelectorAll('input[name="run"]')];
  const count = boxes.filter((box) => box.checked).length;
  button.disabled = count !== 2;
  for (const box of boxes) box.disabled = count >= 2 && !box.checked;
}

document.querySelectorAll("[data-sign-in]").forEach(signIn);
document.querySelectorAll("[data-sign-out]").forEach(signOut);
const live = [...document.querySelectorAll("[data-live]")];
if (live.length > 0) {
  keepFresh(live);
  document.addEventListener("change", countChosen);
  countChosen();
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      document.querySelector("[data-search]")?.focus();
    }
  });
}
