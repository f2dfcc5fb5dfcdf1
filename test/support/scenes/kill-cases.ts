import type { SaveMode } from '../../../src/index.js';
import type { Step, When } from '../actors/actor.js';
import { SOAK } from '../checks/lengths.js';
import type { Variant } from './scene.js';

/** Which process is killed. The rebuild, the loader and the operator are told in their own tests what they had begun. */
export type Role = 'issuer' | 'worker' | 'rebuild' | 'loader' | 'operator' | 'host' | 'cache';

/**
 * What stands in the way of the users of a scene. `serial taken`: the database has given ann's unit to a stranger, and `user has a row`: ann a unit
 * that Redis does not know of, by another request, or by this one (`request has a row`): Redis is behind, and a rebuild has to follow.
 */
export type Trouble =
  | 'save refused'
  | 'save refused for good'
  | 'delivery refused'
  | 'code taken'
  | 'serial taken'
  | 'user has a row'
  | 'request has a row';

/** What the killed process leaves of ann's request: nothing, a reservation, a reservation and a row (`saved`), or all (`issued`). */
type Left = 'nothing' | 'reserved' | 'saved' | 'issued';

export interface KillCase {
  readonly step: Step;
  readonly when: When;
  readonly left: Left;
  readonly variant: Variant;
  readonly trouble: Trouble | null;
}

/** One step, and what is left of ann's request before and after it. */
interface Arrow {
  readonly step: Step;
  readonly before: Left;
  readonly after: Left;
  readonly delivers?: boolean;
  readonly saveMode?: SaveMode;
  readonly stock?: Variant['stock'];
  readonly trouble?: Trouble;
}

const reserved = { before: 'reserved', after: 'reserved' } as const;
const nothing = { before: 'nothing', after: 'nothing' } as const;
const issued = { before: 'issued', after: 'issued' } as const;
const deliver: Arrow = { step: 'deliver', ...reserved, delivers: true };
const save: Arrow = { step: 'save', before: 'reserved', after: 'saved' };
const confirm: Arrow = { step: 'confirm', before: 'saved', after: 'issued' };
const reassign: Arrow = { step: 'reassign', ...reserved, delivers: false, trouble: 'serial taken' };
const exchange: Arrow = { step: 'reassign', ...reserved, delivers: false, trouble: 'code taken', stock: 'counted' };
const adopt: Arrow = { step: 'adopt-row', before: 'saved', after: 'issued', trouble: 'user has a row' };
const adoptOwn: Arrow = { ...adopt, trouble: 'request has a row' };
const withdraw = { delivers: true, trouble: 'serial taken' } as const;

const throughDatabase: readonly Arrow[] = [
  deliver,
  save,
  confirm,
  reassign,
  exchange,
  adopt,
  adoptOwn,
  { step: 'withdraw', before: 'reserved', after: 'nothing', ...withdraw },
  { step: 'recall', ...nothing, ...withdraw },
  { step: 'recall', ...issued, ...withdraw, trouble: 'user has a row' },
];

const issuing: readonly Arrow[] = [
  { step: 'reserve', before: 'nothing', after: 'reserved' },
  { step: 'reserve', before: 'nothing', after: 'reserved', saveMode: 'write-behind', delivers: false },
  ...throughDatabase,
  { step: 'release', before: 'reserved', after: 'nothing', delivers: false, trouble: 'save refused' },
  { step: 'release', before: 'reserved', after: 'nothing', delivers: true, trouble: 'delivery refused' },
];

const working: readonly Arrow[] = [
  { step: 'claim-due', ...reserved },
  { step: 'find', ...reserved, delivers: true },
  ...throughDatabase,
  { step: 'postpone', ...reserved, trouble: 'save refused' },
  { step: 'postpone', ...reserved, trouble: 'delivery refused', delivers: true },
  { step: 'postpone', ...reserved, trouble: 'save refused for good', delivers: false },
];

const STOCKS = ['counted', 'codes'] as const;

/**
 * Every arrow before and after, for both kinds of stock, with `deliver` and without, unless the arrow is only found in one of them. Where somebody is
 * in trouble, only the full length has every pair of the two.
 */
function spread(arrows: readonly Arrow[], saveModeOf: (arrow: Arrow, variant: number) => SaveMode): KillCase[] {
  let variants = 0;
  const variantsOf = (arrow: Arrow): Variant[] =>
    STOCKS.filter((stock) => (arrow.stock ?? stock) === stock).flatMap((stock) =>
      [false, true]
        .filter((delivers) => (arrow.delivers ?? delivers) === delivers)
        .filter(
          (delivers) => SOAK || !arrow.trouble || arrow.delivers !== undefined || delivers === (stock === 'codes'),
        )
        .map((delivers) => ({ stock, delivers, saveMode: saveModeOf(arrow, variants++) })),
    );
  return arrows.flatMap((arrow) =>
    variantsOf(arrow).flatMap((variant) =>
      (['before', 'after'] as const).map((when) => {
        const { step, trouble = null } = arrow;
        return { step, when, left: arrow[when], variant, trouble };
      }),
    ),
  );
}

/** A process that answers users. */
export const issuerKills = spread(issuing, ({ saveMode }) => saveMode ?? 'write-through');

/** A process that runs a worker: on the line of a write-behind campaign, and on leases that ran out, in turn. */
export const workerKills = spread(working, (_, variant) => (variant % 2 === 0 ? 'write-behind' : 'write-through'));

