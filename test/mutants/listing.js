const listing = (test) => ({ file: 'test/integration/list-campaigns.test.ts', test });

/** The list of all campaigns. */
export const LISTING = [
  {
    defect: 'a campaign that cannot be read ends the list of campaigns',
    file: 'src/operate/list-campaigns.ts',
    find: "return { id, ready: false, state: 'unreadable', error: inCall('campaigns', error) as Error };",
    replace: 'throw error;',
    caughtBy: listing('says why, and does not end the list'),
  },
  {
    defect: 'a campaign that is torn is listed as if it served',
    file: 'src/operate/list-campaigns.ts',
    find: 'if (campaign.ready) return',
    replace: 'return',
    caughtBy: listing('says why, and does not end the list'),
  },
  {
    defect: 'the list of campaigns forgets what this process saw of them',
    file: 'src/operate/list-campaigns.ts',
    find: 'campaigns.known(value)?.shard ?? ',
    replace: '',
    caughtBy: listing('lists it as rolled back'),
  },
  {
    defect: 'the list of campaigns reads all of them at a time',
    file: 'src/operate/list-campaigns.ts',
    find: 'if (ahead.length === concurrency)',
    replace: 'if (ahead.length === 1_000)',
    caughtBy: listing('no more campaigns than the concurrency'),
  },
  {
    defect: 'a campaign that was purged while it is listed is listed as over',
    file: 'src/operate/list-campaigns.ts',
    find: "return error.isPurged ? null : unready('over');",
    replace: "return unready('over');",
    caughtBy: listing('a campaign that is purged while it is listed is left out'),
  },
];
