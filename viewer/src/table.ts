// The table of examples: only the rows that can be seen exist, however many there are.

import { h } from "./dom";

export interface Column {
  name: string;
  title: string;
  width: string;
  cell: (row: number) => Node | string;
  sort?: (row: number) => string | number | null;
  class?: string;
  spare?: number; // may be hidden, and is where there is no room: the highest first; from EXTRA on unless asked for
}

export const EXTRA = 100;
const GAP = 12.8;
const NARROWEST = 48;
const PHONE = 720; // as in media.css: up to here cells are laid out otherwise
const OVERSCAN = 8;
const PRINTED = 300;
const PAPER = 680; // what the narrower of A4 and Letter leaves between usual margins

export interface TableOptions {
  label: string;
  columns: Column[];
  href: (row: number) => string;
  sorted: () => string;
  onSort: (name: string) => void;
  chosen: () => string | null; // the columns that were chosen among those that may be hidden, by name
}

// Ids differ at their ends, so their column has room for nearly all of them.
export function idWidth(ids: string[]): string {
  const longest = ids.reduce((most, id) => Math.max(most, id.length), 0);
  return `minmax(${Math.min(Math.max(longest, 9), 28) * 9.4}px, .8fr)`;
}

export class VirtualTable {
  readonly element: HTMLElement;
  current = -1;
  columns: Column[] = [];
  private rows: Int32Array | number[] = [];
  private body: HTMLElement;
  private shown = new Map<number, HTMLElement>();
  private frame = 0;
  private printing = false;

  constructor(private options: TableOptions) {
    this.body = h("div", { role: "rowgroup", class: "body" });
    this.element = h("div", { role: "table", class: "trials", "aria-label": options.label }, h("div"), this.body);
    addEventListener("scroll", () => this.schedule(), { passive: true });
    addEventListener("resize", () => this.refresh());
    addEventListener("beforeprint", () => {
      this.printing = true; // the paper's size comes as a resize, which would leave the rows in sight alone
      this.draw(PAPER);
      this.render(0, Math.min(this.rows.length, PRINTED));
    });
    addEventListener("afterprint", () => {
      this.printing = false;
      this.refresh();
    });
  }

  show(rows: Int32Array | number[]): void {
    this.rows = rows;
    this.current = Math.min(this.current, rows.length - 1);
    this.element.setAttribute("aria-rowcount", String(rows.length + 1));
    this.refresh();
  }

  refresh(): void {
    if (this.printing) return;
    this.draw();
    this.paint();
  }

  private draw(width?: number): void {
    this.arrange(width);
    this.element.firstElementChild?.replaceWith(this.header());
    this.shown.forEach((element) => element.remove());
    this.shown.clear();
    this.body.style.height = `${this.rows.length * this.rowHeight()}px`;
  }

  // Moves to the row at `place` of the list, and puts the focus there.
  select(place: number, focus = true): void {
    if (!this.rows.length) return;
    this.current = Math.max(0, Math.min(place, this.rows.length - 1));
    const height = this.rowHeight();
    const top = this.body.getBoundingClientRect().top + scrollY + this.current * height;
    const head = 120;
    if (top - head < scrollY) scrollTo({ top: top - head });
    else if (top + height > scrollY + innerHeight - 8) scrollTo({ top: top + height - innerHeight + 8 });
    this.paint();
    this.shown.forEach((element, at) => element.classList.toggle("current", at === this.current));
    if (focus) this.shown.get(this.current)?.querySelector("a")?.focus({ preventScroll: true });
  }

  get optional(): Column[] {
    return this.options.columns.filter((column) => column.spare !== undefined);
  }

