export function brokenLinks(dist: string, base: string): string[];
