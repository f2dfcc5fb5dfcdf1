export function entrySizes(): Promise<{ entry: string; minified: number; gzip: number; limit: number | undefined }[]>;
