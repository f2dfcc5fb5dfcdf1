import type { IssuanceRef } from './events.js';
import { METHODS } from './methods.js';

/** The cure of a finding: settle, a safe repair, a rebuild, or an operator (`look`). */
export type Cure = 'settle' | 'repair' | 'rebuild' | 'look';

/** One difference between Redis and the database, or within Redis. Never with a coupon code. */
export type Finding = { readonly cure: Cure; readonly repaired: boolean } & (
  | {
      /** The database has a row, Redis no grant of that user and number. */
      readonly kind: 'row_without_grant';
      readonly row: IssuanceRef;
    }
  | {
      /** Redis says issued, the database has no row. */
      readonly kind: 'grant_without_row';
      readonly grant: IssuanceRef;
    }
  | {
      /** The row and the grant of one user and number are of different ids, units or codes; or Redis says revoked, and the row does not. */
      readonly kind: 'row_differs';
      readonly row: IssuanceRef;
      readonly grant: IssuanceRef;
    }
  | {
      /** The database has revoked a coupon, and Redis has not taken its unit back. */
      readonly kind: 'revoked_in_database';
      readonly row: IssuanceRef;
    }
  | {
      /** A unit, or its code, is in two hands. */
      readonly kind: 'serial_twice' | 'code_twice';
      readonly serial: number;
      readonly grants: readonly IssuanceRef[];
    }
  | {
      /** Units that nobody holds, that are not in the stock, and that were not withdrawn. */
      readonly kind: 'units_lost';
      readonly count: number;
    }
  | {
      /** A counter differs from the units. */
      readonly kind: 'counter_wrong';
      readonly counter: string;
      readonly is: number;
      readonly shouldBe: number;
    }
  | {
      /** A reservation whose lease ended more than one lease ago: nobody settles. */
      readonly kind: 'lease_overdue';
      readonly grant: IssuanceRef;
      readonly overdueMs: number;
    }
  | {
      /** A reservation without a lease: settle would never find it. */
      readonly kind: 'lease_missing';
      readonly grant: IssuanceRef;
    }
  | {
      /** A part of the state in Redis is missing; nothing else was compared. */
      readonly kind: 'state_incomplete';
    }
);

export type FindingKind = Finding['kind'];

type Bare = Finding extends infer F ? (F extends Finding ? Omit<F, 'cure' | 'repaired'> : never) : never;

export function found(cure: Cure, what: Bare, repaired = false): Finding {
  return { ...what, cure, repaired } as Finding;
}

/** The report of `reconcile()`. `JSON.stringify` gives it to programs, `String` to people. */
export class ReconcileReport {
  readonly campaignId: string;
  readonly epoch: string;
  /** Rows of the database that were compared; `null` where the adapter has no `list`. */
  readonly rows: number | null;
  /** Grants in Redis that were compared. */
  readonly grants: number;
  /** Nothing changed meanwhile, so counters and units were compared too. */
  readonly quiet: boolean;
  readonly findings: readonly Finding[];

  constructor(of: Pick<ReconcileReport, 'campaignId' | 'epoch' | 'rows' | 'grants' | 'quiet' | 'findings'>) {
    this.campaignId = of.campaignId;
    this.epoch = of.epoch;
    this.rows = of.rows;
    this.grants = of.grants;
    this.quiet = of.quiet;
    this.findings = of.findings;
  }

  toString(): string {
    const compared = `${this.rows ?? 'no'} rows and ${this.grants} grants compared`;
    const quiet = this.quiet ? '' : '; something moved meanwhile, so counters and units were not compared';
    const head = `campaign ${this.campaignId}: ${compared}${quiet}`;
    if (this.findings.length === 0) return `${head}; no findings`;
    return [`${head}; ${this.findings.length} findings`, ...this.findings.map(line)].join('\n');
  }
}

const CURES: Record<Cure, string> = {
  settle: `cure: ${METHODS.settle}() or a worker`,
  repair: `cure: ${METHODS.reconcile}({ repair: 'safe' })`,
  rebuild: `cure: ${METHODS.rebuild}()`,
  look: 'an operator has to look',
};

function line(finding: Finding): string {
  return `- ${finding.kind}: ${describe(finding)} (${finding.repaired ? 'repaired' : CURES[finding.cure]})`;
}

function describe(finding: Finding): string {
  switch (finding.kind) {
    case 'row_without_grant':
      return `the database has ${name(finding.row)}, Redis has not`;
    case 'grant_without_row':
      return `Redis has issued ${name(finding.grant)}, the database has no row of it`;
    case 'row_differs':
      return `the database has ${name(finding.row)}, Redis ${name(finding.grant)}`;
    case 'revoked_in_database':
      return `the database has revoked ${name(finding.row)}, Redis has not taken its unit back`;
    case 'serial_twice':
    case 'code_twice':
      return `unit ${finding.serial} is in ${finding.grants.map(name).join(' and in ') || 'two hands'}`;
    case 'units_lost':
      return `${finding.count} units are lost: nobody holds them, and the stock does not have them`;
    case 'counter_wrong':
      return `${finding.counter} is ${finding.is} and should be ${finding.shouldBe}`;
    case 'lease_overdue':
      return `the lease of ${name(finding.grant)} ran out ${finding.overdueMs} ms ago`;
    case 'lease_missing':
      return `${name(finding.grant)} is reserved without a lease`;
    case 'state_incomplete':
      return 'a part of the state in Redis is missing; nothing else was compared';
  }
}

function name({ userId, grant, serial, id }: IssuanceRef): string {
  return `grant ${grant} of user ${JSON.stringify(userId)} on unit ${serial} (${id})`;
}
