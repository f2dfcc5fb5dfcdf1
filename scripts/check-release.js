// The first step of a release: `node scripts/check-release.js v0.2.0` says why this tree must not be published under that
// tag, before anything is built.
import { readdirSync, readFileSync } from 'node:fs';

const [tag] = process.argv.slice(2);
const { version, repository } = JSON.parse(readFileSync('package.json', 'utf8'));
const [heading = ''] = readFileSync('CHANGELOG.md', 'utf8').match(/^## .*$/m) ?? [];
const waiting = readdirSync('.changeset').filter((name) => name.endsWith('.md') && name !== 'README.md');

const faults = [
  tag !== `v${version}` && `the tag is ${tag}, and package.json says ${version}`,
  waiting.length > 0 && `changes wait for a version: ${waiting.join(', ')}; run \`npm run bump\``,
  heading.split(' ')[1] !== version && `CHANGELOG.md begins with "${heading}", not with ${version}`,
  heading.includes('unreleased') && `CHANGELOG.md calls ${version} unreleased`,
  !repository?.url && 'package.json names no repository: the provenance of a package is compared with it',
].filter(Boolean);

for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
