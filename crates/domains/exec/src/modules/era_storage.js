// Key-value, SQL and object storage of the session's owner.
//
//     const { KVStorage, D1Storage, R2Storage } = require('./era_storage.js');
//     await KVStorage.set('app', 'greeting', 'hello');
//     await D1Storage.query('app', 'SELECT name FROM users WHERE id = ?', [1]);
//     await R2Storage.put('app', 'report.txt', 'text or bytes');
const http = require('node:http');

const base = new URL(process.env.ERA_STORAGE_URL || 'http://127.0.0.1:8787');

class StorageError extends Error {
  constructor(message, code, status) {
    super(message);
    this.name = 'StorageError';
    this.code = code;
    this.status = status;
  }
}

function call(method, kind, namespace, rest, body, query) {
  let path = `/api/storage/${kind}/${encodeURIComponent(namespace)}`;
  if (rest) path += '/' + encodeURIComponent(rest);
  const given = Object.entries(query || {}).filter(([, value]) => value !== undefined && value !== null);
  if (given.length) path += '?' + new URLSearchParams(given);
  const text = body === undefined ? undefined : JSON.stringify(body);
  const headers = text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const request = http.request({ host: base.hostname, port: base.port, method, path, headers }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        let told;
        try {
          told = JSON.parse(Buffer.concat(parts).toString());
        } catch {
          told = {};
        }
        if (answer.statusCode < 300) resolve(told);
        else reject(new StorageError(told.message || `status ${answer.statusCode}`, told.code, answer.statusCode));
      });
    });
    request.on('error', reject);
    request.end(text);
  });
}

async function orNull(work) {
  try {
    return await work;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

const asText = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

const KVStorage = {
  set: async (namespace, key, value, metadata) =>
    (await call('PUT', 'kv', namespace, key, { value: asText(value), metadata })).success,
  get: async (namespace, key) => (await orNull(call('GET', 'kv', namespace, key)))?.value ?? null,
  delete: async (namespace, key) => (await call('DELETE', 'kv', namespace, key)).success,
  list: async (namespace, options = {}) => (await call('GET', 'kv', namespace, '', undefined, options)).keys,
};

const D1Storage = {
  query: async (namespace, sql, params = []) =>
    (await call('POST', 'd1', namespace, 'query', { sql, params })).results,
  exec: async (namespace, sql, params = []) => (await call('POST', 'd1', namespace, 'exec', { sql, params })).meta,
};

const R2Storage = {
  put: async (namespace, key, content, metadata) =>
    (await call('PUT', 'r2', namespace, key, { content: Buffer.from(content).toString('base64'), metadata })).success,
  get: async (namespace, key) => {
    const found = await orNull(call('GET', 'r2', namespace, key));
    return found === null ? null : Buffer.from(found.content, 'base64');
  },
  delete: async (namespace, key) => (await call('DELETE', 'r2', namespace, key)).success,
  list: async (namespace, options = {}) => (await call('GET', 'r2', namespace, '', undefined, options)).objects,
};

module.exports = {
  KVStorage, D1Storage, R2Storage, StorageError,
  kv: KVStorage, d1: D1Storage, r2: R2Storage,
};
