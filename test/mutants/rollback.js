/** A Redis that went back, and what is told twice. */
export const ROLLBACK = [
  {
    defect: 'a header documents a reply that its script never gives',
    file: 'lua/mend-row.lua',
    find: 'or mended | moved, alone',
    replace: 'or mended | moved | lost, alone',
    caughtBy: { file: 'test/lua/headers.test.ts', test: 'the words it replies are those of its header' },
  },
  {
    defect: 'a header documents a word for an item that its script never gives',
    file: 'lua/retry-quarantined.lua',
    find: 'retried | not_quarantined\n',
    replace: 'retried | not_quarantined | gone\n',
    caughtBy: { file: 'test/lua/headers.test.ts', test: 'the words it replies are those of its header' },
  },
  {
    defect: 'what a user holds is read from the state of before a rebuild',
    file: 'lua/find-user.lua',
    find: 'unserved(epoch, fence)',
    replace: 'unserved(campaign.epoch, fence)',
    caughtBy: { file: 'test/integration/rollback.test.ts', test: 'status refuses as issue() does' },
  },
  {
    defect: 'what a user holds is read from a state that went back',
    file: 'lua/include/serving.lua',
    find: "if fence and campaign.stamp < fence then return 'rolled_back' end",
    replace: '',
    caughtBy: { file: 'test/integration/rollback.test.ts', test: 'status refuses as issue() does' },
  },
  {
    defect: 'a campaign is inspected although it went back',
    file: 'src/redis/campaign-state.ts',
    find: "if (campaign.epoch === this.#epoch && Number(fields.get('stamp')) < fence) return 'rolled_back';",
    replace: 'void fence;',
    caughtBy: { file: 'test/integration/rollback.test.ts', test: 'inspect refuses as issue() does' },
  },
  {
    defect: 'a restock leaves no trace that a rollback would take away',
    file: 'lua/restock.lua',
    find: '  campaign.stamp = math.max(nowMicros, campaign.stamp + 1)\n',
    replace: '',
    caughtBy: { file: 'test/integration/rollback.test.ts', test: 'a state that lost a restock' },
  },
  {
    defect: 'a code is replaced in a pool that went back',
    file: 'lua/find-in-pool.lua',
    find: 'unserved(epoch, fence)',
    replace: 'unserved(epoch)',
    caughtBy: { file: 'test/lua/fences.test.ts', test: 'find-in-pool refuses a state that is behind' },
  },
];
