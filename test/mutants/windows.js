/** The window of a campaign, and the instants of it that a refusal carries. */
const WINDOWS = 'test/integration/windows.test.ts';

export const WINDOW = [
  {
    defect: 'issue() says when it opens from the memory of the process',
    file: 'src/redis/serving.ts',
    find: '        return { word, opensAt: new Date(Number(reply[3])) };\n',
    replace: '        return { word, opensAt: new Date(state.rules.opensAt!) };\n',
    caughtBy: { file: WINDOWS, test: 'issue() answers not_open with the instant of the campaign that refused' },
  },
  {
    defect: 'join() says when it opens from the memory of the process',
    file: 'src/redis/line.ts',
    find: 'opensAt: from.shutAt };',
    replace: 'opensAt: new Date(this.state.rules.opensAt!) };',
    caughtBy: { file: WINDOWS, test: 'join() answers not_open with the instant of the campaign that refused' },
  },
];
