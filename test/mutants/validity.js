const rule = (test) => ({ file: 'test/integration/validity.test.ts', test: `the validity of a campaign ${test}` });
const told = (test) => ({
  file: 'test/integration/validity.test.ts',
  test: `every answer about a coupon tells the same end ${test}`,
});
const unit = (file, test) => ({ file: `test/unit/${file}.test.ts`, test });
const RECORD = unit('record', 'a record has the end that the rule of its campaign gives it');

/** Defects of how long a coupon is valid: the rule of its campaign, and the end that each answer carries. */
export const VALIDITY = [
  {
    defect: 'the end of a coupon is counted from the instant at which its record is read',
    file: 'src/redis/record.ts',
    find: 'expiryOf(of.validity, issuance.issuedAt)',
    replace: 'expiryOf(of.validity, new Date())',
    caughtBy: RECORD,
  },
  {
    defect: 'a record with data has no end',
    file: 'src/redis/record.ts',
    find: 'if (of.validity) issuance',
    replace: "if (of.validity && data === '') issuance",
    caughtBy: RECORD,
  },
  {
    defect: 'a coupon whose row is committed is told without its end',
    file: 'src/model/issuance.ts',
    find: 'return expiresAt ? { ...issued, expiresAt } : issued;',
    replace: 'return issued;',
    caughtBy: told('at its issue, at a repeat'),
  },
  {
    defect: 'a coupon that is accepted is told without its end',
    file: 'src/model/issuance.ts',
    find: 'return expiresAt ? { ...shown, expiresAt } : shown;',
    replace: 'return shown;',
    caughtBy: told('while it is accepted, in quarantine'),
  },
  {
    defect: 'the JSON of a coupon has no end',
    file: 'src/model/http-answer.ts',
    find: '...(expiresAt && { expiresAt: isoOf(expiresAt) }) };\n  return { id, campaignId, userId, grant',
    replace: '};\n  return { id, campaignId, userId, grant',
    caughtBy: unit('http-answer', "'issued'"),
  },
  {
    defect: 'an end that a hook moved is saved and told',
    file: 'src/redis/reservation.ts',
    find: '(expiresMs === null || expiresAt!.getTime() === expiresMs)',
    replace: 'expiresMs !== 0',
    caughtBy: { file: 'test/fault/hook-objects.test.ts', test: 'a delivery that moves the end of what' },
  },
  {
    defect: 'a process keeps the validity that it read first',
    file: 'src/redis/shard.ts',
    find: 'this.#validity = fields.rules.validity;',
    replace: 'this.#validity ??= fields.rules.validity;',
    caughtBy: rule('is kept by a rebuild'),
  },
  {
    defect: 'a rebuild leaves the validity of the definition before it',
    file: 'lua/recover/begin-rebuild.lua',
    find: "'room', 'validity', 'store'",
    replace: "'room', 'store'",
    caughtBy: rule('is kept by a rebuild'),
  },
  {
    defect: 'a second open under another validity finds the campaign',
    file: 'src/model/campaign-rules.ts',
    find: "  return { ...rules, ...NO_ROOM, ...room, ...bounds, 'validity.timeZone': timeZone };",
    replace: '  return { ...rules, ...NO_ROOM, ...room, ...(bounds && timeZone ? {} : {}) };',
    caughtBy: rule('is part of its definition'),
  },
  {
    defect: 'an update sells coupons past the end of all of them',
    file: 'lua/campaign/update-campaign.lua',
    find: 'if validUntil and (not closesAt or closesAt > validUntil)',
    replace: 'if validUntil and closesAt and closesAt > validUntil + 1000000000000.0',
    caughtBy: rule('does not change by an update'),
  },
  {
    defect: 'a campaign sells coupons past the end of all of them',
    file: 'src/model/campaign-rules.ts',
    find: 'own.closesAt === undefined ? until : instantMs',
    replace: 'own.closesAt === undefined ? null : instantMs',
    caughtBy: unit('campaign', 'a campaign whose coupons all end at one instant closes then'),
  },
  {
    defect: 'a process whose adapter cannot change rows serves a campaign with a validity',
    file: 'src/redis/known-campaign.ts',
    find: ' ?? lackOf(this.id, rules, this.equipment)',
    replace: '',
    caughtBy: rule('is not served by a process that cannot keep it'),
  },
  {
    defect: 'a campaign with a validity is opened without an adapter that can change rows',
    file: 'src/redis/known-campaign.ts',
    find: '  if (lack !== null) throw new MisconfiguredError(lack);\n',
    replace: '',
    caughtBy: rule('needs an adapter with look'),
  },
  {
    defect: 'a process that lacks the zone takes units, and knows no end for them',
    file: 'src/redis/campaign-fields.ts',
    find: "if (timeZone !== '' && !knowsZone(timeZone))",
    replace: "if (timeZone !== '' && timeZone.length > 64)",
    caughtBy: rule('is not served by a process that cannot keep it'),
  },
  {
    defect: 'not_saved_yet names the lease of the process, and not the one of the campaign',
    file: 'src/core.ts',
    find: 'leaseMs: shard.leaseMs }',
    replace: 'leaseMs: this.options.leaseMs }',
    caughtBy: { file: 'test/integration/redeeming.test.ts', test: 'a coupon that is reserved is not saved yet' },
  },
];
