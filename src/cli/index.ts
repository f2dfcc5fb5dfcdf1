#!/usr/bin/env node
import { Secrets } from './faults.js';
import { guard } from './guard.js';
import { main } from './main.js';
import { EXIT } from './world.js';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second one does not wait for the end of the work.
    if (stop.signal.aborted) process.exit(EXIT[signal]);
    stop.abort(signal);
  });
}
// A reader that is gone is told by the write that failed.
for (const sink of [process.stdout, process.stderr]) sink.on('error', () => {});

const { env, stdin, stdout, stderr } = process;
const secrets = new Secrets(env);
let isFailed = false;

/** Ends the process, once its last line is written: a config may leave its clients open. */
function end(code: number): void {
  stdout.write('', () => stderr.write('', () => process.exit(isFailed ? EXIT.fault : code)));
}

guard(process, secrets, (line) => {
  isFailed = true;
  stderr.write(`${line}\n`);
  end(EXIT.fault);
});
const world = { env, cwd: process.cwd(), stdin, stdout, stderr, signal: stop.signal };
void main(process.argv.slice(2), world, secrets).then(end);
