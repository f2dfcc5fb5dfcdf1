// The entries of the package, as package.json names them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Each entry as a user imports it, with its file in dist: `entriesOf('.d.ts')` for the declarations. */
export function entriesOf(extension) {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return Object.keys(exports)
    .filter((entry) => entry !== './package.json')
    .map((entry) => ({
      entry: `${name}${entry.slice(1)}`,
      file: join(ROOT, 'dist', `${entry === '.' ? 'index' : entry.slice(2)}${extension}`),
    }));
}
