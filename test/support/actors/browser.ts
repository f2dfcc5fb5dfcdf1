import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const STREAMS = ['/events', '/api/reconcile'];

/** The system's Chromium, without anything that would ask others. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
}

export interface Seen {
  /** Words of the element, in the order in which they appeared, and when, ms. */
  readonly [id: string]: { readonly text: string; readonly at: number }[];
}

/** A page in a context of its own: a visitor with their own cookies. It notes what goes wrong, and what certain elements say, across reloads. */
export class Visitor {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly troubles: string[] = [];
  readonly seen: Seen;

  private constructor(context: BrowserContext, page: Page, seen: Seen) {
    this.context = context;
    this.page = page;
    this.seen = seen;
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.troubles.push(message.text());
    });
    page.on('pageerror', (error) => this.troubles.push(error.message));
    page.on('response', (response) => {
      if (response.status() >= 400) this.troubles.push(`${response.status()} ${response.url()}`);
    });
    page.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText;
      // A page that closes its stream aborts the request. Chromium says so of a stream at its end too, if it sees the
      // end of the body before the end of the request. What a cut stream leaves out is for the page to show.
      const isStream = STREAMS.some((path) => request.url().endsWith(path));
      if (!isStream || reason !== 'net::ERR_ABORTED') this.troubles.push(`${reason} ${request.url()}`);
    });
  }

  static async arrive(
    browser: Browser,
    { watched = [], ...options }: BrowserContextOptions & { watched?: string[] } = {},
  ): Promise<Visitor> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US', ...options });
    const page = await context.newPage();
    const seen: Seen = Object.fromEntries(watched.map((id) => [id, []]));
    await page.exposeFunction('noteText', (id: string, text: string, at: number) => seen[id]!.push({ text, at }));
    await page.addInitScript(watchTexts, watched);
    return new Visitor(context, page, seen);
  }

  async stop(): Promise<void> {
    await this.context.close();
  }
}

/** Runs in the page. */
function watchTexts(ids: string[]): void {
  // biome-ignore lint/suspicious/noExplicitAny: the page's own world
  const world = globalThis as any;
  world.addEventListener('DOMContentLoaded', () => {
    for (const id of ids) {
      const element = world.document.getElementById(id);
      const note = () =>
        world.noteText(id, element.textContent, world.performance.timeOrigin + world.performance.now());
      new world.MutationObserver(note).observe(element, { childList: true, characterData: true, subtree: true });
    }
  });
}

/** What a person who sees little, or uses no mouse, would stumble over; empty if nothing is found. */
export function stumblingBlocks(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    // biome-ignore lint/suspicious/noExplicitAny: the page's own world
    const { document, getComputedStyle, innerWidth } = globalThis as any;
    const found: string[] = [];
    const luminance = (rgb: number[]) => {
      const [r, g, b] = rgb.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const parse = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
    // biome-ignore lint/suspicious/noExplicitAny: an element
    const backgroundOf = (element: any): number[] => {
      for (let at = element; at; at = at.parentElement) {
        const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
        if (a === 1) return [r!, g!, b!];
      }
      return [255, 255, 255];
    };
    for (const element of document.body.querySelectorAll('*')) {
      if (!element.checkVisibility() || element.closest('.unseen')) continue;
      // biome-ignore lint/suspicious/noExplicitAny: a node
      const own = [...element.childNodes].some((node: any) => node.nodeType === 3 && node.data.trim());
      if (!own) continue;
      const [text, behind] = [luminance(parse(getComputedStyle(element).color)), luminance(backgroundOf(element))];
      const contrast = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
      if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)}: ${element.textContent.trim()}`);
      if (element.getBoundingClientRect().right > innerWidth) found.push(`cut off: ${element.textContent.trim()}`);
    }
    const headings = [...document.querySelectorAll('h1')].filter((heading) => heading.checkVisibility());
    if (headings.length !== 1) found.push(`${headings.length} main headings`);
    for (const tag of ['main', 'header']) if (!document.querySelector(tag)) found.push(`no ${tag}`);
    if (!document.documentElement.lang) found.push('no language');
    if (document.documentElement.scrollWidth > innerWidth) found.push('scrolls sideways');
    for (const control of document.querySelectorAll('button, input, progress')) {
      const name = control.textContent.trim() || control.ariaLabel || control.labels?.[0]?.textContent.trim();
      if (!name) found.push(`no name: ${control.outerHTML}`);
    }
    return found;
  });
}
