// Rounds of load and what is read off them, for the sections whose work is one call after another.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Redis } from 'ioredis';
import { measureCpu } from './support-cpu.js';

/** How often the loop of this process is asked how late it is, ms. */
const LOOP_MS = 1;

/**
 * One round: `inFlight` callers, each asking again as soon as it was answered, for `ms`. `call(n)` answers whether it got what it came for; `finish`
 * is waited for within the measured time. `parts` are those of `measureCpu()`: what each call, or each of the `perCall` in it, takes of them is told.
 */
export async function closedLoop({ call, finish, inFlight, ms, parts = {}, perCall = 1 }) {
  const latencies = [];
  let calls = 0;
  let good = 0;
  let error = null;
  const loop = monitorEventLoopDelay({ resolution: LOOP_MS });
  const cpu = await measureCpu(parts);
  loop.enable();
  const startedAt = performance.now();
  const endsAt = startedAt + ms;
  const caller = async () => {
    for (let now = performance.now(); now < endsAt && !error; ) {
      if (await call(++calls)) good++;
      const answeredAt = performance.now();
      latencies.push(answeredAt - now);
      now = answeredAt;
    }
  };
  try {
    await Promise.all(Array.from({ length: inFlight }, caller));
    await finish?.();
  } catch (thrown) {
    error = thrown;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  loop.disable();
  return {
    calls,
    good,
    error: error && String(error),
    perSecond: calls / seconds,
    ...quantiles(latencies),
    // It tells the time between two looks.
    loopP99: Math.max(0, loop.percentile(99) / 1e6 - LOOP_MS),
    ...(await cpu(calls * perCall)),
  };
}

/**
 * Every contestant once a round, so that a slow minute of the machine hits all alike: a list of rounds for each. Each round begins with another one,
 * or who follows a heavy one would always be the same.
 */
export async function alternate(contestants, rounds, measure) {
  const measured = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const i = (round + turn) % contestants.length;
      measured[i].push(await measure(contestants[i], round));
    }
  }
  return measured;
}

/** The median of each number over the rounds. */
export function medianOf(rounds) {
  const numbers = Object.entries(rounds[0]).filter(([, value]) => typeof value === 'number');
  return Object.fromEntries(numbers.map(([name]) => [name, median(rounds.map((round) => round[name]))]));
}

/** How many times the one is the other: the median over the rounds and how far they lie apart. */
export function ratioOf(ones, others, name) {
  const ratios = ones.map((one, i) => one[name] / others[i][name]);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

/**
 * How far two rounds of the same lie apart, as a factor from 1 on, in three of four rounds: what a median ratio has to exceed to say anything. The largest
 * of all would only tell of the busiest moment of the machine.
 */
export function spreadOf(ones, same, name) {
  const apart = ones.map((one, i) => Math.max(one[name] / same[i][name], same[i][name] / one[name]));
  return apart.sort((a, b) => a - b)[Math.ceil(0.75 * apart.length) - 1];
}

/** Whether a ratio is larger than chance, either way. */
export const exceeds = (ratio, spread) => Math.max(ratio, 1 / ratio) > spread;

export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function quantiles(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** What the server says of itself, on a connection of its own so that it waits for nobody. */
export function watchRedis(port) {
  const client = new Redis(port, '127.0.0.1');
  const number = async (section, name) => Number(new RegExp(`${name}:(\\S+)`).exec(await client.info(section))[1]);
  return {
    client,
    memory: () => number('memory', 'used_memory'),
    /** µs since it started. */
    async cpu() {
      return ((await number('cpu', 'used_cpu_sys')) + (await number('cpu', 'used_cpu_user'))) * 1e6;
    },
    close: () => client.disconnect(),
  };
}

export const whole = (number) => Math.round(number).toLocaleString('en');
export const inMs = (number) => `${number < 10 ? number.toFixed(number < 1 ? 2 : 1) : Math.round(number)} ms`;
export const times = ({ median, min, max }) => `${median.toFixed(2)} × (${min.toFixed(2)}–${max.toFixed(2)})`;

/** What was aimed at and what was seen; `write` puts a number into words. */
export function atLeast(what, aim, value, write) {
  return { what, aim: `≥ ${write(aim)}`, seen: write(value), value, reached: value >= aim };
}

export function atMost(what, aim, value, write) {
  return { what, aim: `≤ ${write(aim)}`, seen: write(value), value, reached: value <= aim };
}

export const inTimes = (number) => `${number.toFixed(2)} ×`;
