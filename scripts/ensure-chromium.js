// The page of examples/koa is tested in a real browser.
import { ensureServer } from './ensure-server.js';

ensureServer({ command: 'chromium', package: 'chromium', version: '120' });
