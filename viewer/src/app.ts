// The frame around a run or a comparison: overview, filters and table on one view, an example on the other.

import { Bodies, readIndex, type Columns } from "./data";
import { copy, h } from "./dom";
import { FilterBar, type Filter } from "./filters";
import { help, listen, setKeys, type Key } from "./keys";
import type { Measures } from "./query";
import { go, link, readRoute, withParameter } from "./route";
import { columnChooser } from "./columns";
import { order, VirtualTable, type Column } from "./table";
import { line } from "./text";
import { themeButton } from "./theme";
import type { Head } from "./types";

export interface Subject {
  overview(): Node[];
  afterIndex(index: Columns, href: (row: number) => string): Node[];
  columns(): Column[];
  filters(): Filter[];
  measures(): Measures;
  key(row: number): (string | number)[];
  title(row: number): string;
  preview(row: number): string;
  example(row: number, body: Record<string, any>, href: (row: number) => string, bodies: Bodies): Node[];
  keys(): Key[]; // of an example
  listKeys(): Key[];
  themed(): void;
  noun: string;
  nothing: string; // what an empty list says where nothing was filtered
  sort: string; // the column that orders the list until another is asked for
}

export class App {
  private main = h("main", { id: "main" });
  private list = h("div", { class: "list" });
  private none = h("p", { class: "nothing none" });
  private view = h("article", { class: "example", hidden: true });
  private table!: VirtualTable;
  private bar!: FilterBar;
  private columns: Column[] = [];
  private rows: Int32Array = new Int32Array();
  private shownQuery: string | null = null;
  private keys = new Map<string, number>();
  private scroll = 0;
  private left: Element | null = null; // what had the focus when the list was left
  private open = -1;
  private bodies: Bodies;

  constructor(
    private head: Head,
    private subject: Subject,
  ) {
    this.bodies = new Bodies(head.body_starts, head.rows);
  }

  async start(): Promise<void> {
    const root = document.getElementById("app") as HTMLElement;
    const theme = themeButton(() => this.subject.themed());
    const keys = h("button", { type: "button", class: "quiet", title: "Keys (?)", "aria-label": "Show keys", click: help }, "?");
    const skip = h(
      "a",
      {
        class: "skip",
        href: "#main",
        click: (event: Event) => {
          event.preventDefault();
          this.main.querySelector<HTMLElement>("a, button, input")?.focus();
        },
      },
      "Skip to content",
    );
    const brand = h("span", { class: "brand" }, "insideLLMs ", h("span", {}, this.head.kind === "run" ? "run" : "diff"));
    root.replaceChildren(skip, h("header", { class: "top" }, brand, h("div", { class: "tools" }, theme, keys)), this.main);
    const waiting = h("p", { class: "waiting", role: "status" }, "Reading the examples …");
    this.list.append(h("h1", {}, line(this.head.title)), ...this.subject.overview(), waiting);
    this.main.append(this.list, this.view);
    listen();
    const index = await readIndex(this.head);
    waiting.replaceWith(...this.subject.afterIndex(index, this.href));
    this.prepare();
    addEventListener("hashchange", () => this.route());
    this.route();
    document.documentElement.dataset.ready = "true";
  }

  private href = (row: number): string => {
    return link(this.subject.key(row), readRoute().query);
  };

  private prepare(): void {
    for (let row = 0; row < this.head.rows; row++) this.keys.set(this.subject.key(row).join("\u0000"), row);
    this.columns = this.subject.columns();
    this.bar = new FilterBar({
      rows: this.head.rows,
      filters: this.subject.filters(),
      preview: (row) => this.subject.preview(row),
      measures: this.subject.measures(),
      bodies: this.bodies,
      changed: () => {
        this.shownQuery = null;
        if (!readRoute().example) this.showList(readRoute().query);
      },
    });
    this.table = new VirtualTable({
      label: this.subject.noun,
      columns: this.columns,
      href: this.href,
      sorted: () => readRoute().query.get("sort") ?? this.subject.sort,
      onSort: (name) => go(link(null, withParameter(readRoute().query, "sort", name)), true),
      chosen: () => readRoute().query.get("columns"),
    });
    this.bar.element.append(columnChooser(this.table, (names) => go(link(null, withParameter(readRoute().query, "columns", names)), true)));
    this.list.append(h("section", { class: "listing", "aria-label": this.subject.noun }, this.bar.element, this.table.element, this.none));
  }

  private route(): void {
    const route = readRoute();
    if (!route.example) return this.showList(route.query);
    this.filter(route.query);
    const row = this.keys.get(route.example.join("\u0000"));
    if (row === undefined) this.showMissing(route.example, route.query);
    else void this.showExample(row, route.query);
  }

  private filter(query: URLSearchParams): void {
    if (this.shownQuery === query.toString()) return;
    this.shownQuery = query.toString();
    const sort = query.get("sort") ?? this.subject.sort;
    const column = this.columns.find((candidate) => candidate.name === sort.replace(/^-/, ""));
    this.rows = order(this.bar.rows(query), column, sort.startsWith("-"));
    this.none.textContent = query.size ? "Nothing matches these filters." : this.subject.nothing;
    this.list.classList.toggle("empty", this.rows.length === 0);
  }

