import type {
  CampaignNeed,
  CampaignRules,
  CampaignSnapshot,
  CampaignState,
  RoomRules,
} from '../model/campaign-rules.js';
import { MisconfiguredError } from '../model/errors.js';
import { decodePace } from '../model/pace.js';
import { knowsZone, type ValidityRules } from '../model/validity.js';
import type { Reply } from './runner.js';

/** The campaign hash of one shard as a reply of `inspect` brings it. */
export interface ReadFields {
  readonly snapshot: CampaignSnapshot;
  readonly rules: CampaignRules;
  /** The rules that it was opened with: others where it was updated since. */
  readonly openedWith: CampaignRules;
  readonly stamp: number;
  /** Whether it serves: the database of a campaign that was just written has yet to be found empty. */
  readonly verified: boolean;
  /** Whether it is being rebuilt. */
  readonly building: boolean;
}

/** The named values of a reply of `inspect`. */
export function fieldsOf(reply: Reply): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = 3; i < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]));
  return fields;
}

/** Decodes a reply of `inspect` that is not `missing`. */
export function readFields(id: string, reply: Reply): ReadFields {
  const fields = fieldsOf(reply);
  const validity = decodeValidity(id, fields.get('validity'));
  const snapshot = snapshotOf(id, reply, fields, validity);
  const rules = rulesOf(snapshot, fields, validity);
  return {
    snapshot,
    rules,
    openedWith: openedWith(rules, fields.get('openedWith')),
    stamp: Number(fields.get('stamp')),
    verified: fields.get('verified') === '1',
    building: fields.has('building'),
  };
}

function snapshotOf(
  id: string,
  reply: Reply,
  fields: Map<string, string>,
  validity: ValidityRules | null,
): CampaignSnapshot {
  const count = (name: string) => Number(fields.get(name) ?? 0);
  const instant = (name: string) => (fields.has(name) ? new Date(count(name)) : null);
  const kind = fields.get('kind') as CampaignRules['kind'];
  const ceiling = kind === 'unlimited' ? null : count('total');
  const opensAt = instant('opensAt');
  const closesAt = instant('closesAt');
  const closedAt = instant('closedAt');
  const nowMs = Number(reply[1]);
  const room = decodeRoom(fields.get('room'));
  // Below 0: so many units have rows, and are still counted as free or reserved, from where the database will refuse
  // them.
  const withdrawn = count('withdrawn');
  const free = (units: number) => Math.max(0, units + Math.min(0, withdrawn));
  const state = (): CampaignState => {
    if (closedAt || (closesAt && nowMs >= closesAt.getTime())) return 'closed';
    if (fields.get('paused') === '1') return 'paused';
    return opensAt && nowMs < opensAt.getTime() ? 'scheduled' : 'open';
  };
  return {
    id,
    state: state(),
    ready: reply[2] === '1',
    stock: kind,
    generateCodes: fields.get('generate') === '1',
    total: ceiling === null ? null : ceiling - count('removed') - count('replaced'),
    available:
      kind === 'codes'
        ? free(count('pool'))
        : ceiling === null
          ? null
          : free(ceiling - count('lastSerial') + count('returned')),
    reserved: count('reserved'),
    issued: count('issued'),
    revoked: count('revoked'),
    withdrawn: Math.max(0, withdrawn),
    replaced: count('replaced'),
    codesRetired: kind === 'codes' ? Math.max(0, count('codes') - count('total')) : 0,
    perUser: count('perUser'),
    opensAt,
    closesAt,
    closedAt,
    saveMode: fields.get('saveMode') === 'write-behind' ? 'write-behind' : 'write-through',
    admission: room ? 'queued' : 'immediate',
    room,
    validity: validity && { ...validity, until: validity.until === null ? null : new Date(validity.until) },
    waiting: count('waiting'),
    backlog: fields.has('backlog') ? count('backlog') : null,
    oldestMs: fields.has('oldest') ? Math.max(0, nowMs - count('oldest')) : null,
    quarantined: fields.has('quarantined') ? count('quarantined') : null,
    pace: decodePace((name) => fields.get(name)),
    drawSeed: fields.get('seed') ?? null,
    leaseMs: count('leaseMs'),
    needs: (fields.get('needs')?.split('+') ?? []) as CampaignNeed[],
    store: fields.get('store') ?? null,
    epoch: fields.get('epoch')!,
  };
}

