const CPU = 'bench/support-cpu.js';
const ROUNDS = 'bench/support-rounds.js';
const caught = (test) => ({ file: 'test/unit/bench.test.ts', test });

/** What the benchmark reckons with. */
export const BENCH = [
  {
    defect: 'the CPU of processes that ended is lost',
    file: CPU,
    find: ' + (endedUser + endedSystem) * TICK_MICROS',
    replace: '',
    caughtBy: caught('the CPU of processes that ended stays with the server'),
  },
  {
    defect: 'the CPU of children of children is not looked at',
    file: CPU,
    find: 'flatMap((child) => treeOf(Number(child), proc))',
    replace: 'map(Number)',
    caughtBy: caught('the CPU of a server is that of all its processes'),
  },
  {
    defect: 'the exact time of one thread is taken for that of a process',
    file: CPU,
    find: 'threads === 1 ? ',
    replace: 'threads > 0 ? ',
    caughtBy: caught('the CPU of a process with threads is that of all of them'),
  },
  {
    defect: 'a sum leaves out a part that is not known',
    file: CPU,
    find: '  if (known.length < Object.keys(parts).length) return each;\n',
    replace: '',
    caughtBy: caught('the CPU of a server that nothing is known of is not told'),
  },
  {
    defect: 'two rounds of today’s build lie apart in one direction only',
    file: ROUNDS,
    find: 'Math.max(one[name] / same[i][name], same[i][name] / one[name])',
    replace: 'one[name] / same[i][name]',
    caughtBy: caught('a ratio that today’s build reaches against itself'),
  },
  {
    defect: 'Redis has as many cores as there are',
    file: 'bench/estimate.js',
    find: 'Math.min(1e6 / redisMicros, ',
    replace: 'Math.min(',
    caughtBy: caught('a larger machine is full when the one core of Redis is'),
  },
  {
    defect: 'the busiest moment of the machine is the spread of all rounds',
    file: ROUNDS,
    find: 'Math.ceil(0.75 * apart.length) - 1',
    replace: 'apart.length - 1',
    caughtBy: caught('a ratio that today’s build reaches against itself'),
  },
  {
    defect: 'a ratio below one says nothing',
    file: ROUNDS,
    find: 'Math.max(ratio, 1 / ratio) > spread',
    replace: 'ratio > spread',
    caughtBy: caught('a ratio that today’s build reaches against itself'),
  },
  {
    defect: 'each round begins with the same contestant',
    file: ROUNDS,
    find: '(round + turn) % contestants.length',
    replace: 'turn',
    caughtBy: caught('each round begins with another contestant'),
  },
];
