import htm from 'htm';
import { h } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

export const html = htm.bind(h);

export const number = (value) =>
  value === null || value === undefined ? '–' : value.toLocaleString('en-US', { maximumFractionDigits: 1 });

export const instant = (iso) => (iso ? new Date(iso).toLocaleString() : '–');

export function duration(ms) {
  if (ms === null || ms === undefined) return '–';
  const s = Math.round(ms / 1000);
  if (s < 120) return `${s} s`;
  return s < 7200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;
}

/** Asks again and again while the page is seen. The last answer stays when one fails. */
export function usePolled(load, key, everyMs = 2000) {
  const [seen, setSeen] = useState({ value: null, error: null });
  const again = useRef(() => {});
  useEffect(() => {
    let timer;
    let isOver = false;
    let asked = 0;
    const look = async () => {
      clearTimeout(timer);
      const mine = ++asked;
      try {
        const value = document.hidden ? undefined : await load();
        if (!isOver && mine === asked && value !== undefined) setSeen({ value, error: null });
      } catch (error) {
        if (!isOver && mine === asked) setSeen(({ value }) => ({ value, error }));
      }
      if (!isOver && mine === asked) timer = setTimeout(look, everyMs);
    };
    again.current = look;
    setSeen({ value: null, error: null });
    look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [key]);
  return { ...seen, again: () => again.current() };
}

/** The head of a page takes the focus, so that a screen reader says where it is. */
export function Title({ children }) {
  const ref = useRef(null);
  const text = [children].flat().join('');
  useEffect(() => {
    document.title = `${text} · Coupons`;
    ref.current.focus({ preventScroll: true });
  }, [text]);
  return html`<h1 tabindex="-1" ref=${ref}>${children}</h1>`;
}

export function Fault({ error }) {
  return error && html`<p class="notice bad" role="alert">${error.message}</p>`;
}

const GOOD = { open: 'good', scheduled: '', closed: 'soft', over: 'soft', paused: 'warn' };

export function State({ state }) {
  return html`<span class=${`state ${GOOD[state] ?? 'bad'}`}>${state.replace('_', ' ')}</span>`;
}

export function Tiles({ of }) {
  return html`<dl class="tiles">${of.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** Rows of cells. A cell that is a number stands to the right. */
export function Table({ label, heads, rows, kind = '' }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}><table class=${kind}>
    <thead><tr>${heads.map(([name, side = '']) => html`<th scope="col" class=${side}>${name}</th>`)}</tr></thead>
    <tbody>${rows.map(
      ({ key, cells }) =>
        html`<tr key=${key}>${cells.map((cell, i) => html`<td class=${heads[i][1] ?? ''}>${cell}</td>`)}</tr>`,
    )}</tbody>
  </table></div>`;
}

/** Asks before a change. `word`: what to type first, before a change that nothing undoes. */
export function Confirm({ text, word, yes, onYes, onNo }) {
  const ref = useRef(null);
  const [typed, setTyped] = useState('');
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    // Closed before it is removed, so that the focus returns to the button that asked.
    return () => dialog.close();
  }, []);
  const onCancel = (event) => {
    event.preventDefault();
    onNo();
  };
  // The event of a close comes late: by then another question may be asked.
  const onClose = () => ref.current && onNo();
  return html`<dialog ref=${ref} aria-labelledby="question" onCancel=${onCancel} onClose=${onClose}>
    <form onSubmit=${(event) => {
      event.preventDefault();
      onYes();
    }}>
      <p id="question">${text}</p>
      ${
        word &&
        html`<div class="row"><label>Type ${word} to confirm
          <input autocomplete="off" value=${typed} onInput=${({ target }) => setTyped(target.value)} /></label></div>`
      }
      <div class="row">
        <button class=${word ? 'final' : 'main'} disabled=${Boolean(word) && typed !== word}>${yes}</button>
        <button type="button" onClick=${onNo}>Cancel</button>
      </div>
    </form>
  </dialog>`;
}
