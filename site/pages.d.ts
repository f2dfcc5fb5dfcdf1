interface Site {
  readonly pages: ReadonlySet<string>;
  readonly files: Set<string>;
  readonly root?: string;
}
export const ROOT: string;
export function listPages(root?: string): string[];
export function placeOf(path: string): string;
export function toSite(path: string, text: string, site: Site): string;
export function sourcesOf(path: string, root?: string): string;
export function titleOf(text: string): string;
export function openingOf(text: string): string;
export function read(path: string, root?: string): string;
export function slugify(heading: string): string;
