/** Campaigns that are over, and the generations of those that are made anew. */
export const OVER = [
  {
    defect: `a second purge says that Redis lost the campaign`,
    file: `src/redis/operate.ts`,
    find: `throw past.word === 'purged' ?`,
    replace: `throw past.word !== past.word ?`,
    caughtBy: { file: `test/integration/administration.test.ts`, test: `removes every key of a closed campaign` },
  },
  {
    defect: `a generation follows the clock alone`,
    file: `lua/registry/next-generation.lua`,
    find: `math.max(nowMs, before + 1, atLeast)`,
    replace: `math.max(nowMs, atLeast)`,
    caughtBy: { file: `test/integration/over.test.ts`, test: `opened again after the clock of Redis was set back` },
  },
  {
    defect: `a campaign serves under the generation that was drawn before it was written`,
    file: `lua/campaign/activate-campaign.lua`,
    find: `'epoch', generation .. '-' .. random }`,
    replace: `'epoch', campaign.verified == '1' and (generation .. '-' .. random) or epoch }`,
    caughtBy: {
      file: `test/integration/over.test.ts`,
      test: `an opening that stalled while another one came and went`,
    },
  },
  {
    defect: `a campaign that is bound anew keeps the random part of its epoch`,
    file: `lua/campaign/activate-campaign.lua`,
    find: `generation .. '-' .. random }`,
    replace: `generation .. '-' .. string.match(epoch, '^%d+-(.*)$') }`,
    caughtBy: { file: `test/integration/over.test.ts`, test: `no binding has the epoch of an earlier one` },
  },
  {
    defect: `a rebuild serves under the generation that was drawn while no state was there`,
    file: `src/redis/rebuild.ts`,
    find: `const foundNone = from === '' && word !== 'stale_epoch';`,
    replace: `const foundNone = from === '?' && word !== 'stale_epoch';`,
    caughtBy: {
      file: `test/integration/over.test.ts`,
      test: `a rebuild that stalled while another campaign came and went`,
    },
  },
  {
    defect: `a rebuild does not draw anew for the epoch that it was told of`,
    file: `src/redis/rebuild.ts`,
    find: `    if (from !== '') seen = Math.max(seen, generationOf(from));
`,
    replace: ``,
    caughtBy: { file: `test/integration/over.test.ts`, test: `a rebuild counts the generation that it passes` },
  },
  {
    defect: `a rebuild does not pass the generation of a row`,
    file: `src/recover/rebuild.ts`,
    find: `    if (highest >= generationOf(run.epoch)) run =`,
    replace: `    if (highest < 0) run =`,
    caughtBy: {
      file: `test/integration/over.test.ts`,
      test: `rebuilt after Redis lost everything and its clock was set back`,
    },
  },
  {
    defect: `a row says any generation`,
    file: `src/recover/rebuild.ts`,
    find: `return generation <= MOST_GENERATIONS ? generation : 0;`,
    replace: `return generation || 0;`,
    caughtBy: { file: `test/integration/over.test.ts`, test: `a row with an epoch that no campaign had` },
  },
  {
    defect: `a campaign that expired begins again with the next start`,
    file: `src/operate/open.ts`,
    find: `  if (past.word === 'expired') throw new CampaignOverError(id, past.closedAt, false);\n`,
    replace: ``,
    caughtBy: { file: `test/integration/over.test.ts`, test: `without a database too, a campaign whose keys expired` },
  },
  {
    defect: `a campaign that was closed is over before its keys expire`,
    file: `lua/registry/find-over.lua`,
    find: ` and nowMs >= tonumber(goneAt)`,
    replace: ``,
    caughtBy: { file: `test/integration/over.test.ts`, test: `lost before its keys were to expire` },
  },
  {
    defect: `a late note ends the campaign that has the id by now`,
    file: `lua/registry/note-over.lua`,
    find: `if nowMs - sentAt > LATE or isOlderThan('closed') or`,
    replace: `if`,
    caughtBy: { file: `test/integration/over.test.ts`, test: `a late copy of the note` },
  },
  {
    defect: `a note from before an opening is taken after it`,
    file: `lua/registry/note-over.lua`,
    find: `or isOlderThan('closed') or`,
    replace: `or`,
    caughtBy: { file: `test/integration/over.test.ts`, test: `a note that is late by less than a minute` },
  },
  {
    defect: `a campaign that serves is remembered as over`,
    file: `src/operate/open.ts`,
    find: `    await dropOver(shard, ({ ready }) => !ready);
`,
    replace: ``,
    caughtBy: { file: `test/integration/over.test.ts`, test: `opened again under its id and then lost` },
  },
  {
    defect: `a second close with another retention is silent`,
    file: `lua/campaign/close-campaign.lua`,
    find: `if retainMs ~= '' and campaign.retainMs and campaign.retainMs ~= tonumber(retainMs) then return { 'other_retention' } end`,
    replace: ``,
    caughtBy: { file: `test/integration/over.test.ts`, test: `a second close with another retainMs` },
  },
  {
    defect: `a missing state is lost, whatever the registry says`,
    file: `src/redis/epoch.ts`,
    find: `  if (reply[0] === 'missing') await shard.context.assertLost(shard);
`,
    replace: ``,
    caughtBy: { file: `test/integration/over.test.ts`, test: `whose keys expired answers a late call with closed` },
  },
  {
    defect: `an id that nobody opened is asked after each time`,
    file: `src/redis/campaigns.ts`,
    find: `    if (absent && monotonicMs() < absent.until) await absent.lost;
`,
    replace: ``,
    caughtBy: { file: `test/integration/over.test.ts`, test: `an id that nobody opened costs them once a second` },
  },
  {
    defect: `what others purged is kept in mind`,
    file: `src/redis/campaigns.ts`,
    find: `const [snapshot] = await Promise.all([campaign.shard.read(), this.#lookAfterOldest()]);`,
    replace: `const snapshot = await campaign.shard.read();`,
    caughtBy: { file: `test/integration/over.test.ts`, test: `a process forgets what others purged` },
  },
  {
    defect: 'a late note of the same millisecond ends the campaign that has the id by now',
    file: 'lua/registry/drop-over.lua',
    find: "exactNow(), 'closed:'",
    replace: "string.format('%.0f', nowMs), 'closed:'",
    caughtBy: {
      file: 'test/integration/over.test.ts',
      test: 'a note of the very millisecond in which the id was given anew is late',
    },
  },
  {
    defect: 'a purge strikes off whoever has the id by now',
    file: 'lua/registry/forget-campaign.lua',
    find: "if redis.call('HMGET', registryKey, campaignId)[1] ~= mark then return { 'late' } end",
    replace: '',
    caughtBy: { file: 'test/integration/over.test.ts', test: 'though a purge that found the campaign of before' },
  },
  {
    defect: 'each registration of an id has the same mark',
    file: 'lua/registry/register-campaign.lua',
    find: 'math.max(nowMicros, ',
    replace: 'math.min(1, ',
    caughtBy: { file: 'test/integration/over.test.ts', test: 'though a settler that found the campaign of before' },
  },
  {
    defect: 'a campaign that is made anew is registered only before the note is dropped',
    file: 'src/redis/registry.ts',
    find: '  await register(context, campaignId);\n',
    replace: '',
    caughtBy: { file: 'test/integration/over.test.ts', test: 'though a settler strikes off its first registration' },
  },
  {
    defect: 'a drop takes whatever was noted since',
    file: 'lua/registry/drop-over.lua',
    find: "if (type(score) == 'string' and score or '') ~= closedAt then return { 'late' } end",
    replace: '',
    caughtBy: { file: 'test/integration/over.test.ts', test: 'a late copy of what an opening dropped' },
  },
  {
    defect: 'the note is read after the look at the campaign',
    file: 'src/redis/registry.ts',
    find: `    const { noted } = await findOver(context, campaignId);
    const snapshot = await shard.refresh();
`,
    replace: `    const snapshot = await shard.refresh();
    const { noted } = await findOver(context, campaignId);
`,
    caughtBy: { file: 'test/integration/over.test.ts', test: 'overtook before it reads the note' },
  },
  {
    defect: 'a rebuild forgets when a closed campaign is over',
    file: 'src/recover/rebuild.ts',
    find: ' && !now.closedAt',
    replace: '',
    caughtBy: { file: 'test/integration/over.test.ts', test: 'is over once its keys expired, and does not begin' },
  },
  {
    defect: 'a clock that was ahead once refuses every note for as long',
    file: 'lua/registry/note-over.lua',
    find: ' and tonumber(score) <= nowMicros / 1000',
    replace: '',
    caughtBy: { file: 'test/integration/over.test.ts', test: 'opened while the clock of Redis was ahead' },
  },
  {
    defect: 'a coupon that another process sold meanwhile means that Redis lost the campaign',
    file: 'src/operate/open.ts',
    find: '.catch(unlessServing(shard))',
    replace: '',
    caughtBy: { file: 'test/integration/over.test.ts', test: 'an opening finds the campaign that another process' },
  },
  {
    defect: 'a campaign that is being rebuilt is opened',
    file: 'src/operate/open.ts',
    find: "  if (shard.building) throw notReady(id, 'rebuilding');\n",
    replace: '',
    caughtBy: { file: 'test/integration/over.test.ts', test: 'a campaign that is being rebuilt is not opened' },
  },
  {
    defect: 'a call whose promise a rebuild keeps is told that it took nothing',
    file: 'src/issue/carry.ts',
    find: "  if (word === 'stale' || word === 'retaken') return overtaken({ word });\n",
    replace: '',
    caughtBy: { file: 'test/fault/refused-in-a-rebuild.test.ts', test: 'has an unknown outcome' },
  },
];
