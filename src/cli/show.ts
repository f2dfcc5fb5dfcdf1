import type { CampaignSnapshot } from '../model/campaign-rules.js';
import type { ListedCampaign } from '../operate/list-campaigns.js';
import { fieldsOf, type Output } from './output.js';

/** A campaign for a person. Rules that it does not have are left out. */
export function snapshotLines(campaign: CampaignSnapshot, out: Output): string[] {
  const { pace, validity, room } = campaign;
  const or = <T>(value: T | null | false) => (value === null || value === false ? undefined : value);
  const lines = fieldsOf({
    campaign: campaign.id,
    state: campaign.ready ? campaign.state : `${campaign.state}, not ready`,
    stock: campaign.generateCodes ? `${campaign.stock}, with codes` : campaign.stock,
    total: or(campaign.total),
    available: or(campaign.available),
    reserved: campaign.reserved,
    issued: campaign.issued,
    backlog: campaign.backlog || undefined,
    'oldest ms': or(campaign.oldestMs),
    quarantined: campaign.quarantined || undefined,
    revoked: campaign.revoked || undefined,
    withdrawn: campaign.withdrawn || undefined,
    replaced: campaign.replaced || undefined,
    waiting: room ? campaign.waiting : undefined,
    'per user': campaign.perUser,
    'opens at': or(campaign.opensAt),
    'closes at': or(campaign.closesAt),
    'closed at': or(campaign.closedAt),
    'valid until': or(validity?.until ?? null),
    'valid for ms': or(validity?.forMs ?? null),
    'valid days': or(validity?.days ?? null),
    'time zone': or(validity?.timeZone ?? null),
    'save mode': campaign.saveMode,
    'saves per second': or(pace.savesPerSecond),
    'admits per second': or(pace.admitPerSecond),
    waves: pace.waves?.length,
    needs: campaign.needs.join(' and ') || 'nothing',
  });
  const [id, state, ...rest] = lines as [string, string, ...string[]];
  return [id, out.style(campaign.state === 'open' && campaign.ready ? 'green' : 'yellow', state), ...rest];
}

export const LIST_HEADS = ['CAMPAIGN', 'STATE', 'STOCK', 'TOTAL', 'AVAILABLE', 'RESERVED', 'ISSUED', 'WAITING'];

export function listRow(campaign: ListedCampaign): unknown[] {
  const { id, state } = campaign;
  if (!campaign.ready) return [id, state, null, null, null, null, null, null];
  const { stock, total, available, reserved, issued, waiting } = campaign;
  return [id, state, stock, total, available, reserved, issued, waiting];
}

/** The numbers that move during a sale, in one line. */
export function tickLine(campaign: CampaignSnapshot, at: Date): string {
  const { state, ready, available, reserved, issued, waiting, room } = campaign;
  const numbers = { available, reserved, issued, ...(room ? { waiting } : {}) };
  const words = Object.entries(numbers).map(([name, value]) => `${name}=${value ?? '-'}`);
  return [at.toISOString(), ready ? state : `${state}, not ready`, ...words].join(' ');
}
