import { assertBoolean, assertOnlyKeys, assertText } from '../model/check.js';
import type { LoadResult } from '../operate/load-codes.js';
import { type ReadCodesOptions, readCodes } from '../read-codes/index.js';
import { HttpProblem, type RouteAnswer } from '../web/answer.js';
import type { GivenBody } from '../web/body.js';
import { linesOf } from './lines.js';
import type { ShownIssuer } from './options.js';
import { Upload } from './upload.js';

/** The first line of an import. The file of codes follows it. */
interface ImportHead extends ReadCodesOptions {
  readonly campaignId: string;
  readonly loadId: string;
  /** Only reads the file. */
  readonly check?: boolean;
}

const FILE = ['column', 'header', 'delimiter', 'asTheyAre'] as const;

/** The parts of the dashboard that an import needs. */
interface ImportDesk {
  readonly issuer: ShownIssuer;
  readonly signal: AbortSignal;
  /** Tells that an import ended. */
  readonly tell: (campaignId: string, done: boolean) => void;
  /** The words for an operator. */
  readonly wordsOf: (error: unknown) => string;
}

/**
 * Loads the codes of a file, or only reads it. The answer is lines of JSON with `{ report }` or `{ fault }` at the end,
 * and no code. A stopped import goes on under its load id. Throws `HttpProblem` and `InvalidArgumentError` before any
 * I/O.
 */
export async function importing(body: GivenBody, { issuer, signal, tell, wordsOf }: ImportDesk): Promise<RouteAnswer> {
  if (body === null || 'parsed' in body) throw new HttpProblem(400, 'the body must be a line of JSON, and a file');
  const upload = new Upload(body);
  const { campaignId, loadId, check, ...options } = await headOf(upload);
  const campaign = issuer.campaign(campaignId);
  const codes = readCodes(upload.file(), options);
  const run = async (onProgress: (progress: Pick<LoadResult, 'read'>) => void, stop: AbortSignal) => {
    if (check) return { read: await countOf(codes, onProgress) };
    const { asTheyAre } = options;
    return campaign.loadCodes(codes, { loadId, asTheyAre, signal: stop, onProgress });
  };
  return linesOf(async (send, stop) => {
    let done = false;
    try {
      const report = await run(({ read }) => send({ read, bytes: upload.bytes }), stop);
      done = true;
      return { report };
    } catch (error) {
      await upload.drain();
      // Nobody hears the words for a browser that left, and leaving is no fault of the server.
      return { fault: stop.aborted ? 'stopped' : wordsOf(error) };
    } finally {
      if (!check) tell(campaignId, done);
    }
  }, signal);
}

async function headOf(upload: Upload): Promise<ImportHead> {
  const head = (await upload.head()) as unknown as ImportHead;
  assertOnlyKeys('the first line of the body', head, ['campaignId', 'loadId', 'check', ...FILE]);
  assertText('loadId', head.loadId);
  assertBoolean('check', head.check);
  return head;
}

const STEP = 10_000;

async function countOf(
  codes: AsyncIterable<string>,
  onProgress: (progress: Pick<LoadResult, 'read'>) => void,
): Promise<number> {
  let read = 0;
  for await (const _ of codes) if (++read % STEP === 0) onProgress({ read });
  return read;
}
