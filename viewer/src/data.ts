// The data blocks of the page: unpacked when they are needed, and parsed as data, never as markup or code.

import type { Needle } from "./needle";
import type { Head, Json } from "./types";

export type Columns = Record<string, any[]>; // any: each column has its own type, see rows.py and *_page.py
const KEPT_BODIES = 16;

declare global {
  interface Uint8ArrayConstructor {
    fromBase64?: (text: string) => Uint8Array<ArrayBuffer>;
  }
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function textOf(element: Element): Promise<string> {
  const text = element.textContent ?? "";
  if (element.getAttribute("type") === "application/json") return text;
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).text();
}

// A block that the browser still reads has its element already, but not yet all its text.
function block(id: string): Promise<Element> {
  const ready = (): Element | null => {
    const found = document.getElementById(id);
    return found && (found.nextElementSibling || document.readyState !== "loading") ? found : null;
  };
  return new Promise((resolve, reject) => {
    const found = ready();
    if (found) return resolve(found);
    if (document.readyState !== "loading") return reject(new Error(`this file is cut short: ${id} is missing`));
    const done = (element: Element | null): void => {
      observer.disconnect();
      document.removeEventListener("DOMContentLoaded", atEnd);
      if (element) resolve(element);
      else reject(new Error(`this file is cut short: ${id} is missing`));
    };
    const observer = new MutationObserver(() => {
      const now = ready();
      if (now) done(now);
    });
    const atEnd = (): void => done(document.getElementById(id));
    observer.observe(document.body, { childList: true });
    document.addEventListener("DOMContentLoaded", atEnd);
  });
}

export function readHead(): Head {
  return JSON.parse(document.getElementById("head")?.textContent ?? "null") as Head;
}

export async function readIndex(head: Head): Promise<Columns> {
  const columns: Columns = {};
  const parts = await Promise.all(
    head.index_starts.map(async (_, number) => {
      const element = await block(`index-${number}`);
      const part = JSON.parse(await textOf(element)) as Columns;
      element.remove();
      return part;
    }),
  );
  for (const part of parts) {
    for (const [name, values] of Object.entries(part)) {
      const column = (columns[name] ??= []);
      for (const value of values) column.push(value);
    }
  }
  return columns;
}

function holds(value: Json, needle: Needle): boolean {
  if (typeof value === "string") return needle.test(value);
  if (value === null || typeof value !== "object") return false;
  return Object.values(value).some((item) => holds(item as Json, needle));
}

export class Bodies {
  private kept = new Map<number, Promise<Columns>>();

  constructor(
    private starts: number[],
    private rows: number,
  ) {}

  async row(number: number): Promise<Record<string, any>> {
    const chunk = this.chunkOf(number);
    const columns = await this.columns(chunk);
    const place = number - this.starts[chunk];
    return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[place]]));
  }

  // Calls `found` with rows whose texts hold `needle`, chunk by chunk, until `stop` says so.
  async search(needle: Needle, found: (rows: number[], share: number) => void, stop: () => boolean): Promise<void> {
    // Most chunks can be told not to hold a word by their text as it is spelt, which spares parsing them.
    const { literal } = needle;
    const spelt = literal === null || /[<\p{C}]/u.test(literal) ? null : JSON.stringify(literal).slice(1, -1);
    for (let chunk = 0; chunk < this.starts.length; chunk++) {
      const text = await textOf(await block(`body-${chunk}`));
      if (stop()) return;
      const rows: number[] = [];
      if (spelt === null || text.toLowerCase().includes(spelt)) this.matches(chunk, JSON.parse(text) as Columns, needle, rows);
      found(rows, (chunk + 1) / this.starts.length);
      if (chunk % 4 === 3) await new Promise((resolve) => setTimeout(resolve));
    }
  }

  private matches(chunk: number, columns: Columns, needle: Needle, rows: number[]): void {
    const end = (this.starts[chunk + 1] ?? this.rows) - this.starts[chunk];
    for (let place = 0; place < end; place++) {
      if (Object.values(columns).some((column) => holds(column[place] as Json, needle))) rows.push(this.starts[chunk] + place);
    }
  }

  private chunkOf(row: number): number {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private columns(chunk: number): Promise<Columns> {
    const found =
      this.kept.get(chunk) ??
      block(`body-${chunk}`)
        .then(textOf)
        .then((text) => JSON.parse(text) as Columns);
    this.kept.delete(chunk);
    this.kept.set(chunk, found);
    if (this.kept.size > KEPT_BODIES) this.kept.delete(this.kept.keys().next().value as number);
    return found;
  }
}
