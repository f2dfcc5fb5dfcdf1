const VERDICT = 'test/unit/verdict.test.ts';
const PLACE = 'test/unit/place.test.ts';
const RECORD = 'test/unit/record.test.ts';

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
];
