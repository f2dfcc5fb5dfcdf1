import { expect, test } from 'vitest';
import { scripts } from '../../src/redis/scripts.js';
import { readNames, scriptFiles } from '../lua/read-script.js';
import { allKills, type Role } from '../support/scenes/kill-cases.js';

const kills = allKills();
const arrows = ['before', 'after'] as const;
const HOOKS = ['save', 'find', 'list', 'deliver', 'recall'];

test.each(
  scriptFiles()
    .filter(({ header }) => readNames(header.WRITES!).length > 0)
    .map(({ name }) => name),
)('some process is killed before and after %s, which writes', (script) => {
  const where = new Set(kills.flatMap(({ step, when }) => (step === script ? [when] : [])));
  expect([...where].sort()).toEqual(['after', 'before']);
});

test('some process is killed before and after each function that an issuer is given', () => {
  const missing = HOOKS.flatMap((hook) => arrows.map((when) => `${when} ${hook}`)).filter(
    (point) => !kills.some(({ when, step }) => point === `${when} ${step}`),
  );
  expect(missing).toEqual([]);
});

test.each([
  ['issuer', ['reserve', 'deliver', 'save', 'confirm', 'release', 'reassign', 'adopt-row', 'withdraw']],
  ['worker', ['claim-due', 'deliver', 'save', 'confirm', 'postpone', 'reassign', 'adopt-row', 'withdraw']],
  [
    'rebuild',
    ['begin-rebuild', 'keep-promised', 'list', 'rebuild-rows', 'rebuild-codes', 'keep-known', 'finish-rebuild'],
  ],
  ['loader', ['load-codes']],
] as const)('the %s is killed at every arrow of its way', (role: Role, steps) => {
  const missing = steps.flatMap((step) => arrows.map((when) => ({ role, step, when })));
  expect(kills).toEqual(expect.arrayContaining(missing));
});

test('every step at which a process is killed is a script or a function that an issuer is given', () => {
  const known = [...Object.values(scripts).map(({ name }) => name), ...HOOKS];
  expect(kills.filter(({ step }) => !known.includes(step))).toEqual([]);
});