/** A place of a process that goes through many of them: the n-th time it comes to this step. */
export interface Place {
  readonly step: Step;
  readonly when: When;
  readonly nth: number;
}

function places(...steps: readonly (readonly [step: Step, ...counts: number[]])[]): Place[] {
  return steps.flatMap(([step, ...counts]) =>
    (counts.length > 0 ? counts : [1]).flatMap((nth) => [
      { step, when: 'before' as const, nth },
      { step, when: 'after' as const, nth },
    ]),
  );
}

/** A process that loads 1,200 codes: it asks how far it is, then sends three chunks. */
export const loaderKills = places(['load-codes', 1, 2, 3, 4]);

/** A process that rebuilds what `rebuild-scene` lays out, by what Redis still has and by the kind of stock. */
export const rebuildKills = {
  kept: {
    counted: places(
      ['register-campaign'],
      // The first time it names no epoch, and learns the one that is there.
      ['begin-rebuild', 1, 2],
      ['keep-promised', 1, 2],
      ['list', 1, 3],
      ['rebuild-rows', 1, 3, 5],
      ['finish-rebuild', 1, 2],
    ),
    codes: places(
      ['begin-rebuild', 2],
      ['keep-promised', 2],
      ['rebuild-rows', 2],
      ['rebuild-codes', 1, 3],
      ['keep-known', 1, 2],
      ['finish-rebuild', 1, 2],
    ),
  },
  lost: {
    counted: places(['begin-rebuild'], ['rebuild-rows', 1], ['finish-rebuild']),
    codes: places(['rebuild-rows', 2], ['rebuild-codes', 2], ['finish-rebuild']),
  },
} as const;

/** An operator's process. */
export const operatorKills = places(
  ['register-campaign'],
  ['open-campaign'],
  ['activate-campaign'],
  ['set-paused'],
  ['set-pace'],
  ['update-campaign'],
  ['restock'],
  ['replace-code'],
  ['retry-quarantined'],
  ['withdraw'],
  ['recall'],
  ['mend-row'],
  ['reopen-grant'],
  ['close-campaign'],
  ['purge-campaign'],
  ['forget-campaign'],
  ['next-generation'],
  ['drop-over'],
  ['note-over'],
  ['announce-revoke'],
  ['take-back'],
  ['drop-announced'],
);

/** A worker that tells of itself: nothing depends on it. */
export const presenceKills = places(['note-worker'], ['forget-worker']);

/** A process that uses a cache. */
export const cacheKills = places(['find-cached'], ['count-bytes'], ['store-cached'], ['give-up-load'], ['drop-cached']);

/** At these points the process is also stopped, and another one acts in its place before it goes on. */
const STOPS: Readonly<Record<'issuer' | 'worker', readonly string[]>> = {
  issuer: [
    'after reserve',
    'after deliver',
    'before save',
    'after save',
    'before confirm',
    'before release',
    'before reassign',
    'before adopt-row',
    'before withdraw',
  ],
  worker: [
    'after claim-due',
    'before save',
    'after save',
    'before confirm',
    'before postpone',
    'before reassign',
    'before withdraw',
  ],
};

function stopsOf(role: 'issuer' | 'worker', kills: readonly KillCase[]): KillCase[] {
  return kills.filter(
    ({ when, step, variant }) =>
      STOPS[role].includes(`${when} ${step}`) && (SOAK || variant.delivers === (variant.stock === 'codes')),
  );
}

export const issuerStops = stopsOf('issuer', issuerKills);
export const workerStops = stopsOf('worker', workerKills);

/** A rebuild is stopped here, and another one comes to its end. */
export const rebuildStops = {
  counted: [
    { when: 'after', step: 'begin-rebuild', nth: 2 },
    { when: 'before', step: 'keep-promised', nth: 2 },
    { when: 'before', step: 'rebuild-rows', nth: 1 },
    { when: 'before', step: 'rebuild-rows', nth: 3 },
    { when: 'before', step: 'finish-rebuild', nth: 1 },
    { when: 'before', step: 'finish-rebuild', nth: 2 },
  ],
  codes: [
    { when: 'after', step: 'list', nth: 2 },
    { when: 'before', step: 'rebuild-codes', nth: 3 },
  ],
} as const;

/** A case in words, for the name of its test. */
export function titleOf({ when, step, variant, trouble }: KillCase): string {
  const { stock, saveMode, delivers } = variant;
  return `${when} ${step}${trouble ? `, ${trouble}` : ''} (${stock}, ${saveMode}${delivers ? ', delivers' : ''})`;
}

/** What a process with a waiting room is killed at, besides what it does to carry out a reservation. */
export const hostKills = ['admit-line', 'join-line', 'leave-line', 'find-places', 'tend-line', 'draw-line'].flatMap(
  (step) => (['before', 'after'] as const).map((when) => ({ step, when })),
);

/** Every place where some process is killed. */
export function allKills(): { role: Role; step: Step; when: When }[] {
  const of = (role: Role, kills: readonly { step: Step; when: When }[]) =>
    kills.map(({ step, when }) => ({ role, step, when }));
  const { kept, lost } = rebuildKills;
  return [
    ...of('issuer', issuerKills),
    ...of('worker', workerKills),
    ...of('worker', presenceKills),
    ...of(
      'rebuild',
      [kept, lost].flatMap((kind) => [...kind.counted, ...kind.codes]),
    ),
    ...of('loader', loaderKills),
    ...of('operator', operatorKills),
    ...of('host', hostKills),
    ...of('cache', cacheKills),
  ];
}
