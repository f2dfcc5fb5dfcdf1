// Turns the scripts of lua/ into modules at build time: includes resolved once each, comments dropped, SHA-1 computed.
// The package therefore reads no file at run time.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../lua/', import.meta.url));
const INCLUDE = /^--- @include "([^"]+)"$/;

const sha1Of = (text) => createHash('sha1').update(text).digest('hex');

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
  return { source, sha1: sha1Of(source), files };
}

/**
 * What makes a script one for several campaigns, where `lua/joint/` has its usual case: the text behind the script, which becomes a function, and the
 * SHA-1 of both. The function begins on the first line, because a server tells the number of a line in its errors.
 */
function bundleJoint(file) {
  const usual = `${FOLDER}joint/${basename(file)}`;
  if (!existsSync(usual)) return null;
  const parts = [`${FOLDER}joint/shared.lua`, usual, `${FOLDER}joint/loop.lua`].map(bundleLua);
  const behind = parts.map(({ source }) => source).join('');
  return { behind, sha1: sha1Of(forEach(bundleLua(file).source, behind)), files: parts.flatMap(({ files }) => files) };
}

const forEach = (source, behind) => `local function script(KEYS, ARGV) ${source}end\n${behind}`;

function toModule(file) {
  const { source, sha1, files } = bundleLua(file);
  const { files: others = [], ...joint } = bundleJoint(file) ?? {};
  const module = { source, sha1, joint: joint.behind ? joint : null };
  return { code: `export default ${JSON.stringify(module)};`, files: [...files, ...others] };
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
