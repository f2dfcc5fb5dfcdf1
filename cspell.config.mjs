// The words of a spelling check over everything that a person reads. Words of our own and of the systems we speak to are in .cspell.
import { Redis } from 'ioredis';

/** Every method of a client, so every command of Redis. */
function commandsOfRedis() {
  const names = new Set();
  for (let at = Redis.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  }
  return [...names].filter((name) => /^[a-z]{4,}$/.test(name));
}

export default {
  version: '0.2',
  language: 'en,en-GB',
  useGitignore: true,
  enableGlobDot: true,
  files: ['**/*.{md,ts,js,mjs,lua,yml,html,css,sql}', 'package.json'],
  ignorePaths: ['.git', 'node_modules', 'bench/results.json'],
  dictionaryDefinitions: [
    { name: 'words', path: './.cspell/words.txt' },
    { name: 'catalog', path: './.cspell/postgres-catalog.txt' },
  ],
  dictionaries: ['words', 'catalog', 'node', 'typescript', 'lua', 'npm', 'softwareTerms', 'sql'],
  words: commandsOfRedis(),
  // Words in capitals are words of a protocol, as a server wrote them. Text in another script has no dictionary here.
  ignoreRegExpList: [
    '/\\b[A-Z0-9_]{4,}\\b/g',
    '/[\\p{Script=Hangul}\\p{Script=Arabic}\\p{Script=Hebrew}\\p{Script=Cyrillic}]+/gu',
  ],
};
