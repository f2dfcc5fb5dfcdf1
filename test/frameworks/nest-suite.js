// The tests of `coupon-issuer/nestjs` on one release of Nest and one HTTP platform. It imports neither, so that each release runs it with its own packages.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:http';

const TEN = { stock: { kind: 'counted', total: 10 } };
const PLATFORM_HEADERS = ['content-type', 'cache-control', 'retry-after'];

/** Decorators are functions: plain JavaScript calls them. */
function decorateMethod(target, name, decorators, parameters = []) {
  for (const decorator of decorators)
    decorator(target.prototype, name, Object.getOwnPropertyDescriptor(target.prototype, name));
  for (const [i, decorator] of parameters.entries()) decorator(target.prototype, name, i);
}

export function nestSuite(test, { common, core, adapter, coupons, nestjs, Redis }) {
  const { CouponIssuer, MemoryPersistence, SERVER_SENT_EVENTS_HEADERS, serverSentEvents, shownChange } = coupons;
  const { CouponIssuerModule, CouponIssuerFilter, CouponIssuerHealth, CouponIssuerInterceptor } = nestjs;
  const { InjectIssuer, InjectCampaign, getIssuerToken, getCampaignToken } = nestjs;

  const optionsOf = () => ({ redis: new Redis(), persistence: new MemoryPersistence(), prefix: randomUUID() });

  class Shop {
    constructor(issuer, launch, health) {
      Object.assign(this, { issuer, launch, health });
    }
    issue(userId) {
      return this.launch.issue({ userId });
    }
    other(id) {
      return this.issuer.campaign(id).issue({ userId: 'ann' });
    }
    order() {
      return { status: 'shipped', total: 3 };
    }
    broken() {
      throw new Error('the password is hunter2');
    }
    events(userId) {
      const stream = serverSentEvents(this.launch.watch({ userId }), { data: shownChange });
      return new common.StreamableFile(stream, { type: 'text/event-stream; charset=utf-8' });
    }
    ready() {
      return this.health.check('coupons');
    }
  }
  common.Controller('shop')(Shop);
  InjectIssuer()(Shop, undefined, 0);
  InjectCampaign('launch')(Shop, undefined, 1);
  common.Inject(CouponIssuerHealth)(Shop, undefined, 2);
  const answered = common.UseInterceptors(CouponIssuerInterceptor);
  decorateMethod(Shop, 'issue', [answered, common.Post('issue/:userId')], [common.Param('userId')]);
  decorateMethod(Shop, 'other', [answered, common.Post('other/:id')], [common.Param('id')]);
  decorateMethod(Shop, 'order', [answered, common.Get('order')]);
  decorateMethod(Shop, 'broken', [answered, common.Get('broken')]);
  const streamed = Object.entries(SERVER_SENT_EVENTS_HEADERS).map(([name, value]) => common.Header(name, value));
  decorateMethod(Shop, 'events', [...streamed, common.Get('events/:userId')], [common.Param('userId')]);
  decorateMethod(Shop, 'ready', [common.Get('ready')]);

  const silent = { log() {}, warn() {}, error() {}, debug() {}, verbose() {}, fatal() {} };
  /** An application that listens, with further providers. */
  async function listening(coupon, { before = [], providers = [], controllers = [Shop], logger = silent } = {}) {
    class App {}
    const filter = { provide: core.APP_FILTER, useClass: CouponIssuerFilter };
    common.Module({ imports: [coupon].flat(), controllers, providers: [...before, filter, ...providers] })(App);
    const app = await core.NestFactory.create(App, adapter(), { logger, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    return { app, url: `http://127.0.0.1:${app.getHttpServer().address().port}/shop` };
  }

  async function call(method, url) {
    const response = await fetch(url, { method });
    const headers = PLATFORM_HEADERS.map((name) => response.headers.get(name));
    return { status: response.status, headers, body: await response.json() };
  }

  test('ten of twelve buyers get a coupon, and two the problem details of sold_out', async () => {
    const { app, url } = await listening(
      CouponIssuerModule.forRoot({ issuer: optionsOf(), worker: false, campaigns: ['launch'] }),
    );
    await app.get(getCampaignToken('launch')).open(TEN);
    const buyers = Array.from({ length: 12 }, (_, i) => call('POST', `${url}/issue/u${i}`));
    const answers = await Promise.all(buyers);
    const issued = answers.filter(({ status }) => status === 201);
    assert.equal(issued.length, 10);
    assert.equal(new Set(issued.map(({ body }) => body.coupon.serial)).size, 10);
    const [soldOut] = answers.filter(({ status }) => status === 409);
    assert.match(soldOut.headers[0], /^application\/problem\+json/);
    assert.deepEqual([soldOut.headers[1], soldOut.body.type], ['no-store', '/problems/sold_out']);
    const [first] = issued;
    assert.deepEqual(Object.keys(first.body.coupon).sort(), ['code', 'grant', 'issuedAt', 'serial', 'state']);
    const again = await call('POST', `${url}/issue/u${answers.indexOf(first)}`);
    const { coupon } = first.body;
    assert.deepEqual([again.status, again.body], [200, { status: 'already_issued', coupons: [coupon] }]);
    await app.close();
  });

  test('an error of the library is answered by the filter, and one of the shop by Nest', async () => {
    const errors = [];
    const logger = { ...silent, error: (...said) => errors.push(said.join(' ')) };
    const { app, url } = await listening(
      CouponIssuerModule.forRoot({ issuer: optionsOf(), worker: false, campaigns: ['launch'] }),
      { logger },
    );
    const unknown = await call('POST', `${url}/other/no-such`);
    assert.equal(unknown.status, 404);
    assert.match(unknown.headers[0], /^application\/problem\+json/);
    assert.equal(unknown.body.type, '/problems/unknown_campaign');
    const bad = await call('POST', `${url}/other/${encodeURIComponent('no such')}`);
    assert.deepEqual([bad.status, bad.body.type], [400, '/problems/invalid_argument']);
    assert.deepEqual(errors, []);
    const broken = await call('GET', `${url}/broken`);
    assert.equal(broken.status, 500);
    assert.equal(JSON.stringify(broken.body).includes('hunter2'), false);
    assert.deepEqual((await call('GET', `${url}/order`)).body, { status: 'shipped', total: 3 });
    await app.get(getIssuerToken()).close();
    const closed = await call('POST', `${url}/issue/ann`);
    assert.deepEqual([closed.status, closed.headers[2], closed.body.type], [503, '1', '/problems/shutting_down']);
    await app.close();
  });

  test('a filter of the shop for every error leaves those of the library to the filter after it', async () => {
    class Everything {
      catch(_error, host) {
        host.switchToHttp().getResponse().status(418).send('{}');
      }
    }
    common.Catch()(Everything);
    const { app, url } = await listening(
      CouponIssuerModule.forRoot({ issuer: optionsOf(), worker: false, campaigns: ['launch'] }),
      { before: [{ provide: core.APP_FILTER, useClass: Everything }] },
    );
    const statuses = [await call('POST', `${url}/issue/ann`), await call('GET', `${url}/broken`)];
    assert.deepEqual(
      statuses.map(({ status }) => status),
      [404, 418],
    );
    await app.close();
  });

  test('a fault of the set-up is a 500 that is logged, and the answer does not say more', async () => {
    const errors = [];
    const logger = { ...silent, error: (...said) => errors.push(said.join(' ')) };
    const persistence = new MemoryPersistence();
    const options = { ...optionsOf(), persistence };
    const { app } = await listening(
      CouponIssuerModule.forRoot({
        issuer: { ...options, deliver: async () => {} },
        worker: false,
        campaigns: ['launch'],
      }),
      { logger },
    );
    await app.get(getCampaignToken('launch')).open(TEN);
    await app.close();
    const lame = await listening(
      CouponIssuerModule.forRoot({ issuer: options, worker: false, campaigns: ['launch'] }),
      { logger },
    );
    const answer = await call('POST', `${lame.url}/issue/ann`);
    assert.deepEqual([answer.status, answer.body.type], [500, '/problems/misconfigured']);
    assert.equal(errors.length, 1);
    assert.match(errors[0], /deliver/);
    assert.equal(JSON.stringify(answer.body).includes('deliver'), false);
    await lame.app.close();
  });

  test('an event stream that is open does not keep the application from closing, and clients close last', async () => {
    const order = [];
    class Clients {
      onApplicationShutdown() {
        order.push('clients');
      }
    }
    const issuer = new CouponIssuer(optionsOf());
    const close = issuer.close.bind(issuer);
    issuer.close = async () => {
      await close();
      order.push('issuer');
    };
    const { app, url } = await listening(CouponIssuerModule.forRoot({ issuer, worker: true, campaigns: ['launch'] }), {
      providers: [Clients],
    });
    const opensAt = new Date(Date.now() + 3_600_000);
    await issuer.campaign('launch').open({ ...TEN, admission: 'queued', drawAtOpen: true, opensAt });
    assert.equal((await issuer.campaign('launch').join({ userId: 'ann' })).status, 'waiting');
    const [response] = await once(get(`${url}/events/ann`), 'response');
    for (const [name, value] of Object.entries(SERVER_SENT_EVENTS_HEADERS)) {
      assert.equal(response.headers[name.toLowerCase()], value);
    }
    let text = '';
    const waiting = new Promise((resolve) => {
      response.on('data', (data) => {
        text += data;
        if (text.includes('"waiting"')) resolve();
      });
    });
    await waiting;
    const ended = once(response, 'end');
    await app.close();
    await ended;
    assert.equal(response.complete, true);
    assert.deepEqual(order, ['issuer', 'clients']);
  });

  test('a worker runs where the process says so, and not before the application is up', async () => {
    const started = [];
    const ready = {
      campaign: (id) => ({ id }),
      startWorker: (options) => started.push(options),
      close: async () => {},
    };
    for (const worker of [false, true, { intervalMs: 500 }]) {
      class App {}
      common.Module({ imports: [CouponIssuerModule.forRoot({ issuer: ready, worker })] })(App);
      const before = started.length;
      const app = await core.NestFactory.create(App, adapter(), { logger: silent, abortOnError: false });
      assert.equal(started.length, before);
      await app.init();
      await app.close();
    }
    assert.deepEqual(started, [{}, { intervalMs: 500 }]);
  });

  test('the health tells of the worker of this process, once it runs', async () => {
    for (const worker of [false, true]) {
      const { app } = await listening(
        CouponIssuerModule.forRoot({ issuer: optionsOf(), worker, campaigns: ['launch'] }),
      );
      const health = await app.get(CouponIssuerHealth).worker();
      assert.equal(health?.running, worker ? true : undefined);
      assert.equal(Array.isArray(health?.campaigns), worker);
      await app.close();
      assert.equal((await app.get(CouponIssuerHealth).worker())?.running, worker ? false : undefined);
    }
    const issuer = new CouponIssuer(optionsOf());
    assert.equal(await new CouponIssuerHealth(issuer).worker(), null);
    await issuer.close();
  });

  test('a factory makes the options from other providers, and a second issuer has a name', async () => {
    class Config {}
    common.Module({ providers: [{ provide: 'REDIS', useFactory: () => new Redis() }], exports: ['REDIS'] })(Config);
    const prefix = randomUUID();
    class Two {
      constructor(issuer, other, spring) {
        Object.assign(this, { issuer, other, spring });
      }
    }
    InjectIssuer()(Two, undefined, 0);
    InjectIssuer('eu')(Two, undefined, 1);
    InjectCampaign('spring', 'eu')(Two, undefined, 2);
    const async = (name, campaigns) =>
      CouponIssuerModule.forRootAsync({
        name,
        campaigns,
        imports: [Config],
        inject: ['REDIS'],
        useFactory: async (redis) => ({
          issuer: { redis, persistence: new MemoryPersistence(), prefix: `${prefix}.${name}` },
          worker: false,
        }),
      });
    const { app } = await listening([async(undefined, []), async('eu', ['spring'])], {
      controllers: [],
      providers: [Two],
    });
    const two = app.get(Two);
    assert.ok(two.issuer instanceof CouponIssuer);
    assert.ok(two.other instanceof CouponIssuer);
    assert.notEqual(two.issuer, two.other);
    await two.spring.open(TEN);
    assert.equal((await two.other.campaign('spring').inspect()).available, 10);
    await assert.rejects(two.issuer.campaign('spring').inspect(), { code: 'UNKNOWN_CAMPAIGN' });
    await app.close();
    for (const issuer of [two.issuer, two.other]) await assert.rejects(issuer.check(), { code: 'CLOSED' });
  });

  test('options outside of their range, and a campaign that the module does not name, stop the start with words for it', async () => {
    const wrong = [
      { issuer: { redis: {} }, worker: false },
      { issuer: optionsOf() },
      { issuer: optionsOf(), worker: { intervalMs: 0 } },
      { issuer: optionsOf(), worker: false, routes: true },
      { worker: false },
    ];
    for (const options of wrong) {
      await assert.rejects(listening(CouponIssuerModule.forRoot(options), { controllers: [] }), {
        code: 'INVALID_ARGUMENT',
      });
    }
    assert.throws(() => InjectCampaign('no such'), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => InjectIssuer(''), { code: 'INVALID_ARGUMENT' });
    const none = CouponIssuerModule.forRoot({ issuer: optionsOf(), worker: false });
    await assert.rejects(listening(none), /launch.*is it in "campaigns" of CouponIssuerModule\?/s);
  });

  test('the health of an application that serves is up, and says which part is down without its words', async () => {
    let fault = null;
    const persistence = Object.assign(new MemoryPersistence(), {
      check: async () => {
        if (fault) throw fault;
      },
    });
    const module = CouponIssuerModule.forRoot({
      issuer: { ...optionsOf(), persistence },
      worker: false,
      campaigns: ['launch'],
    });
    const { app, url } = await listening(module);
    assert.deepEqual((await call('GET', `${url}/ready`)).body, { coupons: { status: 'up' } });
    fault = new Error('the password is hunter2');
    assert.deepEqual((await call('GET', `${url}/ready`)).body, { coupons: { status: 'down', reason: 'PERSISTENCE' } });
    fault = null;
    await app.get(getIssuerToken()).close();
    assert.deepEqual((await call('GET', `${url}/ready`)).body, { coupons: { status: 'down', reason: 'CLOSED' } });
    await app.close();
    const dead = {
      status: 'ready',
      evalsha: () => Promise.reject(new Error('gone')),
      eval: () => Promise.reject(new Error('gone')),
    };
    const health = new CouponIssuerHealth(new CouponIssuer({ redis: dead, prefix: randomUUID() }));
    assert.deepEqual(await health.check('redis'), { redis: { status: 'down', reason: 'REDIS' } });
  });
}
