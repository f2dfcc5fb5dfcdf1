// The second half of `npm run bump`: the version of package.json, where the code and the lock file repeat it.
import { readFileSync, writeFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

const code = 'src/model/version.ts';
writeFileSync(code, readFileSync(code, 'utf8').replace(/'[^']+'/, `'${version}'`));

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
lock.version = version;
lock.packages[''].version = version;
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`);
