import { expect, test } from 'vitest';
import { CampaignHandle } from '../../src/campaign/handle.js';
import { type Cure, ReconcileReport } from '../../src/model/findings.js';

const textOf = (cure: Cure) => {
  const findings = [{ kind: 'units_lost', count: 3, cure, repaired: false }] as const;
  return String(new ReconcileReport({ campaignId: 'launch', epoch: '1-a', rows: 5, grants: 5, quiet: true, findings }));
};

test.each(['settle', 'repair', 'rebuild'] as const)('the cure %j in a report is a call of the handle', (cure) => {
  const [, method] = textOf(cure).match(/\(cure: (\w+)\((?:\{[^{}]*\})?\)/) ?? [];
  expect(Object.getOwnPropertyNames(CampaignHandle.prototype)).toContain(method);
});

test('a finding without a cure in the library asks for an operator', () => {
  expect(textOf('look')).toContain('(an operator has to look)');
});
