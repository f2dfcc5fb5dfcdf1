import type { ReadCodesOptions } from '../../read-codes/index.js';
import type { RebuildProgress } from '../../recover/rebuild.js';
import type { CliCommand, CommandSession } from '../command.js';
import { DEFINITION, definitionOf } from '../definition.js';
import { codeOf, Interrupted, printable, UsageError } from '../faults.js';
import { fieldsOf } from '../output.js';
import { Progress } from '../progress.js';
import { snapshotLines } from '../show.js';
import { EXIT } from '../world.js';
import { assertCodeFile, CODE_FILE, codeFileOf, countIn, openLists } from './codes.js';

const settle: CliCommand = {
  name: 'settle',
  summary: 'Finish reservations whose lease ran out: of one campaign, or of all.',
  args: ['[campaign]'],
  options: {},
  example: 'settle night',
  effect: 'changes',
  prepare: (input) => {
    const id = input.args.length > 0 ? input.campaign : null;
    return {
      does: id === null ? 'settle every campaign' : `settle campaign ${id}`,
      run: async ({ issuer, out }) => {
        const result = await (id === null ? issuer : issuer.campaign(id)).settle();
        await out.item(id === null ? result : { id, ...result }, () => fieldsOf({ ...result }));
        return undefined;
      },
    };
  },
};

const reconcile: CliCommand = {
  name: 'reconcile',
  summary: 'Compare Redis with the database. Exit code 3 if a difference is left.',
  args: ['campaign'],
  options: { fix: { help: 'make the repairs that are safe' } },
  example: 'reconcile night',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    const repair = input.has('fix') ? ('safe' as const) : undefined;
    return {
      does: repair ? `compare campaign ${id}, and make safe repairs` : `compare campaign ${id}`,
      run: async ({ issuer, out, world: { signal } }) => {
        const progress = new Progress(out, 'rows, grants and units');
        const done = { rows: 0, grants: 0, units: 0 };
        const onProgress = ({ phase, done: count }: { phase: keyof typeof done; done: number }) => {
          done[phase] = count;
          progress.at({ done: done.rows + done.grants + done.units, part: null });
        };
        const report = await stoppable(signal, 'nothing was compared to the end', () =>
          issuer.campaign(id).reconcile({ repair, onProgress, signal }),
        ).finally(() => progress.end());
        await out.item(report, () => String(report).split('\n').map(printable));
        return report.findings.every(({ repaired }) => repaired) ? undefined : EXIT.findings;
      },
    };
  },
};

const rebuild: CliCommand = {
  name: 'rebuild',
  summary:
    "Make a campaign's state in Redis again from the rows of the database, under the definition it was opened with.",
  args: ['campaign'],
  options: {
    ...DEFINITION,
    'code-list': { value: 'FILE', help: 'stock codes: every code that may be given out, of every load', many: true },
    paused: { help: 'pause it, so that nobody is served before resume' },
    ...CODE_FILE,
  },
  example: 'rebuild night --codes --code-list codes.txt --yes',
  effect: 'final',
  prepare: (input) => {
    const { campaign: id } = input;
    const definition = definitionOf(input);
    const files = input.texts('code-list');
    if ((definition.stock.kind === 'codes') !== files.length > 0) {
      throw new UsageError('--code-list is for a pool of codes, and a pool needs it');
    }
    const options = codeFileOf(input);
    for (const file of files) assertCodeFile(input, file);
    const does = `make the state of campaign ${id} again, which serves nobody meanwhile`;
    return {
      does,
      rehearse: async (at) => (files.length > 0 ? `${does}, with ${await countIn(at, files, options)}` : does),
      run: (session) => rebuildNow(session, { id, definition, files, options, paused: input.has('paused') }),
    };
  },
};

interface Rebuild {
  readonly id: string;
  readonly definition: ReturnType<typeof definitionOf>;
  readonly files: readonly string[];
  readonly options: ReadCodesOptions;
  readonly paused: boolean;
}

async function rebuildNow(session: CommandSession, of: Rebuild): Promise<number | undefined> {
  const { issuer, out, world } = session;
  const { signal } = world;
  const { id, definition, files, paused } = of;
  const { asTheyAre } = of.options;
  // A line that is no code must not be found when the rebuild is half done.
  if (!files.includes('-')) await countIn(session, files, of.options);
  const past = await pastOf(session, id);
  const isOver = past instanceof Date;
  if (isOver && !(await isSureOf(session, id, past))) return EXIT.usage;
  // Lists overlap, and repeat codes.
  const listed = new Set<string>();
  let wasRead = false;
  const lists = async function* () {
    yield* openLists(session, files, of.options, (code) => listed.add(code));
    wasRead = true;
  };
  const codes = files.length > 0 ? lists() : undefined;
  const progress = new Progress(out, 'rows and codes');
  const done = { reservations: 0, rows: 0, codes: 0 };
  const onProgress = ({ phase, done: count }: RebuildProgress) => {
    done[phase] = Math.max(done[phase], count);
    progress.at({ done: done.rows + done.codes, part: null });
  };
  const { campaign, rows, lost } = await stoppable(signal, 'run the same command again, which goes on there', () =>
    issuer.campaign(id).rebuild(definition, { codes, asTheyAre, paused, onProgress, signal }),
  ).finally(() => progress.end());
  await out.item({ rows, lost, ...campaign }, () => [
    ...fieldsOf({ 'rows written': rows, lost: lost.length }),
    ...snapshotLines(campaign, out),
  ]);
  // A run that goes on behind the codes reads no list to its end. An empty list is read, and has no code of a user.
  const strange = wasRead ? (campaign.total ?? 0) - listed.size : 0;
  if (strange > 0) {
    const found = `${strange} codes that users have, or that a rebuild withdrew, are not on the list`;
    out.note(`${found}: is it the list of this campaign?`);
  }
  const isNew = past === 'unknown' && rows === 0;
  if (isNew) out.note(`neither Redis nor the database had anything of campaign ${id}: is the id right?`);
  return lost.length > 0 || strange > 0 || isOver || isNew ? EXIT.findings : undefined;
}

/** A campaign that is over serves again after a rebuild. */
async function isSureOf({ out, isSure }: CommandSession, id: string, closedAt: Date): Promise<boolean> {
  const warning = `campaign ${id} is over: it was closed at ${closedAt.toISOString()}. A rebuild lets it serve again`;
  const goesOn = await isSure(`${warning}. Go on?`);
  out.note(goesOn ? warning : 'nothing was done');
  return goesOn;
}

/** The close of a campaign that is over; `unknown` for one that Redis never had, or forgot; `null` for any other. */
async function pastOf({ issuer }: CommandSession, id: string): Promise<Date | 'unknown' | null> {
  try {
    await issuer.campaign(id).inspect();
    return null;
  } catch (error) {
    // A rebuild is the cure of many faults of this look, and tells the others itself.
    const code = codeOf(error);
    const { closedAt } = error as { closedAt?: unknown };
    if (code === 'CAMPAIGN_CONFLICT' && closedAt instanceof Date) return closedAt;
    return code === 'UNKNOWN_CAMPAIGN' ? 'unknown' : null;
  }
}

/** Work that a signal ends between two steps. */
async function stoppable<T>(signal: AbortSignal, left: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw signal.aborted ? new Interrupted(`stopped by a signal: ${left}`) : error;
  }
}

export const RECOVER: readonly CliCommand[] = [settle, reconcile, rebuild];
