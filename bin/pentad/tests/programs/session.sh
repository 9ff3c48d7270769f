set -e
# 1. Create session
SESSION=$(curl -s -X POST $BASE_URL/api/v1/sessions \
-H "Authorization: Bearer $JURAS_KEY" \
-F "files=@./src/loop.ts;filename=src/loop.ts" \
-F "files=@./README.md;filename=README.md" \
| jq -r .id)
# 2. Grep
curl -sG "$BASE_URL/api/v1/sessions/$SESSION/grep" \
-H "Authorization: Bearer $JURAS_KEY" \
--data-urlencode "query=runAgentLoop" \
| jq .
# 3. Append a file
curl -s -X PUT "$BASE_URL/api/v1/sessions/$SESSION/append" \
-H "Authorization: Bearer $JURAS_KEY" \
-F "files=@./src/tools.ts;filename=src/tools.ts"
# 4. Stop
curl -s -X DELETE "$BASE_URL/api/v1/sessions/$SESSION" \
-H "Authorization: Bearer $JURAS_KEY"
