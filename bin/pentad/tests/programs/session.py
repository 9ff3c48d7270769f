import os, httpx
KEY = os.environ["JURAS_KEY"]
client = httpx.Client(
base_url=os.environ["BASE_URL"],
headers={"Authorization": f"Bearer {KEY}"},
timeout=30,
)
# 1. POST /api/v1/sessions — paths preserved via explicit tuple form
start = client.post("/api/v1/sessions", files=[
("files", ("src/loop.ts", open("./src/loop.ts", "rb"))),
("files", ("README.md", open("./README.md", "rb"))),
]).json()
session_id = start["id"]
# 2. GET /api/v1/sessions/{id}/grep
hits = client.get(f"/api/v1/sessions/{session_id}/grep", params={
"query": "runAgentLoop",
}).json()
print(hits)
# 3. PUT /api/v1/sessions/{id}/append
client.put(f"/api/v1/sessions/{session_id}/append", files=[
("files", ("src/tools.ts", open("./src/tools.ts", "rb"))),
])
# 4. DELETE /api/v1/sessions/{id}
client.delete(f"/api/v1/sessions/{session_id}")
