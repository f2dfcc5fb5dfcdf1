import { sleep } from '../../flow/deadline.js';
import type { CampaignSnapshot } from '../../model/campaign-rules.js';
import type { ListedCampaign } from '../../operate/list-campaigns.js';
import type { CliCommand, CommandSession } from '../command.js';
import { codeOf, UsageError } from '../faults.js';
import { tableOf } from '../output.js';
import { LIST_HEADS, listRow, snapshotLines, tickLine } from '../show.js';

const LONGEST_INTERVAL_MS = 3_600_000;

const ls: CliCommand = {
  name: 'ls',
  summary: 'List the campaigns.',
  args: [],
  options: {},
  example: 'ls --json',
  effect: 'reads',
  prepare: () => ({
    run: async ({ issuer, out }) => {
      const found: ListedCampaign[] = [];
      for await (const campaign of issuer.campaigns()) {
        if (out.json) await out.item(shown(campaign), () => []);
        else found.push(campaign);
      }
      if (out.json) return;
      if (found.length === 0)
        return void out.note('Redis has no campaign: none was opened under this prefix, or Redis lost them');
      const rows = found.sort((a, b) => (a.id < b.id ? -1 : 1)).map(listRow);
      await out.text(`${tableOf(LIST_HEADS, rows).join('\n')}\n`);
    },
  }),
};

/** An error has no fields of its own in JSON. */
function shown(campaign: ListedCampaign): object {
  return campaign.state === 'unreadable' ? { ...campaign, error: campaign.error.message } : campaign;
}

const inspect: CliCommand = {
  name: 'inspect',
  summary: 'Show a campaign as it is now.',
  args: ['campaign'],
  options: {
    follow: { help: 'show it again and again, until a signal' },
    interval: { value: 'TIME', help: 'with --follow: between two looks; default 1s' },
  },
  example: 'inspect night --follow --interval 5s',
  effect: 'reads',
  prepare: (input) => {
    const { campaign: id } = input;
    const everyMs = input.duration('interval') ?? 1_000;
    if (everyMs < 1 || everyMs > LONGEST_INTERVAL_MS) throw new UsageError('--interval must be from 1ms to 1h');
    if (input.has('interval') && !input.has('follow')) throw new UsageError('--interval is for --follow');
    return {
      run: async (session) => {
        if (input.has('follow')) return follow(session, id, everyMs);
        const campaign = await session.issuer.campaign(id).inspect();
        await session.out.item(campaign, () => snapshotLines(campaign, session.out));
        return undefined;
      },
    };
  },
};

/**
 * On a terminal the campaign is drawn in its place again; otherwise each look is a line. A signal is its usual end. A
 * Redis that goes away meanwhile ends nothing: that is the hour to look on.
 */
async function follow(session: CommandSession, id: string, everyMs: number): Promise<undefined> {
  const { issuer, out, errorLine } = session;
  const { signal } = session.world;
  let drawn: number | null = null;
  while (!signal.aborted) {
    try {
      const campaign = await issuer.campaign(id).inspect();
      drawn = await showAgain(session, campaign, drawn ?? 0);
    } catch (error) {
      const mayPass = ['REDIS', 'NOT_READY'].includes(codeOf(error) ?? '');
      if (drawn === null || !mayPass) throw error;
      out.note(errorLine(error));
      drawn = 0;
    }
    await sleep(everyMs, signal).catch(() => {});
  }
  return undefined;
}

/** Returns how many lines are to be drawn over the next time. */
async function showAgain({ out }: CommandSession, campaign: CampaignSnapshot, drawn: number): Promise<number> {
  const at = new Date();
  if (out.json || !out.isRead) {
    await out.item({ at, ...campaign }, () => [tickLine(campaign, at)]);
    return 0;
  }
  const lines = snapshotLines(campaign, out);
  await out.text(`${drawn > 0 ? `\u001B[${drawn}A\u001B[J` : ''}${lines.join('\n')}\n`);
  return lines.length;
}

export const LOOK: readonly CliCommand[] = [ls, inspect];
