// Builds the site into site/dist: the pages of the repository as they are, the reference, and both as Markdown for programs that read.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brokenLinks } from './links.js';
import { llmsText } from './llms.js';
import { listPages, placeOf, ROOT, read, sourcesOf, toSite } from './pages.js';

const SITE = fileURLToPath(new URL('.', import.meta.url));
const PAGES = join(SITE, 'pages');
const DIST = join(SITE, 'dist');

function run(tool, ...args) {
  const { status } = spawnSync(process.execPath, [join(SITE, 'node_modules', tool), ...args], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

for (const dir of [PAGES, DIST]) rmSync(dir, { recursive: true, force: true });
run('typedoc/bin/typedoc', '--options', 'site/typedoc.json');

const paths = listPages();
const files = new Set();
const pages = new Set(paths);
for (const path of paths)
  write(join(PAGES, placeOf(path)), toSite(path, read(path) + sourcesOf(path), { pages, files }));
for (const path of files) write(join(PAGES, 'public', placeOf(path)), read(path));

run('vitepress/bin/vitepress.js', 'build', 'site');

for (const page of readdirSync(PAGES, { recursive: true, encoding: 'utf8' })) {
  if (!page.endsWith('.md')) continue;
  mkdirSync(dirname(join(DIST, page)), { recursive: true });
  copyFileSync(join(PAGES, page), join(DIST, page));
}
write(join(DIST, 'llms.txt'), llmsText());

const broken = brokenLinks(DIST, process.env.SITE_BASE ?? '/');
for (const each of broken) process.stderr.write(`${each}\n`);
if (broken.length > 0) process.exit(1);
process.stdout.write(`site/dist: ${paths.length} pages and the reference, no link leads nowhere\n`);
