import { monotonicMs } from '../flow/deadline.js';
import type { Output } from './output.js';

const DRAWN_EVERY_MS = 100;
const LINE_EVERY_MS = 5_000;
const BAR = 20;

export interface ProgressStep {
  readonly done: number;
  /** Of the whole, 0 to 1; `null` where the whole is not known. */
  readonly part: number | null;
}

/** How far a long piece of work came: a bar on a terminal, otherwise a line every five seconds. */
export class Progress {
  readonly #out: Output;
  readonly #noun: string;
  readonly #startedAt = monotonicMs();
  #first: ProgressStep | null = null;
  #toldAt = Number.NEGATIVE_INFINITY;
  #last: ProgressStep | null = null;

  constructor(out: Output, noun: string) {
    this.#out = out;
    this.#noun = noun;
  }

  at(step: ProgressStep): void {
    this.#first ??= step;
    this.#last = step;
    const now = monotonicMs();
    if (now - this.#toldAt < (this.#out.draws ? DRAWN_EVERY_MS : LINE_EVERY_MS)) return;
    this.#toldAt = now;
    this.#tell(step);
  }

  /** The last step stays. */
  end(): void {
    if (this.#last) this.#tell(this.#last);
    if (this.#last && this.#out.draws) this.#out.note('');
  }

  #tell(step: ProgressStep): void {
    const line = progressLine(this.#noun, step, this.#first!, monotonicMs() - this.#startedAt);
    if (this.#out.draws) this.#out.draw(line.slice(0, this.#out.columns - 1));
    else this.#out.note(line);
  }
}

/** `first`: where this run began. Rate and rest count from there on. */
export function progressLine(noun: string, step: ProgressStep, first: ProgressStep, ms: number): string {
  const { done, part } = step;
  const rate = ms > 0 ? ((done - first.done) * 1_000) / ms : 0;
  const words = [`${done.toLocaleString('en-US')} ${noun}`];
  if (rate >= 1) words.push(`${Math.round(rate).toLocaleString('en-US')}/s`);
  if (part === null) return words.join(' · ');
  const filled = Math.round(part * BAR);
  const came = part - (first.part ?? 0);
  if (came > 0 && part < 1) words.push(`ETA ${timeOf((ms * (1 - part)) / came)}`);
  return `[${'#'.repeat(filled)}${' '.repeat(BAR - filled)}] ${Math.floor(part * 100)}% · ${words.join(' · ')}`;
}

function timeOf(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
