// Commands to the agent that is running.

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
