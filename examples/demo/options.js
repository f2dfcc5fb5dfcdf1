import { randomInt } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Problem, reasonOf } from './problem.js';

export const HELP = `Usage: npm run demo -- [options]

Without options: 1,000 codes, 1,500 buyers at once, an external API that fails 10 % of the time,
on an in-process Redis (ioredis-mock) and an embedded PostgreSQL (PGlite).

  --redis URL          a real Redis, redis://… or rediss://…
  --postgres URL       a real PostgreSQL, postgres://…; uses the table coupon_demo
  --codes FILE         your own list of codes, one a line
  --total N            how many codes to generate (1000)
  --buyers N           how many buyers (half as many again as codes)
  --failure-rate RATE  how often the external API fails, 0 to 1 (0.1)
  --seed N             which of its calls fail (random, and printed)
  --help               this text

npm prints the command it runs; with a password in a URL, say npm run --silent demo.
Exit code: 0 every invariant holds, 1 one is violated, 2 the demo could not run.
`;

const FLAGS = {
  redis: { type: 'string' },
  postgres: { type: 'string' },
  codes: { type: 'string' },
  total: { type: 'string' },
  buyers: { type: 'string' },
  'failure-rate': { type: 'string' },
  seed: { type: 'string' },
  help: { type: 'boolean' },
};
const MAX = 1_000_000;

export async function readOptions(args) {
  const given = parse(args);
  if (given.help) return { help: true };
  if (given.codes !== undefined && given.total !== undefined) {
    throw new Problem('--total says how many codes to generate, so it does not go with --codes');
  }
  if (given.codes !== undefined) await assertFile(given.codes);
  return {
    redisUrl: urlOf('--redis', given.redis, ['redis:', 'rediss:']),
    postgresUrl: urlOf('--postgres', given.postgres, ['postgres:', 'postgresql:']),
    codesFile: given.codes,
    total: integerOf('--total', given.total, { min: 1, max: MAX }) ?? 1000,
    buyers: integerOf('--buyers', given.buyers, { min: 1, max: MAX }),
    failureRate: rateOf('--failure-rate', given['failure-rate']) ?? 0.1,
    seed: integerOf('--seed', given.seed, { min: 0, max: 2 ** 32 - 1 }) ?? randomInt(2 ** 32),
  };
}

function parse(args) {
  try {
    return parseArgs({ args, options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    // What was typed may be a connection string, so only the name of a flag is repeated.
    if (error.code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL')
      throw new Problem('every value needs its flag; try --help');
    throw new Problem(`${reasonOf({ message: error.message.split('. ')[0] })}; try --help`);
  }
}

function integerOf(flag, text, { min, max }) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value;
  throw new Problem(`${flag} must be a whole number from ${min} to ${max}`);
}

function rateOf(flag, text) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d*\.?\d+$/.test(text) && value <= 1) return value;
  throw new Problem(`${flag} must be a number from 0 to 1`);
}

function urlOf(flag, text, protocols) {
  if (text === undefined) return undefined;
  if (URL.canParse(text) && protocols.includes(new URL(text).protocol) && new URL(text).hostname) return text;
  throw new Problem(`${flag} must be a URL that begins with ${protocols[0]}// and names a host`);
}

async function assertFile(file) {
  const found = await stat(file).catch((error) => {
    throw new Problem(`cannot read ${file}: ${reasonOf(error)}`);
  });
  if (!found.isFile()) throw new Problem(`cannot read ${file}: it is not a file`);
}
