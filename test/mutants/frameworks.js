const inNest = (test) => ({ file: 'test/integration/nestjs.test.ts', test });
const inFastify = (test) => ({ file: 'test/integration/fastify.test.ts', test });
const MODULE = 'src/nestjs/module.ts';
const ANSWERS = 'src/nestjs/answers.ts';
const FASTIFY = 'src/fastify/index.ts';

/** Defects of the doors for NestJS and Fastify. */
export const FRAMEWORKS = [
  {
    defect: 'the health of Nest does not know the worker',
    file: 'src/nestjs/module.ts',
    find: 'new CouponIssuerHealth(issuer, worker)',
    replace: 'new CouponIssuerHealth(issuer)',
    caughtBy: {
      file: 'test/integration/nestjs.test.ts',
      test: 'the health tells of the worker of this process, once it runs',
    },
  },
  {
    defect: 'an application of Nest closes, and its issuer does not',
    file: MODULE,
    find: 'await this.#hosted.issuer.close();',
    replace: '',
    caughtBy: inNest('a factory makes the options from other providers, and a second issuer has a name'),
  },
  {
    defect: 'a worker runs before the application of Nest is up',
    file: MODULE,
    find: '    this.#hosted = hosted;',
    replace: '    this.#hosted = hosted;\n    hosted.start();',
    caughtBy: inNest('a worker runs where the process says so, and not before the application is up'),
  },
  {
    defect: 'a worker runs in a process that wants none',
    file: 'src/hosted-issuer.ts',
    find: 'start: () => {},',
    replace: 'start: () => void issuer.startWorker(),',
    caughtBy: inNest('a worker runs where the process says so, and not before the application is up'),
  },
  {
    defect: 'the options of a worker are looked at only once the clients are connected',
    file: 'src/hosted-issuer.ts',
    find: '  checkedWorkerOptions(workerOptions, 1);',
    replace: '',
    caughtBy: inFastify(
      'a second issuer has a decorator of its own, and options outside of their range reject the start',
    ),
  },
  {
    defect: 'the filter of Nest logs each refusal of a rush',
    file: ANSWERS,
    find: 'answer.status === 500',
    replace: 'answer.status > 0',
    caughtBy: inNest('an error of the library is answered by the filter, and one of the shop by Nest'),
  },
  {
    defect: 'the interceptor of Nest answers objects of the shop',
    file: ANSWERS,
    find: 'if (httpWordOf(value) === null) return value;',
    replace: '',
    caughtBy: inNest('an error of the library is answered by the filter, and one of the shop by Nest'),
  },
  {
    defect: 'the interceptor of Nest shows ids and epochs',
    file: ANSWERS,
    find: 'const answer = userAnswer(value);',
    replace: "const answer = { ...userAnswer(value), body: { status: 'issued', coupon: value.issuance } };",
    caughtBy: inNest('ten of twelve buyers get a coupon, and two the problem details of sold_out'),
  },
  {
    defect: 'the answer to a checkout has the id of the coupon and of its order',
    file: 'src/model/user-answer.ts',
    find: 'return { serial, ...grant,',
    replace: 'return { ...one, serial, ...grant,',
    caughtBy: {
      file: 'test/unit/http-answer.test.ts',
      test: 'the answer for a user is the same without the parts of a coupon that stay on the server',
    },
  },
  {
    defect: 'readiness does not ask the adapter',
    file: 'src/operate/check.ts',
    find: 'adapter?.check',
    replace: 'null',
    caughtBy: inNest('the health of an application that serves is up, and says which part is down without its words'),
  },
  {
    defect: 'Fastify waits for open streams before the issuer ends them',
    file: FASTIFY,
    find: "'preClose'",
    replace: "'onClose'",
    caughtBy: inFastify('an event stream that is open does not keep Fastify from closing, and clients close last'),
  },
  {
    defect: 'Fastify waits for a connection that falls idle while it closes',
    file: FASTIFY,
    find: 'raw.socket.destroySoon?.()',
    replace: 'undefined',
    caughtBy: inFastify('a connection that is kept alive ends with its last answer, once Fastify closes'),
  },
  {
    defect: 'an answer of Fastify shows ids and epochs',
    file: FASTIFY,
    find: 'const { status, headers, body } = userAnswer(resultOrError);',
    replace: 'const { status, headers } = userAnswer(resultOrError);\n  const body = resultOrError;',
    caughtBy: inFastify('under Fastify, ten of twelve buyers get a coupon, and two the problem details of sold_out'),
  },
  {
    defect: 'the error handler of Fastify logs each refusal of a rush',
    file: FASTIFY,
    find: 'httpStatus(error) === 500',
    replace: 'httpStatus(error) > 0',
    caughtBy: inFastify('no code, no data and no message of a refusal reaches the log of Fastify'),
  },
  {
    defect: 'the error handler of Fastify answers errors of the shop',
    file: FASTIFY,
    find: 'if (!(error instanceof CouponIssuerError)) throw error;',
    replace: '',
    caughtBy: inFastify('the error handler answers the errors of the library, and leaves each other one to Fastify'),
  },
];
