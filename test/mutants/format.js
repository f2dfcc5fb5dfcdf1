/** Campaigns that another version made. */
const script = (test) => ({ file: 'test/lua/format.test.ts', test });
const process = (test) => ({ file: 'test/integration/format.test.ts', test });

export const FORMAT = [
  {
    defect: 'a script goes on with a campaign of another format',
    file: 'lua/include/campaign.lua',
    find: "if campaign.epoch and campaign.format ~= FORMAT then return { 'unknown_format' } end\n",
    replace: '',
    caughtBy: script('reserve refuses a campaign of a newer format'),
  },
  {
    defect: 'a campaign without a format is taken for one of this version',
    file: 'lua/include/campaign.lua',
    find: 'campaign.format ~= FORMAT',
    replace: '(campaign.format or FORMAT) ~= FORMAT',
    caughtBy: script('refuses a campaign of no format'),
  },
  {
    defect: 'a campaign is opened without its format',
    file: 'lua/campaign/open-campaign.lua',
    find: "'format', FORMAT, ",
    replace: '',
    caughtBy: script("the format is written by 'open-campaign'"),
  },
  {
    defect: 'a state that is made again lacks its format',
    file: 'lua/recover/begin-rebuild.lua',
    find: "'format', FORMAT, ",
    replace: '',
    caughtBy: script("the format is written by 'begin-rebuild'"),
  },
  {
    defect: 'an unknown format counts as a reply that nobody knows',
    file: 'src/redis/shard.ts',
    find: "if (reply[0] === 'unknown_format') throw new NewerCampaignError(this.campaignId);",
    replace: '',
    caughtBy: process('in issue(), and is left as it is'),
  },
  {
    defect: 'a confirm under a newer format is a fault',
    file: 'src/redis/held.ts',
    find: "reply[0] === 'unknown_format' ? 'stale_epoch' : reply[0]!",
    replace: 'reply[0]!',
    caughtBy: process('a coupon whose row is committed meanwhile is issued'),
  },
  {
    defect: 'a campaign of a newer format hides the health of the others',
    file: 'src/worker/health.ts',
    find: 'if (isNoCampaign(error) || error instanceof NewerCampaignError) return null;',
    replace: 'if (isNoCampaign(error)) return null;',
    caughtBy: process('a worker reports it once'),
  },
];
