import { createInterface, type Interface } from 'node:readline';
import { onAbort } from '../flow/abort-group.js';
import { Interrupted, type Secrets, UsageError } from './faults.js';
import type { Output } from './output.js';
import type { CliWorld } from './world.js';

/** Lines of stdin: codes, and answers to questions. Nothing is read before the first one is needed. */
export class StdinLines {
  readonly #world: CliWorld;
  readonly #out: Output;
  readonly #secrets: Secrets;
  #reader: Interface | null = null;
  #lines: AsyncIterator<string> | null = null;

  constructor(world: CliWorld, out: Output, secrets: Secrets) {
    this.#world = world;
    this.#out = out;
    this.#secrets = secrets;
  }

  get isTerminal(): boolean {
    return this.#world.stdin.isTTY === true;
  }

  /** A line that no error shows from then on. Throws `UsageError` at the end of stdin. */
  async secret(name: string): Promise<string> {
    const line = await this.#ask(`${name}: `);
    if (!line) throw new UsageError(`stdin has no line for ${name}`);
    this.#secrets.add(line);
    return line;
  }

  async isYes(question: string): Promise<boolean> {
    return /^y(es)?$/i.test(((await this.#ask(`${question} [y/N] `)) ?? '').trim());
  }

  close(): void {
    this.#reader?.close();
  }

  async #ask(prompt: string): Promise<string | null> {
    const { stdin, stderr, signal } = this.#world;
    if (this.isTerminal) stderr.write(prompt, () => {});
    this.#reader ??= createInterface({ input: stdin, terminal: false });
    this.#lines ??= this.#reader[Symbol.asyncIterator]();
    const next = this.#lines.next();
    const { done, value } = await new Promise<IteratorResult<string>>((resolve, reject) => {
      const forget = onAbort(signal, () => reject(new Interrupted('stopped before anything was done')));
      next.then(resolve, reject).finally(forget);
    });
    if (this.isTerminal && done) this.#out.note('');
    return done ? null : value;
  }
}
