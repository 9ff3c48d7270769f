"""Key-value, SQL and object storage for programs in a sandbox: `kv`, `d1` and `r2`.

    from era_storage import kv, d1, r2

    kv.set("app", "theme", "dark")
    d1.exec("app", "CREATE TABLE IF NOT EXISTS users (name TEXT)")
    d1.exec("app", "INSERT INTO users VALUES (?)", ["Ada"])
    d1.query("app", "SELECT name FROM users")  # [{'name': 'Ada'}]
    r2.put("app", "reports/1.txt", b"bytes")

The environment variable ERA_STORAGE_URL says where the storage is.
"""

import base64 as _base64
import json as _json
import os as _os
import urllib.error as _error
import urllib.parse as _parse
import urllib.request as _request

_OPENER = _request.build_opener(_request.ProxyHandler({}))
_TIMEOUT_SECONDS = 60


class StorageError(Exception):
    """The storage refused. `status` is the status of HTTP, `code` says what for programs."""

    def __init__(self, message, code="", status=0):
        super().__init__(message)
        self.code = code
        self.status = status


def _send(method, path, body=None, accept="application/json"):
    url = _os.environ.get("ERA_STORAGE_URL", "http://localhost").rstrip("/") + "/api/storage/" + path
    data = None if body is None else _json.dumps(body).encode()
    request = _request.Request(url, data=data, method=method, headers={"Accept": accept})
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return answer.read()
    except _error.HTTPError as refused:
        try:
            told = _json.loads(refused.read())
            error = StorageError(told["message"], told["code"], refused.code)
        except (ValueError, KeyError, TypeError):
            error = StorageError(str(refused), "", refused.code)
    raise error


def _json_of(method, path, body=None):
    return _json.loads(_send(method, path, body))


def _found(method, path, accept="application/json"):
    try:
        return _send(method, path, accept=accept)
    except StorageError as error:
        if error.status == 404:
            return None
        raise


def _path(kind, namespace, *rest):
    return "/".join([kind, *(_parse.quote(part, safe="") for part in (namespace, *rest))])


def _list(kind, namespace, prefix, limit, cursor):
    parameters = {"prefix": prefix, "limit": limit}
    if cursor:
        parameters["cursor"] = cursor
    return _json_of("GET", _path(kind, namespace) + "?" + _parse.urlencode(parameters))


class KVStorage:
    """Texts under keys."""

    @staticmethod
    def set(namespace, key, value, metadata=None):
        """Store a text under a key. True."""
        return _json_of("PUT", _path("kv", namespace, key), {"value": value, "metadata": metadata})["success"]

    @staticmethod
    def get(namespace, key):
        """The text under a key, or None."""
        found = _found("GET", _path("kv", namespace, key))
        return None if found is None else _json.loads(found)["value"]

    @staticmethod
    def delete(namespace, key):
        """Remove a key. True, also when it is not there."""
        return _json_of("DELETE", _path("kv", namespace, key))["success"]

    @staticmethod
    def list(namespace, prefix="", limit=100, cursor=None):
        """Keys that begin with the prefix, as [{'name': ..., 'metadata': ...}]."""
        return _list("kv", namespace, prefix, limit, cursor)["keys"]


class D1Storage:
    """An SQL database in each namespace."""

    @staticmethod
    def query(namespace, sql, params=None):
        """Run a statement that only reads. Its rows, as dictionaries."""
        return _json_of("POST", _path("d1", namespace, "query"), {"sql": sql, "params": params or []})["results"]

    @staticmethod
    def exec(namespace, sql, params=None):
        """Run any statement. {'success': True, 'meta': {'changes': ..., ...}}"""
        return _json_of("POST", _path("d1", namespace, "exec"), {"sql": sql, "params": params or []})


class R2Storage:
    """Bytes under keys."""

    @staticmethod
    def put(namespace, key, content, metadata=None):
        """Store bytes, or a text as UTF-8, under a key. True."""
        if isinstance(content, str):
            content = content.encode()
        body = {"content": _base64.b64encode(content).decode(), "metadata": metadata}
        return _json_of("PUT", _path("r2", namespace, key), body)["success"]

    @staticmethod
    def get(namespace, key):
        """The bytes under a key, or None."""
        return _found("GET", _path("r2", namespace, key), accept="application/octet-stream")

    @staticmethod
    def delete(namespace, key):
        """Remove an object. True, also when it is not there."""
        return _json_of("DELETE", _path("r2", namespace, key))["success"]

    @staticmethod
    def list(namespace, prefix="", limit=100, cursor=None):
        """Objects whose keys begin with the prefix, as [{'key': ..., 'size': ..., 'uploaded': ...}]."""
        return _list("r2", namespace, prefix, limit, cursor)["objects"]


kv = KVStorage()
d1 = D1Storage()
r2 = R2Storage()
