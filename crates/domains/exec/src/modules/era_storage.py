"""Key-value, SQL and object storage of the session's owner: kv, d1 and r2.

    import era_storage
    era_storage.kv.set("app", "greeting", "hello")
    era_storage.d1.query("app", "SELECT name FROM users WHERE id = ?", [1])
    era_storage.r2.put("app", "report.txt", b"bytes")
"""
import base64 as _base64
import json as _json
import os as _os
import urllib.error as _error
import urllib.parse as _parse
import urllib.request as _request

_URL = _os.environ.get("ERA_STORAGE_URL", "http://127.0.0.1:8787")
_open = _request.build_opener(_request.ProxyHandler({})).open


class StorageError(Exception):
    """What the storage refused; `code` and `status` say why."""

    def __init__(self, message, code=None, status=None):
        super().__init__(message)
        self.code = code
        self.status = status


def _call(method, kind, namespace, rest="", body=None, query=None):
    path = "/api/storage/" + kind + "/" + _parse.quote(namespace, safe="")
    if rest:
        path += "/" + _parse.quote(rest, safe="")
    if query:
        path += "?" + _parse.urlencode({k: v for k, v in query.items() if v is not None})
    data = None if body is None else _json.dumps(body).encode()
    request = _request.Request(_URL + path, data, {"Content-Type": "application/json"}, method=method)
    try:
        with _open(request, timeout=60) as answer:
            return _json.load(answer)
    except _error.HTTPError as failed:
        try:
            told = _json.load(failed)
        except ValueError:
            told = {}
        raise StorageError(told.get("message", str(failed)), told.get("code"), failed.code) from None


def _or_none(*arguments):
    try:
        return _call(*arguments)
    except StorageError as failed:
        if failed.status == 404:
            return None
        raise


class _KV:
    """Texts by key."""

    def set(self, namespace, key, value, metadata=None):
        body = {"value": value if isinstance(value, str) else _json.dumps(value)}
        if metadata is not None:
            body["metadata"] = metadata
        return _call("PUT", "kv", namespace, key, body)["success"]

    def get(self, namespace, key):
        found = _or_none("GET", "kv", namespace, key)
        return None if found is None else found["value"]

    def delete(self, namespace, key):
        return _call("DELETE", "kv", namespace, key)["success"]

    def list(self, namespace, prefix=None, limit=100, cursor=None):
        return _call("GET", "kv", namespace, "", None, {"prefix": prefix, "limit": limit, "cursor": cursor})["keys"]


class _D1:
    """A database of one's own in each namespace."""

    def query(self, namespace, sql, params=None):
        return _call("POST", "d1", namespace, "query", {"sql": sql, "params": params or []})["results"]

    def exec(self, namespace, sql, params=None):
        return _call("POST", "d1", namespace, "exec", {"sql": sql, "params": params or []})["meta"]


class _R2:
    """Bytes by key."""

    def put(self, namespace, key, content, metadata=None):
        if isinstance(content, str):
            content = content.encode()
        body = {"content": _base64.b64encode(content).decode()}
        if metadata is not None:
            body["metadata"] = metadata
        return _call("PUT", "r2", namespace, key, body)["success"]

    def get(self, namespace, key):
        found = _or_none("GET", "r2", namespace, key)
        return None if found is None else _base64.b64decode(found["content"])

    def delete(self, namespace, key):
        return _call("DELETE", "r2", namespace, key)["success"]

    def list(self, namespace, prefix=None, limit=100, cursor=None):
        return _call("GET", "r2", namespace, "", None, {"prefix": prefix, "limit": limit, "cursor": cursor})["objects"]


kv = _KV()
d1 = _D1()
r2 = _R2()
