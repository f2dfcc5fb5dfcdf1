import { useEffect, useRef, useState } from 'preact/hooks';
import { Confirm, html, number } from './parts.js';
import { upload } from './upload.js';

const MOST_BYTES = 64 * 1024 * 1024;

function wordsOf({ read, loaded, duplicates, firstDuplicates, resumedAt, total }) {
  if (loaded === undefined) return `${number(read)} codes were read, and none is wrong. Nothing was loaded.`;
  const before = resumedAt > 0 ? ` ${number(resumedAt)} were loaded before.` : '';
  const places = firstDuplicates.length > 0 ? ` The first stand at ${firstDuplicates.map(number).join('; ')}.` : '';
  const twice = duplicates > 0 ? ` ${number(duplicates)} duplicates were skipped.${places}` : '';
  return `${number(loaded)} codes were loaded.${before}${twice} The pool has ${number(total)} now.`;
}

const headOf = (id, loadId, { column, delimiter, header, asTheyAre }) => ({
  campaignId: id,
  loadId,
  ...(column && { column: /^\d+$/.test(column) ? Number(column) : column }),
  ...(delimiter && { delimiter }),
  ...(header && { header }),
  ...(asTheyAre && { asTheyAre }),
});

function Check({ label, value, onChange }) {
  return html`<label class="check"><input type="checkbox" checked=${value} onChange=${({ target }) => onChange(target.checked)} />${label}</label>`;
}

function Progress({ seen, size, onStop }) {
  const { read, bytes, sent } = seen;
  const part = bytes === undefined ? sent : bytes / Math.max(1, size);
  return html`<div class="row">
    <label>${read === undefined ? 'Sending' : `${number(read)} codes read`}
      <progress max="1" value=${Math.min(1, part)}></progress></label>
    <button type="button" onClick=${onStop}>Stop</button>
  </div>`;
}

/** A file of codes goes to the server as it is, which reads it line by line. */
export function Import({ id, again }) {
  const [file, setFile] = useState(null);
  const [loadId, setLoadId] = useState('');
  const [options, setOptions] = useState({ column: '', delimiter: '', header: false, asTheyAre: false });
  const [asked, setAsked] = useState(false);
  const [seen, setSeen] = useState(null);
  const running = useRef(null);
  useEffect(() => () => running.current?.abort(), [id]);
  const set = (name) => (value) => setOptions({ ...options, [name]: value });
  const isRunning = Boolean(seen?.sent !== undefined);
  const run = async (check) => {
    if (file.size > MOST_BYTES) {
      setSeen({ fault: 'The file has more than 64 MiB. Import it by the command: coupon-issuer codes import.' });
      return;
    }
    running.current = new AbortController();
    let ended = { fault: 'The server ended the answer.' };
    setSeen({ sent: 0 });
    try {
      const onSent = (sent) => setSeen((now) => ({ ...now, sent }));
      const onLine = (line) => {
        if (line.progress) setSeen((now) => ({ ...now, ...line.progress }));
        else ended = line;
      };
      const head = headOf(id, loadId, options);
      await upload('import', check ? { ...head, check } : head, file, {
        onSent,
        onLine,
        signal: running.current.signal,
      });
    } catch (error) {
      ended = { fault: error.message };
    }
    running.current = null;
    setSeen(check && ended.fault ? { fault: `${ended.fault} Nothing was loaded.` } : { ...ended, isImport: !check });
    await again();
  };
  const onImport = (event) => {
    event.preventDefault();
    setAsked(true);
  };
  const { report, fault, isImport } = seen ?? {};
  return html`<section><h2>Import</h2>
    <form autocomplete="off" onSubmit=${onImport}>
      <div class="row">
        <label>File: one code a line, or a CSV<input type="file" required accept=".csv,.txt,.tsv,text/*" onChange=${({
          target,
        }) => {
          const [chosen = null] = target.files;
          setFile(chosen);
          setSeen(null);
          if (chosen) setLoadId(chosen.name);
        }} /></label>
        <label>Load id, which names this list<input required maxLength="128" value=${loadId} onInput=${({ target }) => setLoadId(target.value)} /></label>
      </div>
      <div class="row">
        <label>Column: its name, or its number<input value=${options.column} onInput=${({ target }) => set('column')(target.value)} /></label>
        <label>Between columns<select value=${options.delimiter} onChange=${({ target }) => set('delimiter')(target.value)}>
          <option value="">as the first line has it</option><option value=",">comma</option><option value=";">semicolon</option><option value=${'\t'}>tab</option>
        </select></label>
      </div>
      <div class="row">
        <${Check} label="The first line names the columns" value=${options.header} onChange=${set('header')} />
        <${Check} label="Take unusual signs as they are" value=${options.asTheyAre} onChange=${set('asTheyAre')} />
      </div>
      <div class="row">
        <button type="button" disabled=${isRunning || !file} onClick=${() => run(true)}>Check the file</button>
        <button class="main" disabled=${isRunning}>Import</button>
      </div>
    </form>
    ${isRunning && html`<${Progress} seen=${seen} size=${file.size} onStop=${() => running.current?.abort()} />`}
    <div role="status">
      ${report && html`<p class="good">${wordsOf(report)}</p>`}
      ${fault && html`<p class="bad">${fault}${isImport && ' What was loaded before stays: import the mended file under the same load id, and it goes on.'}</p>`}
    </div>
    ${
      asked &&
      html`<${Confirm} text=${`Import ${file?.name} into ${id} under the load id ${loadId}? Loaded codes cannot be taken out again.`}
        yes="Import" onNo=${() => setAsked(false)} onYes=${() => {
          setAsked(false);
          run(false);
        }} />`
    }
  </section>`;
}
