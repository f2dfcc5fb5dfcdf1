type Round = Readonly<Record<string, number>>;
export function ratioOf(
  ones: readonly Round[],
  others: readonly Round[],
  name: string,
): { median: number; min: number; max: number };
export function spreadOf(ones: readonly Round[], same: readonly Round[], name: string): number;
export function exceeds(ratio: number, spread: number): boolean;
export function alternate<T, R>(
  contestants: readonly T[],
  rounds: number,
  measure: (contestant: T, round: number) => Promise<R>,
): Promise<R[][]>;
