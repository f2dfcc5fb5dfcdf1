/** What a process remembers of a campaign that was made anew. */
export const MADE_ANEW = [
  {
    defect: `a call of another epoch passes the line`,
    file: `lua/issue/reserve.lua`,
    find: `if campaign.room and fromLine ~= '1' then return { 'queued' } end`,
    replace: ``,
    caughtBy: { file: `test/integration/made-anew.test.ts`, test: `nobody passes a waiting room` },
  },
  {
    defect: `codes are made up by the rules that the process remembers`,
    file: `src/redis/reserve-call.ts`,
    find: `  request.code = generateCodes ? request.code || mintCode() : '';
`,
    replace: `  if (request.code === '' && generateCodes !== null) request.code = '0';
`,
    caughtBy: { file: `test/integration/made-anew.test.ts`, test: `every unit has a code` },
  },
  {
    defect: `a unit goes out without the code that its campaign generates`,
    file: `lua/issue/reserve.lua`,
    find: `if generates and #column(codes) < #column(users) then return { 'no_code' } end`,
    replace: ``,
    caughtBy: { file: `test/lua/fences.test.ts`, test: `by reserve no unit is taken without the code` },
  },
  {
    defect: `what a process lacks is judged from memory`,
    file: `src/redis/campaigns.ts`,
    find: `if (!campaign.differs) return null;\n    const reason = await this.reread(serving);`,
    replace: `if (!campaign.differs) return null;\n    const reason = null as NotReadyReason | null;`,
    caughtBy: {
      file: `test/integration/made-anew.test.ts`,
      test: `a process that has what the campaign that was made anew needs`,
    },
  },
  {
    defect: `a refusal is remembered over the making of another campaign`,
    file: `src/redis/serving.ts`,
    find: `return epoch === this.shard.epoch ? recent.of(userId) : null;`,
    replace: `return epoch ? recent.of(userId) : null;`,
    caughtBy: { file: `test/integration/made-anew.test.ts`, test: `a refusal that is remembered` },
  },
  {
    defect: `codes are loaded into a campaign without a pool`,
    file: `lua/campaign/load-codes.lua`,
    find: `if campaign.kind ~= 'codes' then return { 'no_pool' } end`,
    replace: ``,
    caughtBy: {
      file: `test/integration/made-anew.test.ts`,
      test: `loadCodes is refused by a campaign that was made anew`,
    },
  },
  {
    defect: `a line is kept where there is no waiting room`,
    file: `lua/include/line-ready.lua`,
    find: `  if not campaign.room then return 'no_room' end
`,
    replace: ``,
    caughtBy: { file: `test/integration/made-anew.test.ts`, test: `join is refused by a campaign that was made anew` },
  },
];
