const alike = (test) => ({ file: 'test/lua/alike.test.ts', test });
const ALIKE = 'lua/include/alike.lua';

/** Batches in which nothing is unusual. */
export const PACKED = [
  {
    defect: 'a user that stands twice in a batch gets two units',
    file: ALIKE,
    find: '    if isTaken[field] then return nil end\n',
    replace: '',
    caughtBy: alike('a user that stands twice gets one unit'),
  },
  {
    defect: 'a batch gets more units than are left',
    file: ALIKE,
    find: 'if campaign.total and serial + count > campaign.total then return nil end',
    replace: '',
    caughtBy: alike('the last units go to the first users'),
  },
  {
    defect: 'a unit that came back is passed over',
    file: ALIKE,
    find: ' or #free > 0 or',
    replace: ' or',
    caughtBy: alike('a unit that came back goes first'),
  },
  {
    defect: 'a user that may have two gets both',
    file: ALIKE,
    find: 'if #grants > 1 or',
    replace: 'if',
    caughtBy: alike('a user who may have two gets one at a time'),
  },
  {
    defect: 'ids are cut at the wrong places by their number of bytes',
    file: ALIKE,
    find: ' or #ids ~= (ID_LENGTH + 1) * count - 1',
    replace: '',
    caughtBy: alike('ids of other lengths stay whole'),
  },
  {
    defect: 'ids are cut at the wrong places though their caller says so',
    file: ALIKE,
    find: " or idLength ~= '22' then",
    replace: ' then',
    caughtBy: alike('ids of other lengths stay whole'),
  },
  {
    defect: 'a user that has a coupon gets another one in a batch',
    file: ALIKE,
    find: 'if next(texts) or next(freedTexts) then return nil end',
    replace: 'if next(freedTexts) then return nil end',
    caughtBy: alike('a user that has a coupon gets no other one'),
  },
  {
    defect: 'a repeat of a coupon whose grant is free takes another unit',
    file: ALIKE,
    find: 'if next(texts) or next(freedTexts) then return nil end',
    replace: 'if next(texts) then return nil end',
    caughtBy: alike('a repeat of a coupon whose grant is free gets no unit'),
  },
  {
    defect: 'a late copy of a refused batch takes units',
    file: ALIKE,
    find: '  if repeated then return nil end\n',
    replace: '',
    caughtBy: {
      file: 'test/fault/ghost.test.ts',
      test: 'a copy of the reserve that runs after a pause refused it, and the campaign went on, takes nothing',
    },
  },
  {
    defect: 'a batch of write-behind has one stamp',
    file: ALIKE,
    find: "not behind and data == ''",
    replace: "data == ''",
    caughtBy: alike('in write-behind each unit has a stamp of its own'),
  },
  {
    defect: 'a batch loses the data of its users',
    file: ALIKE,
    find: "not behind and data == ''",
    replace: 'not behind',
    caughtBy: alike('the data of a user is kept'),
  },
  {
    defect: 'a batch loses the codes that its caller made up',
    file: ALIKE,
    find: 'if nextCode then text = text .. nextCode() end',
    replace: '',
    caughtBy: alike('users that are alike are given codes'),
  },
  {
    defect: 'a batch keeps no leases',
    file: ALIKE,
    find: 'if lease then leases[2 * i - 1], leases[2 * i] = lease, field end',
    replace: '',
    caughtBy: alike('users that are alike are reserved as if'),
  },
  {
    defect: 'all users of an answer in order have the serial of the first',
    file: 'src/redis/record.ts',
    find: 'const serial = firstSerial + nth;',
    replace: 'const serial = firstSerial + Math.min(nth, 0);',
    caughtBy: alike('an answer for all users in order is decoded'),
  },
  {
    defect: 'an error quotes one user of many',
    file: 'src/redis/runner.ts',
    find: "const texts = arg.split('\\0');",
    replace: 'const texts = [arg];',
    caughtBy: { file: 'test/unit/runner.test.ts', test: 'an error of Redis is told without any text' },
  },
];
