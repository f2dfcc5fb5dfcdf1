// Every link of the built site has to lead somewhere: to a file of it, and to an anchor of that file.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const TARGET = /\s(?:href|src)="([^"]+)"/g;
const ANCHOR = /\s(?:id|name)="([^"]+)"/g;

export function brokenLinks(dist, base) {
  const pages = new Map();
  for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.html') && file !== '404.html') pages.set(file, readFileSync(join(dist, file), 'utf8'));
  }
  const anchors = new Map(
    [...pages].map(([file, html]) => [file, new Set([...html.matchAll(ANCHOR)].map(([, id]) => id))]),
  );
  const broken = [];
  for (const [file, html] of pages) {
    const targets = new Set([...html.matchAll(TARGET)].map(([, target]) => target.replaceAll('&amp;', '&')));
    for (const target of targets) {
      const url = new URL(target, `http://site${base}${file}`);
      if (url.origin !== 'http://site') continue;
      if (!leadsSomewhere(url)) broken.push(`${file} links to ${target}, and there is nothing`);
    }
  }
  if (pages.size === 0) broken.push(`${dist} has no page`);
  return [...broken, ...brokenInText(dist, base)];

  function leadsSomewhere({ pathname, hash }) {
    if (!pathname.startsWith(base)) return false;
    const path = decodeURIComponent(pathname.slice(base.length)).replace(/(^|\/)$/, '$1index.html');
    const html = [path, `${path}.html`].find((each) => existsSync(join(dist, each)));
    if (!html) return false;
    return hash === '' || !anchors.has(html) || anchors.get(html).has(decodeURIComponent(hash.slice(1)));
  }
}

/** llms.txt names pages alone. */
function brokenInText(dist, base) {
  const targets = [...readFileSync(join(dist, 'llms.txt'), 'utf8').matchAll(/\]\(([^)]+)\)/g)].map(
    ([, target]) => target,
  );
  return targets
    .filter((target) => !existsSync(join(dist, target.slice(base.length))))
    .map((target) => `llms.txt links to ${target}, and there is nothing`);
}
