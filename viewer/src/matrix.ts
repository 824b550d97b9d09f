// Examples x subjects: one mark for what each subject came to on each example, of one probe at a time.
//
// Only the rows in sight exist, so that it holds a hundred thousand as well as five hundred. For the keyboard it is a
// grid with one active cell.

import { h } from "./dom";
import { labelOf, type Tested } from "./subjects";
import { count, line, many } from "./text";

export interface Mark {
  tone: "good" | "bad" | "mixed" | "broken" | "none";
  sign: string;
  word: string;
}

export interface MatrixRow {
  id: string;
  probe: string;
  cells: number[][]; // the rows of the table, by subject: one a repeat
}

const ROW = 30;
const PAGE = 10;
const SPARE = 12; // rows beyond those in sight

export class Matrix {
  readonly element: HTMLElement;
  private frame = h("div", { class: "matrixframe" });
  private body = h("tbody");
  private grid: HTMLElement;
  private said = h("span", { class: "said", role: "status" });
  private only: HTMLInputElement;
  private probe: string;
  private shown: MatrixRow[] = [];
  private row = -1;
  private column = 0;
  private drawn = "";

  constructor(
    private subjects: Tested[],
    private rows: MatrixRow[],
    private mark: (rows: number[]) => Mark,
    private preview: (row: number) => string,
    private href: (row: number) => string,
  ) {
    const probes = [...new Set(rows.map((row) => row.probe))];
    this.probe = probes[0];
    this.only = h("input", { type: "checkbox", id: "differ", change: () => this.choose() });
    const choose = h(
      "select",
      { id: "matrixprobe", change: (event: Event) => this.choose((event.target as HTMLSelectElement).value) },
      ...probes.map((probe) => h("option", { value: probe }, line(probe))),
    );
    this.grid = h("table", { class: "matrix", role: "grid", tabindex: "0", "aria-label": "Examples and subjects" });
    this.grid.addEventListener("keydown", (event) => this.press(event));
    this.grid.addEventListener("focus", () => this.stand(Math.max(this.row, 0), this.column));
    this.frame.append(this.grid);
    this.frame.addEventListener("scroll", () => this.draw(), { passive: true });
    this.element = h(
      "div",
      { class: "matrixbox" },
      h(
        "div",
        { class: "matrixbar" },
        probes.length > 1 ? h("label", { class: "field" }, h("span", {}, "Probe"), choose) : null,
        h("label", { class: "check", for: "differ" }, this.only, " Only examples where they differ"),
        this.said,
      ),
      this.frame,
      this.legend(),
    );
    this.choose();
    new ResizeObserver(() => this.draw()).observe(this.frame);
  }

  toggle(): void {
    this.only.checked = !this.only.checked;
    this.choose();
  }

  private choose(probe = this.probe): void {
    this.probe = probe;
    const rows = this.rows.filter((row) => row.probe === probe);
    const differing = rows.filter((row) => this.differs(row));
    this.shown = this.only.checked ? differing : rows;
    this.said.textContent = `They differ in ${count(differing.length)} of ${many(rows.length, "example")}.`;
    this.row = -1;
    this.drawn = "";
    this.grid.setAttribute("aria-rowcount", String(this.shown.length + 1));
    this.grid.setAttribute("aria-colcount", String(this.subjects.length + 1));
    this.grid.removeAttribute("aria-activedescendant");
    this.grid.replaceChildren(this.head(rows), this.body);
    this.frame.scrollTop = 0;
    this.draw();
  }

  private differs(row: MatrixRow): boolean {
    const signs = row.cells.filter((cell) => cell.length).map((cell) => this.mark(cell).sign);
    return new Set(signs).size > 1;
  }

  private head(rows: MatrixRow[]): HTMLElement {
    const models = [...new Set(this.subjects.map((subject) => subject.model))];
    const prompts = this.subjects[0].prompt !== null;
    const corner = h("th", { scope: "col", class: "corner", rowspan: prompts ? 2 : 1 }, "Example");
    const name = (subject: Tested): HTMLElement =>
      h(
        "th",
        { scope: "col", title: line(labelOf(subject)), class: this.starts(this.subjects.indexOf(subject)) },
        h("span", { class: "name" }, line(subject.prompt ?? subject.model)),
        h("span", { class: "rate" }, this.rate(rows, this.subjects.indexOf(subject))),
      );
    if (!prompts) return h("thead", {}, h("tr", {}, corner, ...this.subjects.map(name)));
    const grouped = models.map((model) => {
      const own = this.subjects.filter((subject) => subject.model === model);
      const first = this.starts(this.subjects.indexOf(own[0]));
      return h("th", { scope: "colgroup", colspan: own.length, class: `group ${first}`, title: line(model) }, h("span", {}, line(model)));
    });
    return h("thead", {}, h("tr", {}, corner, ...grouped), h("tr", { class: "second" }, ...this.subjects.map(name)));
  }

  // Where another model begins there is a line, if prompts are grouped by model.
  private starts(place: number): string {
    const subject = this.subjects[place];
    return place > 0 && subject.prompt !== null && this.subjects[place - 1].model !== subject.model ? "starts" : "";
  }

