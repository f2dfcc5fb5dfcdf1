const pages = (test) => ({ file: 'test/integration/quarantine-pages.test.ts', test });

/** The pages of a quarantine. */
export const QUARANTINE = [
  {
    defect: 'a quarantine whose key is lost is listed as empty',
    file: 'src/settle/quarantine.ts',
    find: 'if (!ready) throw',
    replace: 'if (ready === null) throw',
    caughtBy: pages('a list of the quarantine is not empty where Redis lost the leases'),
  },
  {
    defect: 'the page of a quarantine is found by the place at which the last one ended',
    file: 'lua/settle/list-quarantined.lua',
    find: "redis.call('ZCOUNT', leasesKey, '-inf', '(' .. NEVER), redis.call('ZCARD', leasesKey)",
    replace: `redis.call('ZCOUNT', leasesKey, '-inf', '(' .. NEVER), 0
local before = redis.call('ZRANK', leasesKey, after)
if after ~= '' then low = type(before) == 'number' and before + 1 or low + limit end`,
    caughtBy: pages('moves no other one'),
  },
  {
    defect: 'the page of a quarantine is found by a wrong order of the fields',
    file: 'lua/settle/list-quarantined.lua',
    find: 'if one ~= other then return one > other end',
    replace: '',
    caughtBy: pages('each reservation in quarantine is listed once'),
  },
  {
    defect: 'a page of a quarantine that lacks a record is the last one',
    file: 'src/redis/quarantine.ts',
    find: "next: reply[1] === '' ? null : String(reply[1])",
    replace: "next: reply[1] === '' || reservations.length < PAGE ? null : String(reply[1])",
    caughtBy: pages('is not taken for the last one'),
  },
];
