/** A page with the figures of these results; without the sections that they come from, the page as it is. */
export function withFigures(path: string, page: string, results: { sections: object }): string;
