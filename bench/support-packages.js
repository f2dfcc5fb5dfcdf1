// The packages of the benchmark are its own: `npm run bench` installs them, `npm ci` does not.
import { readFileSync } from 'node:fs';

const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/** Packages of bench/package.json that are not installed. */
export const missing = Object.keys(dependencies).filter((name) => !isInstalled(name));

function isInstalled(name) {
  try {
    import.meta.resolve(name);
    return true;
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return false;
    throw error;
  }
}
