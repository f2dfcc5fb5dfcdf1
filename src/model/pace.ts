import { ownCopy } from './check.js';
import { InvalidArgumentError } from './errors.js';
import { checkedWaves, type Wave, type WaveTimes } from './waves.js';

/**
 * How fast the workers of a campaign go, all of them together. `null`: no cap. `admit()` and `settle()` keep to no
 * pace.
 */
export interface Pace {
  /** At most this many reservations are claimed and saved per second. */
  readonly savesPerSecond: number | null;
  /** Of a waiting room: at most this many users are admitted per second; 0 admits nobody. */
  readonly admitPerSecond: number | null;
  /** Of a waiting room: how many users are admitted at which instant. */
  readonly waves: readonly Wave[] | null;
}

/** A change of the pace. An absent field stays as it is; `null` removes the cap. */
export interface PaceChange {
  /**
   * Reservations per second: more than 0, up to 1,000,000; 100 a minute is `100 / 60`. In any T seconds at most T + 0.1
   * times as many, and at least one. A new campaign has no cap.
   */
  readonly savesPerSecond?: number | null | undefined;
  /**
   * Users per second, of a campaign with a waiting room: 0–1,000,000; 0 admits nobody. Without it, workers admit as
   * fast as saves complete.
   */
  readonly admitPerSecond?: number | null | undefined;
  /**
   * 1–1,000 waves, of a campaign with a waiting room. `admitPerSecond` holds within a wave too. A new campaign has no
   * waves.
   */
  readonly waves?: readonly Wave[] | null | undefined;
}

/** A field of the pace as Redis keeps it; an empty value removes it. */
export interface PaceField {
  readonly name: keyof Pace;
  readonly value: string;
}

const MOST_PER_SECOND = 1_000_000;

/** The fields that a change names. `prefix`: in front of their names in errors. Throws `InvalidArgumentError`. */
export function checkedPace(given: PaceChange, name = 'the argument of setPace()', prefix = ''): PaceField[] {
  const { savesPerSecond, admitPerSecond, waves } = ownCopy(name, given, ['savesPerSecond', 'admitPerSecond', 'waves']);
  const fields: PaceField[] = [];
  if (savesPerSecond !== undefined) {
    if (savesPerSecond !== null && (!isRate(savesPerSecond) || savesPerSecond === 0)) {
      throw new InvalidArgumentError(
        `${prefix}savesPerSecond must be a number above 0, at most ${MOST_PER_SECOND}, or null for no cap`,
      );
    }
    fields.push({ name: 'savesPerSecond', value: textOf(savesPerSecond) });
  }
  if (admitPerSecond !== undefined) {
    if (admitPerSecond !== null && !isRate(admitPerSecond)) {
      throw new InvalidArgumentError(
        `${prefix}admitPerSecond must be a number from 0 to ${MOST_PER_SECOND}, or null for no cap`,
      );
    }
    fields.push({ name: 'admitPerSecond', value: textOf(admitPerSecond) });
  }
  if (waves !== undefined) {
    fields.push({ name: 'waves', value: waves === null ? '' : encodeWaves(checkedWaves(waves, `${prefix}waves`)) });
  }
  return fields;
}

/** The pace as Redis keeps it; an absent or empty field is no cap. */
export function decodePace(of: (name: keyof Pace) => string | undefined): Pace {
  const rate = (text: string | undefined) => (text ? Number(text) : null);
  const waves = of('waves');
  return {
    savesPerSecond: rate(of('savesPerSecond')),
    admitPerSecond: rate(of('admitPerSecond')),
    waves: waves ? waves.split(' ').map(decodeWave) : null,
  };
}

function isRate(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= MOST_PER_SECOND;
}

function textOf(rate: number | null): string {
  return rate === null ? '' : String(rate);
}

function encodeWaves(waves: readonly WaveTimes[]): string {
  return waves.map(({ fromMs, everyMs, count }) => `${fromMs}:${everyMs}:${count}`).join(' ');
}

function decodeWave(text: string): Wave {
  const [fromMs, everyMs, count] = text.split(':').map(Number) as [number, number, number];
  const from = new Date(fromMs);
  return everyMs === 0 ? { at: from, count } : { from, every: everyMs === 3_600_000 ? 'hour' : 'day', count };
}
