const of = (test) => ({ file: 'test/unit/words.test.ts', test });

/** Words of scripts that this version does not know. */
export const WORDS = [
  {
    defect: 'an unknown word of a script is taken for one of those expected',
    file: 'src/redis/reply-words.ts',
    find: 'if ((words as readonly unknown[]).includes(word)) return word as W;',
    replace: 'if (word !== undefined) return word as W;',
    caughtBy: of('an unknown word for a release never counts as released'),
  },
  {
    defect: 'an unknown word for a user is answered as a status',
    file: 'src/redis/reserve-replies.ts',
    find: 'throw unknownWord(scripts.reserve.name);',
    replace: "return { word: word as 'sold_out' };",
    caughtBy: of('an unknown word for a user of reserve'),
  },
  {
    defect: 'an unknown word of a script is quoted, though a code may stand in its place',
    file: 'src/redis/reply-words.ts',
    find: '  throw unknownWord(script);',
    replace: '  throw unknownWord(String(word));',
    caughtBy: of('an unknown word of restock is no success'),
  },
  ...['set-pace', 'set-paused', 'close-campaign'].map((script) => ({
    defect: `an unknown word of ${script} counts as done`,
    file: 'src/redis/operate.ts',
    find: `oneOf('${script}', ['done'], reply[0]);`,
    replace: '',
    caughtBy: of(`an unknown word of ${script.replace(/-(.)/, (_, letter) => letter.toUpperCase())} is no success`),
  })),
  {
    defect: 'an unknown word of a rebuild step counts as done',
    file: 'src/redis/rebuild.ts',
    find: "  oneOf('of a rebuild', words, word);\n",
    replace: '',
    caughtBy: of('an unknown word of keepPromised is no success'),
  },
  {
    defect: 'an unknown word of the line tells a user that waits of no place',
    file: 'src/redis/line.ts',
    find: "    oneOf(scripts.findPlaces.name, ['ok'], reply[0]);\n",
    replace: '',
    caughtBy: of('an unknown word of findPlaces is no success'),
  },
  {
    defect: 'an unknown word of begin-rebuild begins a rebuild',
    file: 'src/redis/rebuild.ts',
    find: "oneOf('begin-rebuild', ['stale_epoch', 'lacks', 'building', 'done'], reply[0])",
    replace: 'String(reply[0])',
    caughtBy: of('an unknown word of beginRebuild is no success'),
  },
];
