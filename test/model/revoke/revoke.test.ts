import type { Part } from '../small/part.js';
import { tryParts } from '../small/try-parts.js';
import { REVOKE } from './revoke.js';

tryParts({ revoke: REVOKE as Part<string, string> });
