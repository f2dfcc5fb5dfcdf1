/** Changes that a state which went back has lost. */
const LOST = 'test/integration/lost-changes.test.ts';
const lost = (what) => ({ file: LOST, test: `when Redis goes back and loses only ${what}, the process that knows` });

export const STAMPS = [
  {
    defect: 'a load leaves no trace that a rollback would take away',
    file: 'lua/load-codes.lua',
    find: '  campaign.stamp = math.max(nowMicros, campaign.stamp + 1)\n',
    replace: '',
    caughtBy: lost('a load of codes'),
  },
  {
    defect: 'a process forgets the stamp of its load',
    file: 'src/redis/loading.ts',
    find: '  state.sawStamp(Number(stamp));\n',
    replace: '  void stamp;\n',
    caughtBy: lost('a load that found all its codes known'),
  },
  {
    defect: 'a load that changes nothing raises the stamp',
    file: 'lua/load-codes.lua',
    find: 'if count == 0 or offset < done then return answer() end',
    replace: "if count == 0 or offset < done then redis.call('HINCRBY', campaignKey, 'stamp', 1) return answer() end",
    caughtBy: { file: LOST, test: 'a load that is made again under its name raises no stamp' },
  },
  {
    defect: 'a replaced code leaves no trace that a rollback would take away',
    file: 'lua/replace-code.lua',
    find: ", 'stamp', stamp)",
    replace: ')',
    caughtBy: { file: 'test/lua/fences.test.ts', test: "of 'replace-code' is as listed" },
  },
  {
    defect: 'a pause leaves no trace that a rollback would take away',
    file: 'lua/set-paused.lua',
    find: '  raiseStamp()\n',
    replace: '',
    caughtBy: lost('a pause'),
  },
  {
    defect: 'a pause raises the stamp to the clock',
    file: 'lua/include/campaign.lua',
    find: 'campaign.stamp = found[1] + 1',
    replace: "campaign.stamp = redis.call('TIME')[1] * 1000000 + 999999",
    caughtBy: { file: LOST, test: 'a pause after Redis went back does not hide that' },
  },
  {
    defect: 'a close leaves no trace that a rollback would take away',
    file: 'lua/close-campaign.lua',
    find: "  redis.call('HSET', campaignKey, 'closedAt', integer(nowMs))\n  raiseStamp()\n",
    replace: "  redis.call('HSET', campaignKey, 'closedAt', integer(nowMs))\n",
    caughtBy: lost('a close'),
  },
  {
    defect: 'a unit that was given back is reserved again unnoticed',
    file: 'lua/release.lua',
    find: '  raiseStamp()\n',
    replace: '',
    caughtBy: lost('a unit that was given back'),
  },
  {
    defect: 'a unit that was withdrawn is reserved again unnoticed',
    file: 'lua/withdraw.lua',
    find: '  raiseStamp()\n',
    replace: '',
    caughtBy: lost('a unit that was withdrawn'),
  },
  {
    defect: 'a process forgets the stamps of what it gave back or withdrew',
    file: 'src/redis/holding.ts',
    find: "    if (reply[0] === 'ok') this.#state.sawStamp(Number(reply[1]));\n",
    replace: '',
    caughtBy: lost('the unit that the last one refused was exchanged for'),
  },
  {
    defect: 'a repair leaves no trace that a rollback would take away',
    file: 'lua/mend-row.lua',
    find: 'campaign.stamp = math.max(nowMicros, campaign.stamp + 1)\n',
    replace: '',
    caughtBy: lost('a row that was mended'),
  },
  {
    defect: 'a process forgets the stamp of what it told a user',
    file: 'src/redis/admin.ts',
    find: '  state.sawStamp(Number(reply[1]));\n  const of =',
    replace: '  const of =',
    caughtBy: { file: LOST, test: 'a process that only told a user issued' },
  },
  {
    defect: 'a process forgets the stamp of what it inspected',
    file: 'src/redis/campaign-state.ts',
    find: "    this.sawStamp(Number(fields.get('stamp')));\n",
    replace: '',
    caughtBy: { file: LOST, test: 'a process that only inspected the campaign' },
  },
];
