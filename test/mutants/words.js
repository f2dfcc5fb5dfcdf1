const of = (test) => ({ file: 'test/unit/words.test.ts', test });

/** Words of scripts that this version does not know. */
export const WORDS = [
  {
    defect: 'an unknown word of a script is taken for one of those expected',
    file: 'src/redis/words.ts',
    find: 'if ((words as readonly unknown[]).includes(word)) return word as W;',
    replace: 'if (word !== undefined) return word as W;',
    caughtBy: of('an unknown word for a release never counts as released'),
  },
  {
    defect: 'an unknown word for a user is answered as a status',
    file: 'src/redis/serving.ts',
    find: 'throw unknownWord(scripts.reserve.name);',
    replace: "return { word: word as 'sold_out' };",
    caughtBy: of('an unknown word for a user of reserve'),
  },
  {
    defect: 'an unknown word of a script is quoted, though a code may stand in its place',
    file: 'src/redis/words.ts',
    find: '  throw unknownWord(script);',
    replace: '  throw unknownWord(String(word));',
    caughtBy: of('an unknown word for a restock is no success'),
  },
];