  // Settles which columns are shown: those chosen, else as many as there is room for.
  private arrange(width = this.element.clientWidth): void {
    const chosen = this.options.chosen()?.split(",");
    const room = width - GAP;
    const wide = (columns: Column[]): number =>
      columns.reduce((sum, column) => sum + parseFloat(/[\d.]+px/.exec(column.width)?.[0] ?? "0") + GAP, 0);
    let columns = this.options.columns.filter(({ name, spare }) => spare === undefined || (chosen ? chosen.includes(name) : spare < EXTRA));
    while (!chosen && (innerWidth > PHONE || width === PAPER) && wide(columns) > room) {
      const least = columns.reduce<Column | null>((most, column) => ((column.spare ?? -1) > (most?.spare ?? -1) ? column : most), null);
      if (!least) break;
      columns = columns.filter((column) => column !== least);
    }
    const tight = wide(columns) > room;
    const template = columns.map(({ width }) => (tight ? width.replace(/minmax\([\d.]+px/, `minmax(${NARROWEST}px`) : width));
    this.element.style.setProperty("--columns", template.join(" "));
    this.columns = columns;
  }

  private rowHeight(): number {
    return parseFloat(getComputedStyle(this.element).getPropertyValue("--row")) || 36;
  }

  private schedule(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  private paint(): void {
    if (this.printing || !this.element.isConnected) return;
    const height = this.rowHeight();
    const top = this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - OVERSCAN);
    this.render(first, Math.min(this.rows.length, first + Math.ceil(innerHeight / height) + 2 * OVERSCAN));
  }

  private render(first: number, last: number): void {
    for (const [place, element] of this.shown) {
      if (place < first || place >= last) {
        element.remove();
        this.shown.delete(place);
      }
    }
    const height = this.rowHeight();
    for (let place = first; place < last; place++) {
      if (this.shown.has(place)) continue;
      const element = this.row(place);
      element.style.transform = `translateY(${place * height}px)`;
      this.shown.set(place, element);
      // The order of the elements is the order that people who listen or use Tab meet.
      this.body.insertBefore(element, this.shown.get(place + 1) ?? null);
    }
  }

  private row(place: number): HTMLElement {
    const row = this.rows[place];
    const cells = this.columns.map((column) => {
      const content = column.cell(row);
      const inner = column.name === "id" ? h("a", { href: this.options.href(row) }, content) : content;
      return h("div", { role: "cell", class: `cell ${column.class ?? column.name}` }, inner);
    });
    const element = h("div", { role: "row", class: "row", "aria-rowindex": place + 2 }, ...cells);
    element.addEventListener("click", (event) => {
      this.current = place;
      if ((event.target as Element).closest("a") || getSelection()?.toString()) return;
      location.hash = this.options.href(row);
    });
    element.classList.toggle("current", place === this.current);
    return element;
  }

  private header(): HTMLElement {
    const sorted = this.options.sorted();
    const cells = this.columns.map((column) => {
      const way = sorted === column.name ? "ascending" : sorted === `-${column.name}` ? "descending" : "none";
      const arrow = way === "none" ? "" : way === "ascending" ? " ▲" : " ▼";
      const sort = (): void => this.options.onSort(way === "ascending" ? `-${column.name}` : way === "descending" ? "" : column.name);
      const label = column.sort
        ? h("button", { type: "button", click: sort }, column.title, h("span", { "aria-hidden": "true" }, arrow))
        : h("span", {}, column.title);
      return h("div", { role: "columnheader", class: `cell ${column.class ?? column.name}`, "aria-sort": column.sort ? way : null }, label);
    });
    return h("div", { role: "rowgroup", class: "header" }, h("div", { role: "row", class: "row", "aria-rowindex": 1 }, ...cells));
  }
}

// Orders rows by a column; equal ones, and those without a value, keep their order (the latter at the end).
export function order(rows: Int32Array, column: Column | undefined, down: boolean): Int32Array {
  if (!column?.sort) return rows;
  const value = column.sort;
  const keyed = Array.from(rows, (row) => ({ row, key: value(row) }));
  keyed.sort((a, b) => {
    if (a.key === b.key) return a.row - b.row;
    if (a.key === null) return 1;
    if (b.key === null) return -1;
    return (a.key < b.key ? -1 : 1) * (down ? -1 : 1);
  });
  return Int32Array.from(keyed, (item) => item.row);
}
