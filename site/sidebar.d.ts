interface Group {
  readonly text: string;
  readonly items: readonly { readonly text: string; readonly link: string }[];
}
export function guides(): Group[];
export function korean(): Group[];
export function reference(dir?: string): { text: string; link: string }[];
