import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * A folder of the repository outside of it, beside exactly the packages that its package.json names: what `npm ci` would make of it.
 * The packages are those of the repository; the ones named in `without` are left out. Returns the new folder.
 */
export function installed(folder: string, { without = [] }: { without?: readonly string[] } = {}): string {
  const source = join(ROOT, folder);
  const target = mkdtempSync(join(tmpdir(), `coupon-${basename(folder)}-`));
  cpSync(source, target, { recursive: true, filter: (path) => !path.includes('node_modules') });
  const { dependencies } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies).filter((name) => !without.includes(name))) {
    const from = name === 'coupon-issuer' ? ROOT : join(ROOT, 'node_modules', name);
    if (!existsSync(from)) throw new Error(`${folder} needs ${name}, which npm ci did not install`);
    const link = join(target, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(from, link);
  }
  return target;
}
