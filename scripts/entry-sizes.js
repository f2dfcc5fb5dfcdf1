// `npm run size` prints how large each entry is for a user who bundles it: everything that it loads, minified, without the
// peers. A test holds the compressed size below the limit in etc/sizes.json; `npm run size -- --write` sets the limits anew.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { entriesOf, ROOT } from './entries.js';

const LIMITS = join(ROOT, 'etc/sizes.json');
/** The air of a limit: as much may come in without a word. */
const AIR = 1.05;

/** Each entry with its bytes, and with the limit of `gzip`. */
export async function entrySizes() {
  const { peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const limits = JSON.parse(readFileSync(LIMITS, 'utf8'));
  return Promise.all(
    entriesOf('.js').map(async ({ entry, file }) => {
      const { outputFiles } = await build({
        entryPoints: [file],
        ...{ bundle: true, minify: true, write: false, platform: 'node', format: 'esm', logLevel: 'error' },
        external: Object.keys(peerDependencies),
      });
      const { contents } = outputFiles[0];
      return { entry, minified: contents.length, gzip: gzipSync(contents, { level: 9 }).length, limit: limits[entry] };
    }),
  );
}

function print(sizes) {
  const kib = (bytes) => (bytes === undefined ? '–' : `${(bytes / 1024).toFixed(1)} KiB`);
  const row = (...cells) =>
    `${cells[0].padEnd(30)}${cells
      .slice(1)
      .map((cell) => cell.padStart(12))
      .join('')}`;
  console.log(row('entry', 'minified', 'gzip', 'limit'));
  for (const { entry, minified, gzip, limit } of sizes) console.log(row(entry, kib(minified), kib(gzip), kib(limit)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sizes = await entrySizes();
  print(sizes);
  if (process.argv.includes('--write')) {
    const limits = Object.fromEntries(sizes.map(({ entry, gzip }) => [entry, Math.ceil((gzip * AIR) / 100) * 100]));
    writeFileSync(LIMITS, `${JSON.stringify(limits, null, 2)}\n`);
  }
}
