export function cpuOfTree(pid: number, proc?: string): number | null;
export function eachOf(parts: Record<string, number | null>, count: number): Record<string, number>;
