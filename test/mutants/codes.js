const sources = (test) => ({ file: 'test/integration/code-sources.test.ts', test });

/** Where codes come from, and how they get into the pool. */
export const CODES = [
  {
    defect: 'a source of codes is listened to only once Redis has answered',
    file: 'src/source.ts',
    find: '    this.#first = this.#ask();\n    this.#first.catch(() => {});\n',
    replace: '',
    caughtBy: sources('the error of a Node stream that breaks reaches the caller'),
  },
  {
    defect: 'the iterator of codes is taken after the first await',
    file: 'src/source.ts',
    find: 'const source = new Source(name, given);',
    replace: 'await null;\n  const source = new Source(name, given);',
    caughtBy: sources('an emitter that speaks at once that speaks before Redis answers is loaded'),
  },
  {
    defect: 'a source of codes is left open where the call is refused',
    file: 'src/source.ts',
    find: '    await source.close();\n',
    replace: '',
    caughtBy: sources('a source is closed by a campaign that nobody knows'),
  },
  {
    defect: 'a silent source holds up the call that was aborted',
    file: 'src/source.ts',
    find: 'this.#interrupt = () => reject(this.#signal!.reason);',
    replace: '',
    caughtBy: sources('and is silent ends loadCodes with the reason of its signal'),
  },
  {
    defect: 'the end of a call waits for a source that is silent',
    file: 'src/source.ts',
    find: 'if (!this.#asking) return',
    replace: 'return',
    caughtBy: sources('and is silent ends loadCodes with the reason of its signal'),
  },
  {
    defect: 'pieces of a stream are taken for codes',
    file: 'src/load.ts',
    find: 'if (source.isPieces)',
    replace: 'if (false)',
    caughtBy: sources('a Node stream of bytes is refused, and closed'),
  },
  {
    defect: 'readline that has lost lines is loaded',
    file: 'src/load.ts',
    find: 'if (source.wasRead)',
    replace: 'if (false)',
    caughtBy: sources('readline that spoke before the call is refused'),
  },
  {
    defect: 'a list of codes is read while its owner changes it',
    file: 'src/source.ts',
    find: 'given instanceof Set ? [...given] : null',
    replace: 'given instanceof Set ? (given as unknown[]) : null',
    caughtBy: sources('a list that is changed while it is loaded'),
  },
  {
    defect: 'progress told to an async function that rejects ends the process',
    file: 'src/progress.ts',
    find: '.catch(() => {})',
    replace: '',
    caughtBy: sources('progress that is told to an async function which rejects'),
  },
];