  private rate(rows: MatrixRow[], place: number): string {
    let [passed, judged] = [0, 0];
    for (const row of rows) {
      const { tone, sign } = this.mark(row.cells[place]);
      if (tone === "good" || tone === "bad" || tone === "mixed") judged++;
      if (tone === "good") passed++;
      else if (tone === "mixed") passed += Number(sign.split("/")[0]) / Number(sign.split("/")[1]);
    }
    return judged ? `${Math.round((100 * passed) / judged)}%` : "–";
  }

  private legend(): HTMLElement {
    const signs: [string, string, string][] = [
      ["good", "✓", "pass"],
      ["bad", "✕", "fail"],
      ["mixed", "1/2", "of its repeats passed"],
      ["broken", "!", "not answered"],
    ];
    const used = new Set(this.rows.flatMap((row) => row.cells.map((cell) => this.mark(cell).tone)));
    const listed = signs.filter(([tone]) => used.has(tone as Mark["tone"]));
    return h(
      "ul",
      { class: "legend", "aria-label": "Marks" },
      ...listed.map(([tone, sign, word]) => h("li", {}, h("span", { class: `mark ${tone}`, "aria-hidden": "true" }, sign), ` ${word}`)),
    );
  }

  // Makes the rows in sight, and room above and below in place of the others.
  private draw(): void {
    const height = this.frame.clientHeight || 600;
    const first = Math.max(0, Math.floor(this.frame.scrollTop / ROW) - SPARE);
    const last = Math.min(this.shown.length, Math.ceil((this.frame.scrollTop + height) / ROW) + SPARE);
    const key = `${first}-${last}-${this.probe}-${this.shown.length}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const rows: HTMLElement[] = [];
    for (let place = first; place < last; place++) rows.push(this.line(place));
    if (!this.shown.length)
      rows.push(h("tr", {}, h("td", { colspan: this.subjects.length + 1, class: "nothing" }, "They differ nowhere.")));
    this.body.replaceChildren(this.room(first), ...rows, this.room(this.shown.length - last));
    if (this.row >= 0) this.point();
  }

  private room(rows: number): HTMLElement {
    const cell = h("td", { colspan: this.subjects.length + 1 });
    const row = h("tr", { class: "room", "aria-hidden": "true", hidden: !rows }, cell);
    cell.style.height = `${rows * ROW}px`;
    return row;
  }

  private line(place: number): HTMLElement {
    const row = this.shown[place];
    const first = row.cells.find((cell) => cell.length)?.[0];
    return h(
      "tr",
      { "aria-rowindex": place + 2 },
      h("th", { scope: "row", title: first === undefined ? null : line(`${row.id}: ${this.preview(first)}`) }, h("span", {}, line(row.id))),
      ...row.cells.map((cell, column) => this.cell(cell, place, column)),
    );
  }

  private cell(rows: number[], place: number, column: number): HTMLElement {
    const attributes = { id: `cell-${place}-${column}`, class: this.starts(column), "aria-colindex": column + 2 };
    if (!rows.length) return h("td", attributes);
    const { tone, sign, word } = this.mark(rows);
    const label = labelOf(this.subjects[column]);
    return h(
      "td",
      attributes,
      h(
        "a",
        { href: this.href(rows[0]), tabindex: "-1", title: `${line(label)}: ${word}`, "aria-label": `${line(label)}: ${word}` },
        h("span", { class: `mark ${tone}`, "aria-hidden": "true" }, sign),
      ),
    );
  }

  private stand(row: number, column: number): void {
    if (!this.shown.length) return;
    this.row = Math.max(0, Math.min(row, this.shown.length - 1));
    this.column = Math.max(0, Math.min(column, this.subjects.length - 1));
    const [head, top] = [this.grid.querySelector("thead")?.clientHeight ?? 0, this.row * ROW];
    const room = this.frame.clientHeight - head - ROW;
    if (top < this.frame.scrollTop) this.frame.scrollTop = top;
    else if (top > this.frame.scrollTop + room) this.frame.scrollTop = top - room;
    this.draw();
    this.point();
    this.grid.querySelector(".active")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  private point(): void {
    this.grid.querySelector(".active")?.classList.remove("active");
    const cell = document.getElementById(`cell-${this.row}-${this.column}`);
    cell?.classList.add("active");
    if (cell) this.grid.setAttribute("aria-activedescendant", cell.id);
  }

  private press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps: Record<string, [number, number]> = {
      ArrowRight: [0, 1],
      ArrowLeft: [0, -1],
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      PageDown: [PAGE, 0],
      PageUp: [-PAGE, 0],
      Home: [-this.shown.length, 0],
      End: [this.shown.length, 0],
    };
    const opens = event.key === "Enter" || event.key === " ";
    if (!opens && !(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    const [down, right] = steps[event.key] ?? [0, 0];
    if (!opens) return this.stand(this.row + down, this.column + right);
    const cell = this.shown[this.row]?.cells[this.column];
    if (cell?.length) location.hash = this.href(cell[0]);
  }
}
