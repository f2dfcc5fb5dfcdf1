/** serial * 16 + code; code is 0 where a unit has none. */
export type Unit = number;
export const unitOf = (serial: number, code = 0): Unit => serial * 16 + code;
export const serialOf = (unit: Unit): number => unit >> 4;
/** What tells a unit from others for whoever receives it. */
export const markOf = (unit: Unit): number => codeOf(unit) || serialOf(unit);
export const codeOf = (unit: Unit): number => unit & 15;

/** generation * 16 + a part that no other making shares; 0 is none. */
export type Epoch = number;
export const epochOf = (generation: number, making: number): Epoch => generation * 16 + making;
export const generationOf = (epoch: Epoch): number => epoch >> 4;
