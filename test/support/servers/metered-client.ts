import type { Redis } from 'ioredis';
import type { RedisClient } from '../../../src/index.js';
import { scripts } from '../../../src/redis/scripts.js';
import { shaOf, sourceOf } from './sent.js';

const BY_SHA = new Map(Object.values(scripts).map((script) => [shaOf(script), script]));
const BY_SOURCE = new Map(Object.values(scripts).map((script) => [sourceOf(script), script]));

/**
 * Counts what a script touches: each command as one, each argument, each value of its answer, and what the answer does not show (the elements that a
 * trim removes, the elements that an offset passes over). A clock would measure the machine too; this count is the same on each one.
 */
const COUNTED = (source: string) => `
local real, touched = redis, 0
local function values(answer)
  if type(answer) ~= 'table' then return 1 end
  local count = 0
  for _, value in ipairs(answer) do count = count + values(value) end
  return count
end
local function passedOver(command, key, first, ...)
  local options = { first, ... }
  if command == 'LRANGE' or command == 'LINDEX' then
    local from = tonumber(first)
    -- A list is a chain of blocks of 8 kB, some 250 codes or more, which are passed over one by one.
    return math.ceil(math.abs(from) / 250)
  end
  for i, option in ipairs(options) do
    if option == 'LIMIT' then return tonumber(options[i + 1]) end
  end
  return 0
end
local redis = { call = function(command, ...)
  local key = ...
  local before = command == 'LTRIM' and real.call('LLEN', key)
  local answer = real.call(command, ...)
  touched = touched + 1 + select('#', ...) + values(answer) + passedOver(command, ...)
  if before then touched = touched + before - real.call('LLEN', key) end
  if command == 'ZREMRANGEBYRANK' or command == 'ZREMRANGEBYSCORE' then touched = touched + answer end
  return answer
end }
local function script()
${source}
end
local reply = script()
return { reply, touched, #reply }`;

/** The most that one call of a script touched and answered. */
export interface Most {
  readonly script: string;
  readonly touched: number;
  readonly answered: number;
}

/** A client that runs each script with a counter in it. */
export class MeteredClient implements RedisClient {
  readonly #most = new Map<string, Most>();
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** The most that one call of each script touched, the greediest script first. */
  get most(): Most[] {
    return [...this.#most.values()].sort((a, b) => b.touched - a.touched);
  }

  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown> {
    return this.#metered(BY_SHA.get(sha1)!, numberOfKeys, args);
  }

  eval(source: string, numberOfKeys: number, ...args: string[]): Promise<unknown> {
    return this.#metered(BY_SOURCE.get(source)!, numberOfKeys, args);
  }

  async #metered(script: (typeof scripts)[keyof typeof scripts], numberOfKeys: number, args: string[]) {
    const { name } = script;
    const [reply, touched, answered] = (await this.#redis.eval(COUNTED(sourceOf(script)), numberOfKeys, ...args)) as [
      unknown,
      number,
      number,
    ];
    const most = this.#most.get(name) ?? { touched: 0, answered: 0 };
    this.#most.set(name, {
      script: name,
      touched: Math.max(most.touched, touched),
      answered: Math.max(most.answered, answered),
    });
    return reply;
  }
}
