import assert from 'node:assert/strict';
import { isNotSaved } from '../model/errors.js';
import type { Issuance } from '../model/issuance.js';
import { type Life, type RowChange, UNTOUCHED } from '../model/life.js';
import type { ChangeVerdict, CouponRef } from '../persistence/coupon-change.js';
import { assertIssuance } from './assertions.js';
import type { Case, Stage } from './stage.js';

/** The change that makes most of a row another. */
export const REVOKE: RowChange = {
  version: 0,
  unexpired: false,
  to: { state: 'revoked', by: 'R' },
  unitReturned: true,
};

/** More than a case stores of one user. */
const MANY = 500;

export type AskedChange = readonly [ref: CouponRef, change: RowChange];

/** A case of an adapter that can look and change. */
export function changing(name: string, check: (stage: Stage) => Promise<void>): Case {
  return { name, needs: ['look', 'change'], check };
}

/** A stored coupon with a code. `endsInMs`: when it expires, from now. */
export async function given(
  stage: Stage,
  endsInMs: number | null = null,
  fields: Partial<Issuance> = {},
): Promise<Issuance> {
  const expires = endsInMs === null ? {} : { expiresAt: new Date(Date.now() + endsInMs) };
  const row = stage.issuance({ ...expires, ...fields });
  await stage.given(row);
  return row;
}

export function byCode({ campaignId, code }: Issuance): { readonly campaignId: string; readonly code: string } {
  return { campaignId, code: code! };
}

export async function ask(stage: Stage, ...asked: AskedChange[]): Promise<readonly ChangeVerdict[]> {
  return change(stage, asked, new AbortController().signal);
}

/** Of two that lock each other out one attempt may fail, and changes nothing then: it is made again. */
export async function askInTwo(stage: Stage, ...asked: AskedChange[]): Promise<readonly ChangeVerdict[]> {
  return ask(stage, ...asked).catch((error: unknown) => {
    assert.ok(isNotSaved(error), 'a batch that was locked out says that it changed nothing');
    return ask(stage, ...asked);
  });
}

export async function change(
  stage: Stage,
  asked: readonly AskedChange[],
  signal: AbortSignal,
): Promise<readonly ChangeVerdict[]> {
  const changes = Object.freeze(asked.map(([ref, one]) => Object.freeze({ ref, ...one })));
  const verdicts = await stage.adapter.change!(changes, { signal });
  assert.ok(Array.isArray(verdicts) && verdicts.length === asked.length, 'change gives one verdict for each change');
  return verdicts;
}

export async function look(stage: Stage, refs: readonly CouponRef[]): Promise<readonly (Issuance | null)[]> {
  const rows = await stage.adapter.look!(Object.freeze([...refs]), { signal: new AbortController().signal });
  assert.ok(Array.isArray(rows) && rows.length === refs.length, 'look gives a row or null for each ref');
  return rows;
}

export async function listByUser(
  stage: Stage,
  userIds: readonly string[],
  { campaignIds, limit = MANY }: { readonly campaignIds: readonly string[]; readonly limit?: number },
): Promise<readonly Issuance[]> {
  const { signal } = new AbortController();
  const options = { campaignIds: Object.freeze([...campaignIds]), limit, signal };
  const rows = await stage.adapter.listByUser!(Object.freeze([...userIds]), options);
  assert.ok(Array.isArray(rows), 'listByUser gives an array of rows');
  return rows;
}

export function assertChanged(
  verdict: ChangeVerdict | undefined,
  row: Issuance,
  life: Partial<Life>,
  expiresAt = row.expiresAt,
): void {
  assert.equal(verdict?.changed, true);
  assertLife(verdict?.row, { ...row, expiresAt: expiresAt ?? null }, life);
}

/** The row is that coupon, with this life and its end. */
export function assertLife(found: Issuance | null | undefined, row: Issuance, expected: Partial<Life>): void {
  assert.ok(found, 'the row is there');
  const grant = expected.state === 'revoked' && found.grant === 0 ? 0 : row.grant;
  assertIssuance(found, { ...row, grant });
  assert.equal(found.expiresAt?.getTime() ?? null, row.expiresAt?.getTime() ?? null, 'expiresAt');
  const { at: _at, ...life } = found.life ?? UNTOUCHED;
  const { at: _none, ...whole } = { ...UNTOUCHED, ...expected };
  assert.deepEqual(life, whole);
}

/** By every way to read it, the row is this one. */
export async function expectSeen(stage: Stage, row: Issuance): Promise<void> {
  const { adapter, campaignId } = stage;
  const life = row.life ?? UNTOUCHED;
  assertLife((await look(stage, [byCode(row)]))[0], row, life);
  if (adapter.find) assertLife((await adapter.find([row]))[0], row, life);
  if (adapter.listByUser) {
    const rows = await listByUser(stage, [row.userId], { campaignIds: [campaignId] });
    assertLife(
      rows.find(({ serial }) => serial === row.serial),
      row,
      life,
    );
  }
  if (!adapter.list) return;
  const listed = await adapter.list(campaignId, { afterSerial: row.serial - 1, limit: 1 });
  assertLife(listed[0], row, life);
}
