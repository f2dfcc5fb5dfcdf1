const VERDICT = 'test/unit/verdict.test.ts';
const PLACE = 'test/unit/place.test.ts';
const RECORD = 'test/unit/record.test.ts';
const LOOP = 'test/unit/announcing.test.ts';
const REVOKING = 'test/integration/revoking.test.ts';
const KILLED = 'test/fault/revoking.test.ts';
const LIFE = 'test/unit/life.test.ts';

/** Defects of revoking. */
export const REVOKE = [
  {
    defect: 'a save of a coupon that was revoked is told saved',
    file: 'src/persistence/verdict.ts',
    find: " && row.life?.state !== 'revoked'",
    replace: '',
    caughtBy: { file: VERDICT, test: 'its own row is revoked' },
  },
  {
    defect: 'the mark of a revoked coupon is not read',
    file: 'src/redis/record.ts',
    find: "record.startsWith(REVOKED) ? 'revoked' : ",
    replace: '',
    caughtBy: { file: RECORD, test: 'a record gives back what was written' },
  },
  {
    defect: 'a user whose coupons are all revoked has one reserved',
    file: 'src/model/place.ts',
    find: "  return has('reserved') ? 'reserved' : 'revoked';",
    replace: "  return 'reserved';",
    caughtBy: { file: PLACE, test: 'a user with coupons holds an issued one before a reserved one' },
  },
  {
    defect: 'a watch goes on after its coupon was revoked',
    file: 'src/model/place.ts',
    find: "['issued', 'revoked', 'left',",
    replace: "['issued', 'left',",
    caughtBy: { file: PLACE, test: 'the coupon that was waited for is final once it is revoked' },
  },
  {
    defect: 'a coupon is announced before it is looked at',
    file: 'src/redeem/changes.ts',
    find: "    if (call.verb === 'redeem') this.next = {",
    replace:
      "    if (call.verb === 'revoke') this.next = { ...(decide(call, {}) as { change: RowChange; answer: LifeAnswer }), looked: true };\n    if (call.verb === 'redeem') this.next = {",
    caughtBy: { file: LOOP, test: 'is announced after the look and before the change' },
  },
  {
    defect: 'a coupon is announced for its first version alone',
    file: 'src/redeem/changes.ts',
    find: 'const revokes = turns.filter(({ revoking }) => revoking);',
    replace: 'const revokes = turns.filter(({ revoking }) => revoking && !revoking.row.life);',
    caughtBy: { file: LOOP, test: 'is announced anew for each version' },
  },
  {
    defect: 'a coupon that was not announced is revoked',
    file: 'src/redeem/changes.ts',
    find: "    else if (error) this.outcome = { answer: 'not_announced', error };",
    replace: '    else if (error) this.begin();',
    caughtBy: { file: LOOP, test: 'stays as it is if Redis does not hear of it' },
  },
  {
    defect: 'a coupon whose first change is in doubt is told to be as it was',
    file: 'src/redeem/changes.ts',
    find: '    if (error && this.inDoubt) this.fail(error);\n    else if (error)',
    replace: '    if (error)',
    caughtBy: { file: LOOP, test: 'whose first change is in doubt is unknown' },
  },
  {
    defect: 'nothing is announced',
    file: 'src/redeem/revocations.ts',
    find: 'await announceRevokes(shard, allowed.map(announcementOf))',
    replace: 'await announceRevokes(shard, allowed.slice(allowed.length).map(announcementOf))',
    caughtBy: { file: KILLED, test: 'the database falls silent after the change, and a worker takes the unit back' },
  },
  {
    defect: 'a unit is taken back by what the call asked for',
    file: 'src/redis/revoke.ts',
    find: 'returns: life?.unitReturned === true',
    replace: 'returns: life !== undefined',
    caughtBy: {
      file: REVOKING,
      test: 'in memory a coupon that is revoked is not redeemed any more, and its unit is kept',
    },
  },
  {
    defect: 'a worker drops an announcement without a fence',
    file: 'src/model/life.ts',
    find: "  return { change: { version, unexpired: false }, answer: 'fenced' };\n}\n\n/** An own",
    replace: "  return { answer: 'fenced' };\n}\n\n/** An own",
    caughtBy: { file: LIFE, test: 'on the version that is named' },
  },
  {
    defect: 'an announcement of a row that is behind it is dropped',
    file: 'src/redeem/announced.ts',
    find: 'return (outcome.row.life?.version ?? 0) > version;',
    replace: 'return true;',
    caughtBy: { file: 'test/unit/announced.test.ts', test: 'a row that is behind its announcement' },
  },
  {
    defect: 'a worker takes no unit back',
    file: 'src/redeem/announced.ts',
    find: '      await revocations.takeBack(outcome.row);\n',
    replace: '',
    caughtBy: { file: KILLED, test: 'the database falls silent after the change, and a worker takes the unit back' },
  },
  {
    defect: 'settle leaves announcements alone',
    file: 'src/settle/settle.ts',
    find: '  if (revoking > 0) await options.endAnnounced(serving);\n',
    replace: '',
    caughtBy: { file: KILLED, test: 'the database falls silent after the change, and a worker takes the unit back' },
  },
  {
    defect: 'a repeat does not finish the part of Redis',
    file: 'src/redeem/coupons.ts',
    find: "const isRevoked = call.verb === 'revoke' && row.state === 'revoked';",
    replace: "const isRevoked = call.verb === 'revoke' && row.state === 'revoked' && row.grant === 0;",
    caughtBy: { file: KILLED, test: 'while Redis is emptied, a coupon whose unit is kept is revoked' },
  },
  {
    defect: 'the own row on the same unit is adopted instead of taken back',
    file: 'src/issue/carry.ts',
    find: "if (isOwn && row.state === 'revoked' && !otherUnit) return",
    replace: 'if (isOwn && otherUnit && !otherUnit) return',
    caughtBy: { file: REVOKING, test: 'settle meets a row that was revoked' },
  },
  {
    defect: 'a coupon whose row is revoked is told issued',
    file: 'src/issue/carry.ts',
    find: "  if (issuance.state === 'revoked') return { outcome: 'revoked', issuance, finished };\n",
    replace: '',
    caughtBy: { file: REVOKING, test: 'in memory a coupon that is revoked lets its user ask again' },
  },
  {
    defect: 'settle delivers a coupon again that was revoked',
    file: 'src/settle/find-saved.ts',
    find: "      if (row?.state === 'revoked') return { verdict: 'user_conflict', existing: row };\n",
    replace: "      if (row?.state === 'revoked') return null;\n",
    caughtBy: { file: REVOKING, test: 'settle meets a row that was revoked' },
  },
  {
    defect: 'a unit of a pool is returned without a code',
    file: 'src/redeem/revocations.ts',
    find: "campaign.rules.kind === 'codes' && call.unit === 'returned'",
    replace: 'false',
    caughtBy: { file: REVOKING, test: 'a unit of a pool is not returned' },
  },
  {
    defect: 'a fraud is not stopped while Redis is away',
    file: 'src/redeem/revocations.ts',
    find: "  return call.unit === 'returned' || call.again;",
    replace: '  return call.id !== null;',
    caughtBy: { file: KILLED, test: 'while Redis is emptied, a coupon whose unit is kept is revoked' },
  },
  {
    defect: 'a user in line does not hear of a unit that went back',
    file: 'src/core.ts',
    find: "      if (event.type === 'taken_back') this.room.takenBack(event.campaignId);\n",
    replace: '',
    caughtBy: { file: REVOKING, test: 'a watcher hears of a coupon that is revoked' },
  },
  {
    defect: 'only a user without any coupon may have one that is not saved yet',
    file: 'src/operate/revoke-all.ts',
    find: '(held.get(userId) ?? 0) < perUser',
    replace: '(held.get(userId) ?? 0) < 1',
    caughtBy: { file: REVOKING, test: 'users whose second coupon is not saved yet are named' },
  },
  {
    defect: 'a return that is refused is not announced anew',
    file: 'src/redeem/revocations.ts',
    find: 'await announceRevokes(shard, [announcementOf({ row })]);',
    replace: 'void shard;',
    caughtBy: { file: REVOKING, test: 'a return that a rebuild refuses is announced anew' },
  },
];
