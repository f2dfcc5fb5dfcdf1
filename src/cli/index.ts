#!/usr/bin/env node
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
void main(process.argv.slice(2), { env, cwd: process.cwd(), stdin, stdout, stderr, signal: stop.signal }).then(
  (code) => {
    // A config may leave its clients open, so the end of the work ends the process, once its last line is written.
    stdout.write('', () => stderr.write('', () => process.exit(code)));
  },
);
