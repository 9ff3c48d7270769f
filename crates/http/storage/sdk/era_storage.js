// Key-value, SQL and object storage for programs in a sandbox.
//
//     const { KVStorage, D1Storage, R2Storage } = require('./era_storage.js');   // Node
//     import { KVStorage, D1Storage, R2Storage } from './era_storage.js';        // Node and Deno
//
//     await KVStorage.set('app', 'theme', 'dark');
//     await D1Storage.exec('app', 'CREATE TABLE IF NOT EXISTS users (name TEXT)');
//     await D1Storage.query('app', 'SELECT name FROM users WHERE name = ?', ['Ada']);
//     await R2Storage.put('app', 'reports/1.txt', 'text or bytes');
//
// The environment variable ERA_STORAGE_URL says where the storage is.

(function () {
  'use strict';

  /** The storage refused. `status` is the status of HTTP, `code` says what for programs. */
  class StorageError extends Error {
    constructor(message, code = '', status = 0) {
      super(message);
      this.name = 'StorageError';
      this.code = code;
      this.status = status;
    }
  }

  function base() {
    const variable = 'ERA_STORAGE_URL';
    const url = typeof Deno !== 'undefined' ? Deno.env.get(variable) : process.env[variable];
    return (url || 'http://localhost').replace(/\/+$/, '') + '/api/storage/';
  }

  const path = (kind, ...parts) => [kind, ...parts.map(encodeURIComponent)].join('/');

  async function send(method, where, body, accept = 'application/json') {
    const headers = { Accept: accept };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await fetch(base() + where, { method, headers, body: text });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new StorageError(told.message || `status ${answer.status}`, told.code, answer.status);
  }

  const json = async (...request) => (await send(...request)).json();

  async function found(...request) {
    try {
      return await send(...request);
    } catch (error) {
      if (error.status === 404) return null;
      throw error;
    }
  }

  function list(kind, namespace, prefix, limit, cursor) {
    const parameters = new URLSearchParams({ prefix, limit: String(limit) });
    if (cursor) parameters.set('cursor', cursor);
    return json('GET', `${path(kind, namespace)}?${parameters}`);
  }

  function base64(content) {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : new Uint8Array(content);
    if (typeof Buffer !== 'undefined') return Buffer.from(bytes).toString('base64');
    let text = '';
    for (let start = 0; start < bytes.length; start += 0x8000) {
      text += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
    }
    return btoa(text);
  }

  /** Texts under keys. */
  class KVStorage {
    /** Store a text under a key. */
    static async set(namespace, key, value, metadata = null) {
      return (await json('PUT', path('kv', namespace, key), { value, metadata })).success;
    }

    /** The text under a key, or null. */
    static async get(namespace, key) {
      const answer = await found('GET', path('kv', namespace, key));
      return answer === null ? null : (await answer.json()).value;
    }

    /** Remove a key, which need not be there. */
    static async delete(namespace, key) {
      return (await json('DELETE', path('kv', namespace, key))).success;
    }

    /** Keys that begin with the prefix, as [{name, metadata}]. */
    static async list(namespace, prefix = '', limit = 100, cursor = '') {
      return (await list('kv', namespace, prefix, limit, cursor)).keys;
    }
  }

  /** An SQL database in each namespace. */
  class D1Storage {
    /** Run a statement that only reads. Its rows, as objects. */
    static async query(namespace, sql, params = []) {
      return (await json('POST', path('d1', namespace, 'query'), { sql, params })).results;
    }

    /** Run any statement. {success, meta: {changes, …}} */
    static async exec(namespace, sql, params = []) {
      return json('POST', path('d1', namespace, 'exec'), { sql, params });
    }
  }

  /** Bytes under keys. */
  class R2Storage {
    /** Store a text or bytes under a key. */
    static async put(namespace, key, content, metadata = null) {
      return (await json('PUT', path('r2', namespace, key), { content: base64(content), metadata })).success;
    }

    /** The bytes under a key, or null: a Buffer where there are Buffers, else a Uint8Array. */
    static async get(namespace, key) {
      const answer = await found('GET', path('r2', namespace, key), undefined, 'application/octet-stream');
      if (answer === null) return null;
      const bytes = await answer.arrayBuffer();
      return typeof Buffer !== 'undefined' ? Buffer.from(bytes) : new Uint8Array(bytes);
    }

    /** Remove an object, which need not be there. */
    static async delete(namespace, key) {
      return (await json('DELETE', path('r2', namespace, key))).success;
    }

    /** Objects whose keys begin with the prefix, as [{key, size, uploaded}]. */
    static async list(namespace, prefix = '', limit = 100, cursor = '') {
      return (await list('r2', namespace, prefix, limit, cursor)).objects;
    }
  }

  if (typeof module !== 'undefined' && module.exports) {
    module.exports = { KVStorage, D1Storage, R2Storage, StorageError, kv: KVStorage, d1: D1Storage, r2: R2Storage };
  } else {
    Object.assign(globalThis, { KVStorage, D1Storage, R2Storage, StorageError });
  }
})();
