// Runs inside the sandbox. Started in advance it warms up. Announces itself, reads one
// message (length, JSON) from standard input, becomes the program. CommonJS first; a module when the source
// is one.
'use strict';
(() => {
  const fs = require('fs'), Module = require('module'), path = require('path'), vm = require('vm');
  const { pathToFileURL, fileURLToPath } = require('url');
  const here = '/workspace';
  const nativeImport = (specifier) => import(specifier);
  // The end of input before the message: nobody needs this interpreter. In its middle: something is wrong.
  const exactly = (count, unneeded = 70) => {
    const bytes = Buffer.allocUnsafe(count);
    for (let at = 0; at < count;) {
      const got = fs.readSync(0, bytes, at, count - at);
      if (got === 0) process.reallyExit(at ? 70 : unneeded);
      at += got;
    }
    return bytes;
  };
  // Modules made by hand are experimental, which Node would say on the first one.
  const textModule = (source, options) => {
    const emitWarning = process.emitWarning;
    process.emitWarning = () => {};
    try { return new vm.SourceTextModule(source, options); } finally { process.emitWarning = emitWarning; }
  };
  if (process.argv[1] === 'warm') {
    textModule('0', { identifier: 'warm' });
    process.stdout; process.stderr; console.log;
    process.setSourceMapsEnabled(true);
    new Module('warm')._compile('exports.a = 1', 'warm');
  }
  fs.writeSync(1, '\x06');
  const message = JSON.parse(exactly(exactly(4, 0).readUInt32LE(0)).toString());

  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, message.env);
  process.chdir(here);
  if (message.language === 'typescript') process.setSourceMapsEnabled(true);
  // A project may have a file of that name, which is another one.
  const named = `main.${message.language === 'typescript' ? 'ts' : 'js'}`;
  const main = `${here}/${fs.existsSync(`${here}/${named}`) ? '.' : ''}${named}`;
  process.argv.splice(1, Infinity, main);
  process.execArgv.length = 0;
  // An orderly end without the slow part: exit handlers have run when this is reached. After an uncaught
  // error the slow part is what prints it.
  let failed = false;
  process.on('uncaughtExceptionMonitor', () => { failed = true; });
  const emit = process.emit;
  process.emit = function (name, ...rest) {
    const result = emit.apply(this, [name, ...rest]);
    if (name === 'exit' && !failed) process.reallyExit(process.exitCode ?? rest[0] ?? 0);
    return result;
  };

  const transpiled = message.modules;
  // CommonJS unless only a module can read like this.
  const compiles = (make) => { try { make(); return true; } catch (error) { return !(error instanceof SyntaxError); } };
  const isModule = (source, file) => {
    if (!/\b(import|export|await)\b/.test(source)) return false;
    if (compiles(() => new vm.Script(Module.wrap(source), { filename: file }))) return false;
    return /^\s*(import|export)\b/m.test(source) || compiles(() => textModule(source, { identifier: file }));
  };
  const read = (file) => transpiled[path.relative(here, file)] ?? fs.readFileSync(file, 'utf8');
  const isFile = (file) => transpiled[path.relative(here, file)] !== undefined || fs.statSync(file, { throwIfNoEntry: false })?.isFile();
  const endings = ['', '.ts', '.mts', '.tsx', '.js', '.mjs', '.cjs', '.json', '/index.ts', '/index.js', '/index.mjs'];
  const find = (file) => {
    for (const ending of endings) if (isFile(file + ending)) return file + ending;
    const source = file.replace(/\.(m?)js$/, '.$1ts');
    return source !== file && isFile(source) ? source : undefined;
  };
  const modules = new Map();
  const stored = () => { const found = Module.createRequire(main)(storage); return { ...found, default: found }; };
  const storage = `${here}/era_storage.js`, storageUrl = pathToFileURL(storage).href;
  const wrapped = async (specifier) => {
    const namespace = specifier === storageUrl ? stored() : await nativeImport(specifier);
    const names = Object.keys(namespace);
    return new vm.SyntheticModule(names, function () {
      for (const name of names) this.setExport(name, namespace[name]);
    }, { identifier: specifier });
  };
  const own = (file, source) => textModule(source, {
    identifier: file,
    initializeImportMeta: (meta) => { meta.url = pathToFileURL(file).href; meta.filename = file; meta.dirname = path.dirname(file); },
    importModuleDynamically: async (specifier, referrer) => {
      const found = await resolve(specifier, referrer);
      if (found.status === 'unlinked') await found.link(resolve);
      if (found.status === 'linked') await found.evaluate();
      return found;
    },
  });
  const resolve = (specifier, referrer) => {
    let file;
    if (/^\.{0,2}\//.test(specifier)) file = path.resolve(path.dirname(referrer.identifier), specifier);
    else if (specifier.startsWith('file:')) file = fileURLToPath(specifier);
    const found = file && find(file);
    const key = found ?? specifier;
    if (!modules.has(key)) {
      const source = found && /\.[mc]?[jt]sx?$/.test(found) ? read(found) : undefined;
      const mine = source !== undefined && (/\.m?tsx?$/.test(found) || isModule(source, found));
      modules.set(key, mine ? own(found, source) : wrapped(file ? pathToFileURL(found ?? file).href : specifier));
    }
    return modules.get(key);
  };
  // Uploaded TypeScript can be required: modules in their form as CommonJS, and `./x.js` means `./x.ts` too.
  const required = (module, file) => module._compile(message.commonjs[path.relative(here, file)] ?? read(file), file);
  for (const ending of ['.ts', '.mts', '.cts', '.tsx']) Module._extensions[ending] = required;
  if (message.language === 'typescript') {
    const resolveFilename = Module._resolveFilename;
    Module._resolveFilename = function (request, ...rest) {
      try { return resolveFilename.call(this, request, ...rest); } catch (error) {
        const source = /^\.{0,2}\//.test(request) && request.replace(/\.([mc]?)js$/, '.$1ts');
        if (!source || source === request || error.code !== 'MODULE_NOT_FOUND') throw error;
        return resolveFilename.call(this, source, ...rest);
      }
    };
  }
  // CommonJS, also where the package.json of a project says that its files are modules.
  const extension = Module._extensions['.js'];
  Module._extensions['.js'] = (module, file) => (file === storage ? module._compile(read(file), file) : extension(module, file));

  if (!isModule(message.code, main)) {
    const source = message.script ?? message.code;
    const module = new Module(main, null);
    module.filename = main;
    module.paths = Module._nodeModulePaths(here);
    process.mainModule = module;
    Module._cache[main] = module;
    module._compile(source, main);
    module.loaded = true;
    return;
  }
  const module = own(main, message.code);
  modules.set(main, module);
  module.link(resolve).then(() => module.evaluate()).catch((error) => {
    process.nextTick(() => { throw error; });
  });
})();