  private showList(query: URLSearchParams): void {
    const back = this.open;
    const changed = this.shownQuery !== query.toString();
    this.filter(query);
    this.open = -1;
    this.view.hidden = true;
    this.list.hidden = false;
    document.title = this.head.title;
    if (changed || back >= 0) this.table.show(this.rows);
    if (back >= 0) {
      scrollTo({ top: this.scroll });
      if (this.isBesideTable(this.left)) this.left.focus({ preventScroll: true });
      else this.table.select(this.rows.indexOf(back));
    }
    setKeys([
      { keys: ["j", "ArrowDown"], does: "next row", run: () => this.table.select(this.table.current + 1) },
      { keys: ["k", "ArrowUp"], does: "previous row", run: () => this.table.select(this.table.current - 1) },
      {
        keys: ["Enter"],
        does: "open the row",
        run: () => {
          if (this.rows.length) go(this.href(this.rows[Math.max(this.table.current, 0)]));
        },
      },
      {
        keys: ["/"],
        does: "search",
        run: () => {
          this.bar.search.focus();
          this.bar.search.select();
        },
      },
      ...this.subject.listKeys(),
      { keys: ["Escape"], does: "leave the search, clear it", typing: true, run: () => this.leaveSearch() },
      this.themeKey(),
    ]);
  }

  private isBesideTable(element: Element | null): element is HTMLElement {
    return element instanceof HTMLElement && this.list.contains(element) && !this.table.element.contains(element);
  }

  private leaveSearch(): void {
    if (document.activeElement === this.bar.search) this.bar.search.blur();
    else if (readRoute().query.size) go(link(null, new URLSearchParams()), true);
  }

  private themeKey(): Key {
    return { keys: ["t"], does: "theme: auto, light, dark", run: () => document.getElementById("theme")?.click() };
  }

  private step(by: number): void {
    const at = this.rows.indexOf(this.open);
    const next = at < 0 ? 0 : at + by;
    if (next >= 0 && next < this.rows.length) go(this.href(this.rows[next]), true);
  }

  private navigation(row: number, query: URLSearchParams): HTMLElement {
    const at = this.rows.indexOf(row);
    const button = (label: string, key: string, by: number): HTMLButtonElement => {
      const target = at < 0 ? 0 : at + by;
      return h(
        "button",
        { type: "button", class: "quiet", disabled: target < 0 || target >= this.rows.length, click: () => this.step(by) },
        label,
        " ",
        h("kbd", {}, key),
      );
    };
    const place =
      at < 0 ? `not among the ${this.rows.length} listed` : `${(at + 1).toLocaleString("en")} of ${this.rows.length.toLocaleString("en")}`;
    return h(
      "nav",
      { class: "steps", "aria-label": "Examples" },
      h("a", { href: link(null, query) }, "← All"),
      button("Previous", "k", -1),
      button("Next", "j", 1),
      h("span", { class: "said" }, place),
      h("button", { type: "button", class: "quiet", click: () => void copy(location.href, "Link") }, "Copy link"),
    );
  }

  private enter(row: number, title: string): HTMLHeadingElement {
    if (this.open < 0) [this.scroll, this.left] = [scrollY, document.activeElement];
    this.open = row;
    document.title = `${title} · ${this.head.title}`;
    this.list.hidden = true;
    this.view.hidden = false;
    setKeys([
      { keys: ["j"], does: "next example", run: () => this.step(1) },
      { keys: ["k"], does: "previous example", run: () => this.step(-1) },
      { keys: ["Escape"], does: "back to the list", run: () => go(link(null, readRoute().query)) },
      { keys: ["c"], does: "copy the link", run: () => void copy(location.href, "Link") },
      ...this.subject.keys(),
      this.themeKey(),
    ]);
    return h("h1", { tabindex: "-1" }, line(title));
  }

  private async showExample(row: number, query: URLSearchParams): Promise<void> {
    const heading = this.enter(row, this.subject.title(row));
    let body: Record<string, any>;
    try {
      body = await this.bodies.row(row);
    } catch (error) {
      this.view.replaceChildren(this.navigation(row, query), heading, h("p", { class: "failure", role: "alert" }, String(error)));
      return;
    }
    if (this.open !== row) return;
    this.view.replaceChildren(this.navigation(row, query), heading, ...this.subject.example(row, body, this.href, this.bodies));
    scrollTo({ top: 0 });
    heading.focus({ preventScroll: true });
  }

  private showMissing(parts: string[], query: URLSearchParams): void {
    const heading = this.enter(-2, "No such example");
    this.view.replaceChildren(this.navigation(-2, query), heading, h("p", {}, `This page has no example ${line(parts.join(" / "))}.`));
    heading.focus({ preventScroll: true });
  }
}
