export const CELLS: readonly { readonly name: string; readonly files: readonly string[] }[];
