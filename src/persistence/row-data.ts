import type { JsonObject } from '../model/caller-data.js';
import type { Issuance } from '../model/issuance.js';

/** The data of an issuance as the text that a column keeps. */
export function dataOfRow({ data }: Issuance): string | null {
  return data === undefined ? null : JSON.stringify(data);
}

/** The same, read back: a property for a row, and none where the column is NULL. */
export function rowData(text: string | null): { data?: JsonObject } {
  return text === null ? {} : { data: JSON.parse(text) as JsonObject };
}
