import manifest from '../../package.json' with { type: 'json' };

export function versionOf(): string {
  return manifest.version;
}
