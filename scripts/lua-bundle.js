// Turns the scripts of lua/ into modules at build time: includes resolved once each, comments dropped, SHA-1 computed.
// The package therefore reads no file at run time.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../lua/', import.meta.url));
const INCLUDE = /^--- @include "([^"]+)"$/;

/** The script with its includes (named from lua/ on) in place, each once, without comment lines. */
export function bundleLua(file) {
  const seen = new Set();
  const files = [];
  const resolve = (path) => {
    if (seen.has(path)) return [];
    seen.add(path);
    files.push(path);
    return readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const include = INCLUDE.exec(line);
        if (include) return resolve(`${FOLDER}${include[1]}.lua`);
        return /^\s*(--.*)?$/.test(line) ? [] : [line];
      });
  };
  const source = `${resolve(file).join('\n')}\n`;
  return { source, sha1: createHash('sha1').update(source).digest('hex'), files };
}

function toModule(file) {
  const { source, sha1, files } = bundleLua(file);
  return { code: `export default ${JSON.stringify({ source, sha1 })};`, files };
}

export function luaEsbuildPlugin() {
  return {
    name: 'lua',
    setup(build) {
      build.onLoad({ filter: /\.lua$/ }, ({ path }) => {
        const { code, files } = toModule(path);
        return { contents: code, loader: 'js', watchFiles: files };
      });
    },
  };
}

export function luaVitePlugin() {
  return {
    name: 'lua',
    enforce: 'pre',
    load(id) {
      return id.endsWith('.lua') ? toModule(id).code : undefined;
    },
  };
}
