export const REPORT: string;
export function apiReport(extension?: '.d.ts' | '.d.cts'): string;
export function declaredValues(extension: '.d.ts' | '.d.cts'): Record<string, string[]>;
