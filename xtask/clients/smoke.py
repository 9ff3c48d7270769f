"""The client that openapi-python-client makes: every module imports, and each API answers with its types."""

import importlib
import os
import pkgutil
from io import BytesIO

import pentad_client
from pentad_client import AuthenticatedClient
from pentad_client.api.exec_ import execute
from pentad_client.api.grep import grep, open_session
from pentad_client.api.memories import add_memory, query_memories
from pentad_client.api.runs import list_runs
from pentad_client.api.storage import get_kv_value, put_kv_value
from pentad_client.models import (
    ExecExecute,
    ExecKvPut,
    GatewaySessionForm,
    GrepCreatedSession,
    MemoriesNewMemory,
    MemoriesQuery,
)
from pentad_client.types import File

modules = [module.name for module in pkgutil.walk_packages(pentad_client.__path__, "pentad_client.")]
for module in modules:
    importlib.import_module(module)
print(len(modules), "modules")

client = AuthenticatedClient(base_url=os.environ["PENTAD"], token=os.environ["KEY"], raise_on_unexpected_status=True)

files = [File(payload=BytesIO(b"needle\n"), file_name="src/a.txt", mime_type="text/plain")]
session = open_session.sync(client=client, body=GatewaySessionForm(files=files))
assert isinstance(session, GrepCreatedSession), session
found = grep.sync(str(session.id), client=client, query="needle")
assert found.total == 1 and found.hits[0].path == "src/a.txt", found

add_memory.sync(client=client, body=MemoriesNewMemory(content="Ada lives in Lisbon."))
answer = query_memories.sync(client=client, body=MemoriesQuery(question="Where does Ada live?"))
assert "Lisbon" in answer.answer_with_citations, answer

ran = execute.sync(client=client, body=ExecExecute(language="python", code="print(6 * 7)"))
assert ran.stdout == "42\n", ran

put_kv_value.sync("smoke", "python", client=client, body=ExecKvPut(value="there"))
assert get_kv_value.sync("smoke", "python", client=client).value == "there"

assert isinstance(list_runs.sync(client=client)["runs"], list)
print("each API answers")
