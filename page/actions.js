import { useState } from 'preact/hooks';
import { Confirm, html, number } from './parts.js';
import { RulesForm, randomId } from './rules-form.js';

/** A number and the button that sends it. */
function NumberForm({ label, button, step, onSend, onNone }) {
  const [text, setText] = useState('');
  return html`<form class="row" onSubmit=${(event) => {
    event.preventDefault();
    onSend(Number(text));
  }}>
    <label>${label}<input type="number" required step=${step} value=${text} onInput=${({ target }) => setText(target.value)} /></label>
    <button>${button}</button>
    ${onNone && html`<button type="button" onClick=${onNone}>No cap</button>`}
  </form>`;
}

/** The changes of an operator. Each is asked for once more. */
export function Actions({ campaign, act }) {
  const { id, state, stock, admission, closedAt } = campaign;
  const [asked, setAsked] = useState(null);
  const confirm = (text, verb, body, words, more = {}) => setAsked({ text, verb, body, words, yes: 'Yes', ...more });
  const isPaused = state === 'paused';
  const pace = (field, name) => (value) =>
    confirm(
      `Set ${name} of ${id} to ${value === null ? 'no cap' : number(value)}?`,
      'pace',
      { [field]: value },
      'The pace is set.',
    );
  const saves = pace('savesPerSecond', 'the saves per second');
  const admits = pace('admitPerSecond', 'the admissions per second');
  return html`<section><h2>Actions</h2>
    ${
      !closedAt &&
      html`<div class="row">
      ${
        isPaused
          ? html`<button class="main" onClick=${() => confirm(`Resume ${id}?`, 'resume', {}, 'The campaign is resumed.')}>Resume</button>`
          : html`<button class="main" onClick=${() =>
              confirm(
                `Pause ${id}? Nothing is issued until you resume it.`,
                'pause',
                {},
                'The campaign is paused.',
              )}>Pause</button>`
      }
      <button class="final" onClick=${() =>
        confirm(`Close ${id} for good? Nothing opens it again.`, 'close', {}, 'The campaign is closed for good.', {
          word: id,
          yes: 'Close for good',
        })}>Close for good</button></div>`
    }
    ${
      stock === 'counted' &&
      !closedAt &&
      html`<${NumberForm} label="Units to add; a minus takes away" button="Restock" step="1" onSend=${(add) => {
        // One id for the question and its repeats: the units are added once.
        const requestId = `dashboard-${randomId()}`;
        confirm(
          `Change the stock of ${id} by ${number(add)}?`,
          'restock',
          { add, requestId },
          ({ total }) => `The total is ${number(total)} now.`,
        );
      }} />`
    }
    <${NumberForm} label="Saves per second, at most" button="Set" step="any" onSend=${saves} onNone=${() => saves(null)} />
    ${
      admission === 'queued' &&
      html`<${NumberForm} label="Admitted per second, at most" button="Set" step="any" onSend=${admits} onNone=${() => admits(null)} />`
    }
    ${!closedAt && html`<${RulesForm} campaign=${campaign} confirm=${confirm} />`}
    ${
      asked &&
      html`<${Confirm} ...${asked} onNo=${() => setAsked(null)} onYes=${() => {
        setAsked(null);
        act(asked.verb, asked.body, asked.words);
      }} />`
    }
  </section>`;
}