/** Restocking changes the total, and must not look like another definition. */
function rulesOf(
  campaign: CampaignSnapshot,
  fields: Map<string, string>,
  validity: ValidityRules | null,
): CampaignRules {
  return {
    kind: campaign.stock,
    total: campaign.stock === 'counted' ? Number(fields.get('opened')) : null,
    generateCodes: campaign.generateCodes,
    perUser: campaign.perUser,
    opensAt: campaign.opensAt?.getTime() ?? null,
    closesAt: campaign.closesAt?.getTime() ?? null,
    saveMode: campaign.saveMode,
    admission: campaign.admission,
    room: campaign.room,
    validity,
    needs: campaign.needs,
    pace: [],
  };
}

/** `update-campaign` keeps the rules that it replaces first, `<opensAt>:<closesAt>:<perUser>`. */
function openedWith(rules: CampaignRules, text: string | undefined): CampaignRules {
  if (text === undefined) return rules;
  const [opensAt, closesAt, perUser] = text.split(':') as [string, string, string];
  const instant = (ms: string) => (ms === '' ? null : Number(ms));
  return { ...rules, opensAt: instant(opensAt), closesAt: instant(closesAt), perUser: Number(perUser) };
}

/** All rules of a waiting room are one field, which the scripts of campaigns without one need not look at. */
function encodeRoom({ maxWaiting, overbook, presenceMs, drawAtOpen }: RoomRules): string {
  return [maxWaiting, overbook, presenceMs ?? 0, drawAtOpen ? 1 : 0].join(':');
}

function decodeRoom(text: string | undefined): RoomRules | null {
  if (text === undefined) return null;
  const [maxWaiting, overbook, presenceMs, draw] = text.split(':').map(Number) as [number, number, number, number];
  return { maxWaiting, overbook, presenceMs: presenceMs || null, drawAtOpen: draw === 1 };
}

/** `<until>:<forMs>:<days>:<timeZone>`, one field, which only an update looks at. No name of a zone has a colon. */
function encodeValidity({ until, forMs, days, timeZone }: ValidityRules): string {
  return [until, forMs, days, timeZone].map((bound) => bound ?? '').join(':');
}

/** Throws `MisconfiguredError`: a process that does not know the zone could not say when a coupon ends. */
function decodeValidity(id: string, text: string | undefined): ValidityRules | null {
  if (text === undefined) return null;
  const [until, forMs, days, timeZone] = text.split(':') as [string, string, string, string];
  const number = (bound: string) => (bound === '' ? null : Number(bound));
  if (timeZone !== '' && !knowsZone(timeZone)) {
    throw new MisconfiguredError(
      `campaign ${id} counts days in the zone ${timeZone}, which the time zone data of this process lacks: nothing was taken. Update Node.js, or its ICU data`,
    );
  }
  return { until: number(until), forMs: number(forMs), days: number(days), timeZone: timeZone || null };
}

/** The rules as the campaign hash stores them, without the pace; an absent rule has no field. */
export function rulesToFields(
  rules: CampaignRules,
  leaseMs: number,
  store: string | null = null,
): { name: string; value: string }[] {
  const fields = [
    { name: 'kind', value: rules.kind },
    { name: 'perUser', value: String(rules.perUser) },
    { name: 'leaseMs', value: String(leaseMs) },
  ];
  const add = (name: string, value: string | number | null) => {
    if (value !== null && value !== '') fields.push({ name, value: String(value) });
  };
  add('total', rules.total);
  add('opened', rules.total);
  add('generate', rules.generateCodes ? '1' : null);
  add('opensAt', rules.opensAt);
  add('closesAt', rules.closesAt);
  add('saveMode', rules.saveMode === 'write-behind' ? rules.saveMode : null);
  add('room', rules.room && encodeRoom(rules.room));
  add('validity', rules.validity && encodeValidity(rules.validity));
  add('needs', [...rules.needs].sort().join('+'));
  add('store', store);
  return fields;
}
