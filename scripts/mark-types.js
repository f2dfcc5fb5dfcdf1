// The declaration build forgets that a class is exported as a type alone: `new Campaign()` would compile, and fail when it
// runs. After a build, each name of a declaration file that its module does not export at run time is marked `type`.
import { readFileSync, writeFileSync } from 'node:fs';
import { entriesOf } from './entries.js';

for (const { file } of entriesOf('')) {
  const values = new Set(Object.keys(await import(`${file}.js`)));
  const isValue = (specifier) => values.has(specifier.split(' as ').at(-1));
  const marked = (specifier) => (/^type /.test(specifier) || isValue(specifier) ? specifier : `type ${specifier}`);
  for (const path of [`${file}.d.ts`, `${file}.d.cts`]) {
    const text = readFileSync(path, 'utf8');
    const lists = /^export \{ ([^}]+) \}/gm;
    writeFileSync(
      path,
      text.replace(lists, (_, list) => `export { ${list.split(', ').map(marked).join(', ')} }`),
    );
  }
}
