import http from "node:http";
import fs from "node:fs";
// Reusable keep-alive agent
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const headers = { Authorization: `Bearer ${process.env.JURAS_KEY}` };
const base = process.env.BASE_URL;
// 1. POST /api/v1/sessions
const form = new FormData();
form.set("files",
new Blob([fs.readFileSync("./src/loop.ts")], { type: "text/plain" }),
"src/loop.ts");
const { id } = await fetch(`${base}/api/v1/sessions`, {
method: "POST", agent, headers, body: form,
}).then(r => r.json());
// 2. GET /api/v1/sessions/{id}/grep
const url = new URL(`${base}/api/v1/sessions/${id}/grep`);
url.searchParams.set("query", "runAgentLoop");
const { hits } = await fetch(url, { agent, headers }).then(r => r.json());
console.log(hits);
// 3. PUT /api/v1/sessions/{id}/append
const appendForm = new FormData();
appendForm.set("files",
new Blob([fs.readFileSync("./src/tools.ts")], { type: "text/plain" }),
"src/tools.ts");
await fetch(`${base}/api/v1/sessions/${id}/append`, {
method: "PUT", agent, headers, body: appendForm,
});
// 4. DELETE /api/v1/sessions/{id}
await fetch(`${base}/api/v1/sessions/${id}`, {
method: "DELETE", agent, headers,
});
