// Filters and search: which rows are listed. The state is the query of the address, so every filter is a link.

import type { Bodies } from "./data";
import { copy, h } from "./dom";
import { needleOf } from "./needle";
import { readQuery, type Measures } from "./query";
import { go, link, readRoute, withParameter } from "./route";
import { count, words } from "./text";

export interface Choice {
  value: string;
  title: string;
}
export interface Filter {
  name: string;
  title: string;
  choices: Choice[];
  everything: string; // the title of the choice without a value
  always?: boolean; // whether `accepts` is asked about that choice too
  accepts: (row: number, value: string) => boolean;
}

export interface FilterOptions {
  rows: number;
  filters: Filter[];
  preview: (row: number) => string;
  measures: Measures;
  bodies: Bodies;
  changed: () => void;
}

export class FilterBar {
  readonly element: HTMLElement;
  readonly search: HTMLInputElement;
  private said: HTMLElement;
  private clear: HTMLButtonElement;
  private selects = new Map<string, HTMLSelectElement>();
  private found = { needle: "", rows: new Set<number>(), share: 1, fault: null as string | null };
  private timer = 0;

  constructor(private options: FilterOptions) {
    const set = (name: string, value: string): void => go(link(null, withParameter(readRoute().query, name, value)), true);
    for (const filter of options.filters) {
      const select = h(
        "select",
        { id: `filter-${filter.name}`, change: () => set(filter.name, select.value) },
        h("option", { value: "" }, filter.everything),
        ...filter.choices.map((choice) => h("option", { value: choice.value }, choice.title)),
      );
      this.selects.set(filter.name, select);
    }
    this.search = h("input", {
      type: "search",
      id: "search",
      placeholder: `Search: words, /pattern/, ${[...options.measures.keys()][0]}>1`,
      title: `Words, or a /pattern/; and conditions on ${[...options.measures.keys()].join(", ")}`,
      autocomplete: "off",
      spellcheck: "false",
      input: () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => {
          this.timer = 0;
          set("q", this.search.value);
        }, 120);
      },
    });
    this.said = h("output", { class: "said", for: "search" });
    this.clear = h("button", { type: "button", class: "quiet", click: () => go(link(null, new URLSearchParams()), true) }, "Clear filters");
    const share = h("button", { type: "button", class: "quiet", click: () => void copy(location.href, "Link to this view") }, "Copy link");
    this.element = h(
      "form",
      { class: "filters", role: "search", submit: (event: Event) => event.preventDefault() },
      h("div", { class: "field searching" }, h("label", { class: "offscreen", for: "search" }, "Search"), this.search),
      ...options.filters.map((filter) =>
        h("div", { class: "field" }, h("label", { for: `filter-${filter.name}` }, filter.title), this.selects.get(filter.name)),
      ),
      this.said,
      this.clear,
      share,
    );
  }

  // Returns the rows that the query lets through, in order; a full-text search goes on and says when it has more.
  rows(query: URLSearchParams): Int32Array {
    const active = this.options.filters.flatMap((filter) => {
      const value = query.get(filter.name) ?? "";
      const select = this.selects.get(filter.name) as HTMLSelectElement;
      if (select.value !== value) select.value = value;
      return value || filter.always ? [{ filter, value }] : [];
    });
    const asked = readQuery(query.get("q") ?? "", this.options.measures);
    const needle = asked.text;
    // What was typed a moment ago, and is not in the address yet, stays.
    if (document.activeElement !== this.search && !this.timer) this.search.value = query.get("q") ?? "";
    if (needle !== this.found.needle) this.look(needle);
    const kept: number[] = [];
    for (let row = 0; row < this.options.rows; row++) {
      const wanted = active.every(({ filter, value }) => filter.accepts(row, value)) && asked.tests.every((test) => test(row));
      if (wanted && (!needle || this.found.rows.has(row))) kept.push(row);
    }
    const progress = this.found.share < 1 ? ` · searching ${Math.round(this.found.share * 100)}%` : "";
    const fault = this.found.fault ?? asked.fault;
    this.said.textContent = `${count(kept.length)} of ${count(this.options.rows)}${progress}${fault ? ` · ${fault}` : ""}`;
    this.clear.hidden = ![...query.keys()].some((name) => name !== "sort" && name !== "columns");
    return Int32Array.from(kept);
  }

  // Previews are searched at once, whole texts chunk by chunk.
  private look(query: string): void {
    const needle = needleOf(query);
    const found = { needle: query, rows: new Set<number>(), share: needle && !needle.fault ? 0 : 1, fault: needle?.fault ?? null };
    this.found = found;
    if (!needle || needle.fault) return;
    for (let row = 0; row < this.options.rows; row++) {
      if (needle.test(this.options.preview(row))) found.rows.add(row);
    }
    let told = performance.now();
    void this.options.bodies
      .search(
        needle,
        (rows, share) => {
          rows.forEach((row) => found.rows.add(row));
          found.share = share;
          if (share === 1 || performance.now() - told > 250) {
            told = performance.now();
            this.options.changed();
          }
        },
        () => this.found !== found,
      )
      .catch((error: unknown) => {
        found.share = 1;
        this.options.changed();
        this.said.append(` · ${String(error)}`);
      });
  }
}

export function choices(values: unknown[], counts?: Map<string, number>): Choice[] {
  return values.map(String).map((value) => {
    const number = counts?.get(value);
    return { value, title: words(value) + (number === undefined ? "" : ` (${count(number)})`) };
  });
}
