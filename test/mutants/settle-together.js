const together = (test) => ({ file: 'test/mock/settle-together.test.ts', test });
const SAVES = 'src/settle/save-together.ts';
const CLAIM = 'lua/settle/claim-due.lua';

/** Batches that a worker claims and saves as one. */
export const SETTLED_TOGETHER = [
  {
    defect: 'a reservation whose save was refused is confirmed with its neighbours',
    file: SAVES,
    find: "if (outcome.verdict === 'saved') {",
    replace: 'if (outcome) {',
    caughtBy: together('a save that is refused leaves its reservation'),
  },
  {
    defect: 'a lost confirm counts as settled',
    file: SAVES,
    find: '    this.#saving.reject(error);\n',
    replace: "    void error;\n    this.resolve('confirmed');\n",
    caughtBy: together('a lost confirm is no settled reservation'),
  },
  {
    defect: 'a settled batch is told in the async context of whoever sent its save',
    file: SAVES,
    find: 'return this.together.hasHooks ? new InContext(caller) : caller;',
    replace: 'return caller;',
    caughtBy: together('observers of a settled batch run in the async context'),
  },
  {
    defect: 'a pass tries a reservation again and again',
    file: 'src/settle/settle.ts',
    find: '    for (const { id } of batch.left) tried.add(id);\n',
    replace: '',
    caughtBy: together('one pass tries each reservation once'),
  },
  {
    defect: 'a claim forgets how often a reservation failed',
    file: CLAIM,
    find: "'t' .. tries .. ':' .. stamp",
    replace: "'t:' .. stamp",
    caughtBy: together('a worker that dies after its claim leaves the number of failures'),
  },
  {
    defect: 'a worker is not told how often a reservation failed',
    file: CLAIM,
    find: 'rests[granted], lines[granted] = field, tries .. rest,',
    replace: 'rests[granted], lines[granted] = field, rest,',
    caughtBy: together('a save that is refused leaves its reservation'),
  },
  {
    defect: 'a batch has the data of its neighbours',
    file: 'src/redis/reservation.ts',
    find: "const data = lines?.[i] ?? '';",
    replace: "const data = lines?.[0] ?? '';",
    caughtBy: together('what is claimed comes whole'),
  },
  {
    defect: 'an admitted user gets the code of another one',
    file: 'lua/line/admit-line.lua',
    find: 'rests[granted], lines[granted] = field, string.sub(text, 3 + #stamp), ticketData[user]',
    replace: "rests[granted], lines[granted] = field, string.sub(text, 3 + #stamp) .. ' ', ticketData[user]",
    caughtBy: together('what is admitted comes whole'),
  },
  {
    defect: 'a user that was issued at once is saved and confirmed',
    file: 'src/redis/line.ts',
    find: "reply[8] === '1' ? 'issued' : 'reserved'",
    replace: "'reserved'",
    caughtBy: together('without a database they are issued at once'),
  },
  {
    defect: 'units go out without the codes that their campaign generates',
    file: 'lua/line/admit-line.lua',
    find: "or (generates and #codeList < limit and 'no_code') ",
    replace: '',
    caughtBy: together('a call that knows no codes admits nobody'),
  },
];
