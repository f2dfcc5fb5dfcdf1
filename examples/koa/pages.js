import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';

const PUBLIC = new URL('public/', import.meta.url);
const NAMES = new Map([
  ['/', '/index.html'],
  ['/operator', '/operator.html'],
]);
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/** The files of `public`, read once: a path is looked up in a table and never reaches the file system. */
export function pages() {
  const files = new Map(readdirSync(PUBLIC).map((name) => [`/${name}`, fileOf(name)]));
  return async (ctx, next) => {
    ctx.set(HEADERS);
    const file = files.get(NAMES.get(ctx.path) ?? ctx.path);
    if (!file || !['GET', 'HEAD'].includes(ctx.method)) return next();
    ctx.status = 200;
    ctx.set('Cache-Control', 'no-cache');
    ctx.etag = file.etag;
    if (ctx.fresh) {
      ctx.status = 304;
      return;
    }
    ctx.type = file.type;
    ctx.body = file.body;
  };
}

function fileOf(name) {
  const body = readFileSync(new URL(name, PUBLIC));
  return { body, type: extname(name), etag: createHash('sha256').update(body).digest('base64url') };
}
