const size = (test) => ({ file: 'test/fault/size.test.ts', test });

/** What a Redis grants and refuses: users with few rights, managed services, settings that were tuned, clients. */
export const RIGHTS = [
  {
    defect: 'a rebuild carries over ten times as many promises at once',
    file: 'src/redis/rebuilding.ts',
    find: 'const SCAN_CHUNK = 200',
    replace: 'const SCAN_CHUNK = 2_000',
    caughtBy: size('a counted campaign'),
  },
  {
    defect: 'a comparison reads five times as many grants at once',
    file: 'src/redis/auditing.ts',
    find: 'const PAGE = 500',
    replace: 'const PAGE = 2_500',
    caughtBy: size('a rebuild from the rows of the database'),
  },
];
