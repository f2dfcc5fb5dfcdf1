import { mergeConfig } from 'vitest/config';
import base from '../../../vitest.config.js';

const config = mergeConfig(base, {});
config.test!.include = ['test/support/failing/fails.ts'];
export default config;
