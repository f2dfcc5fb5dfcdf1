// Turns page/dashboard.html into one document at build time, with its style and its script inside, and the hashes of
// both for the Content-Security-Policy. The package therefore reads no file at run time.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';

const hashOf = (text) => createHash('sha256').update(text).digest('base64');

/** The document, and the files that it is made of. */
function bundlePage(file) {
  const folder = dirname(file);
  const built = (entry) => {
    const options = { entryPoints: [join(folder, entry)], bundle: true, minify: true, write: false, metafile: true };
    // The script becomes part of a document, where this text would end it.
    const { outputFiles, metafile } = buildSync({ ...options, format: 'esm', target: 'es2022', legalComments: 'none' });
    // What is left of line ends stands in templates, where the page ignores what stands before a line.
    const text = outputFiles[0].text
      .trim()
      .replace(/\n\s*(?=<|\$\{)/g, '')
      .replace(/\n\s+/g, '\n');
    if (/<\/(script|style)/i.test(text)) throw new Error(`${entry} has a text that would end it in a document`);
    return { text, files: Object.keys(metafile.inputs) };
  };
  const [script, style] = [built('main.js'), built('style.css')];
  const html = readFileSync(file, 'utf8')
    .replace('/* style.css */', () => style.text)
    .replace('/* main.js */', () => script.text);
  const page = { html, scriptHash: hashOf(script.text), styleHash: hashOf(style.text) };
  return { page, files: [file, ...[...script.files, ...style.files].map((name) => join(process.cwd(), name))] };
}

const FILE = /[\\/]page[\\/]dashboard\.html$/;
const toModule = ({ page }) => `export default ${JSON.stringify(page)};`;

export function pageEsbuildPlugin() {
  return {
    name: 'page',
    setup(build) {
      build.onLoad({ filter: FILE }, ({ path }) => {
        const bundle = bundlePage(path);
        return { contents: toModule(bundle), loader: 'js', watchFiles: bundle.files };
      });
    },
  };
}

export function pageVitePlugin() {
  return {
    name: 'page',
    enforce: 'pre',
    load(id) {
      return FILE.test(id) ? toModule(bundlePage(id)) : undefined;
    },
  };
}
