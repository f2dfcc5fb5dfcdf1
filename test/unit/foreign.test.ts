import { createContext, runInContext } from 'node:vm';
import { expect, test } from 'vitest';
import { httpStatus, NotSavedError } from '../../src/index.js';
import { assertSignal } from '../../src/model/check.js';
import { isNotDelivered, isNotSaved } from '../../src/model/errors.js';
import { safeEmit } from '../../src/model/events.js';
import { isAbortSignal, isError } from '../../src/model/foreign.js';
import { instantMs } from '../../src/model/instants.js';
import { ownRow } from '../../src/model/issuance.js';
import { kindOf, redacted } from '../../src/model/safe-error.js';
import { ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { anIssuance, settled } from './support.js';

/** Another realm, as Jest and jsdom make one: its `Error`, `Date` and `Promise` are not ours. */
const realm = createContext({});
const foreign = (source: string): unknown => runInContext(source, realm);

/** An error that throws at every touch. */
function untouchable(): unknown {
  const touch = () => {
    throw new Error('touched');
  };
  return new Proxy(new Error('x'), { get: touch, getPrototypeOf: touch, has: touch, ownKeys: touch });
}

test('the realm is another one', () => {
  expect(foreign('new Error()')).not.toBeInstanceOf(Error);
  expect(foreign('new Date()')).not.toBeInstanceOf(Date);
});

test('an error of another realm counts by its name', () => {
  const named = (name: string) => foreign(`Object.assign(new Error('no'), { name: '${name}' })`);
  expect(isNotSaved(named('NotSavedError'))).toBe(true);
  expect(isNotDelivered(named('NotDeliveredError'))).toBe(true);
  expect(isNotSaved(named('Error'))).toBe(false);
  expect(isNotDelivered(named('NotSavedError'))).toBe(false);
});

test('an error of another realm is told with its name, code and message', () => {
  const error = foreign(`Object.assign(new TypeError('no row SECRET'), { code: 'ECONNRESET' })`);
  expect(redacted(error, ['SECRET'])).toMatchObject({
    ...{ name: 'TypeError', code: 'ECONNRESET', message: 'no row [redacted]' },
  });
  expect(kindOf(error)).toMatchObject({ name: 'TypeError', code: 'ECONNRESET' });
});

test('the kind of an error keeps the name of a certificate that is not trusted, and no code that only begins like it', () => {
  const kind = (code: string) => kindOf(Object.assign(new Error('no'), { code }));
  expect(kind('UNABLE_TO_GET_ISSUER_CERT_LOCALLY')).toMatchObject({ code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' });
  expect(kind('UNABLE_TO_GET_ISSUER_CERT_OF_KIM')).not.toHaveProperty('code');
});

test('an error of this library in another realm has its HTTP status', () => {
  expect(httpStatus(foreign(`Object.assign(new Error('full'), { name: 'OverloadedError', code: 'OVERLOADED' })`))).toBe(
    503,
  );
});

test('a proxy of an error counts as the error', () => {
  expect(isNotSaved(new Proxy(new NotSavedError('no'), {}))).toBe(true);
  expect(redacted(new Proxy(new Error('no'), {})).message).toBe('no');
});

test('an error that throws at every touch proves nothing and harms nothing', () => {
  const { proxy: revoked, revoke } = Proxy.revocable(new NotSavedError('no'), {});
  revoke();
  for (const error of [untouchable(), revoked]) {
    expect(isError(error)).toBe(false);
    expect(isNotSaved(error)).toBe(false);
    expect(isNotDelivered(error)).toBe(false);
    expect(redacted(error).message).toBe('something that is not an Error was thrown');
    expect(kindOf(error).name).toBe('Error');
  }
});

test('an error whose promise cannot be read proves nothing', () => {
  const error = new NotSavedError('no');
  Object.defineProperty(error, 'wholeBatch', {
    get() {
      throw new Error('touched');
    },
  });
  expect(isNotSaved(error)).toBe(false);
});

test.each([undefined, null, 'NotSavedError', 42, { name: 'NotSavedError' }, { name: 'NotSavedError', message: 'no' }])(
  'what is no error is none: %j',
  (value) => {
    expect(isError(value)).toBe(false);
    expect(isNotSaved(value)).toBe(false);
  },
);

test('a script that Redis forgot is sent whole, whatever realm the client lives in', async () => {
  const client = {
    evalsha: async () => {
      throw foreign(`new Error('NOSCRIPT No matching script')`);
    },
    eval: async () => ['done'],
  };
  const call = { keys: { registry: 'coupon:registry' }, args: { campaignId: 'launch' } };
  expect(await new ScriptRunner(client).run(scripts.registerCampaign, call, 1_000)).toEqual(['done']);
});

test('a date of another realm is a date, in an argument and in a row', () => {
  const date = foreign('new Date(1700000000000)') as Date;
  expect(ownRow(anIssuance(1, { issuedAt: date }))?.issuedAt).toEqual(new Date(1_700_000_000_000));
  expect(instantMs('opensAt', date)).toBe(1_700_000_000_000);
  expect(() => instantMs('opensAt', foreign('new Date(NaN)'))).toThrow('opensAt must be a valid Date');
  expect(ownRow(anIssuance(1, { issuedAt: foreign('new Date(NaN)') as Date }))).toBe(null);
});

test('a signal counts by what it can do', () => {
  const { signal } = new AbortController();
  const ofAnotherRealm = {
    aborted: false,
    addEventListener: signal.addEventListener.bind(signal),
    removeEventListener: signal.removeEventListener.bind(signal),
    throwIfAborted: signal.throwIfAborted.bind(signal),
  };
  expect(isAbortSignal(ofAnotherRealm)).toBe(true);
  expect(() => assertSignal(signal)).not.toThrow();
  for (const value of [null, {}, new AbortController(), { aborted: false }, 'aborted'])
    expect(() => assertSignal(value)).toThrow('signal must be an AbortSignal');
});

test('an observer that rejects in another realm leaves no unhandled rejection', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  const observer = foreign(`(async () => { throw new Error('the logger is down'); })`) as () => void;
  safeEmit(observer)({ type: 'exhausted', campaignId: 'launch' });
  await settled();
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});
