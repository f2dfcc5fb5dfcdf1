import type { Plugin as EsbuildPlugin } from 'esbuild';
import type { Plugin as VitePlugin } from 'vitest/config';

export function bundleLua(file: string): { source: string; sha1: string; files: string[] };
export function luaEsbuildPlugin(): EsbuildPlugin;
export function luaVitePlugin(): VitePlugin;
