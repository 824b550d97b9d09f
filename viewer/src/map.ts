// One square per example, coloured by the worst that became of it; a picture of what the table lists.

import { h } from "./dom";
import { count, line, many, words } from "./text";

export interface Square {
  first: number;
  kind: number;
  name: string;
}

const HEIGHT = 320;

export class ChangeMap {
  readonly element: HTMLElement;
  private canvas = h("canvas", { role: "img" });
  private tip = h("p", { class: "said maptip" }, "\u00a0");
  private swatches: HTMLElement[];
  private size = 10;
  private across = 1;

  constructor(
    private squares: Square[],
    kinds: string[],
    trials: Record<string, number>,
    private open: (row: number) => void,
  ) {
    const found = new Map<number, number>();
    for (const square of squares) found.set(square.kind, (found.get(square.kind) ?? 0) + 1);
    this.swatches = kinds.map((kind) => h("span", { class: `swatch ${kind}`, "aria-hidden": "true" }));
    const legend = kinds.flatMap((kind, place) =>
      trials[kind] ? [h("li", {}, h("a", { href: `#/?kind=${kind}` }, this.swatches[place], `${words(kind)} ${count(trials[kind])}`))] : [],
    );
    const hidden = kinds.flatMap((kind, place) =>
      trials[kind] ? [] : [h("li", { class: "offscreen", "aria-hidden": "true" }, this.swatches[place])],
    );
    const said = kinds
      .flatMap((kind, place) => (found.get(place) ? [`${count(found.get(place) as number)} ${words(kind)}`] : []))
      .join(", ");
    this.canvas.setAttribute("aria-label", `Map of ${many(squares.length, "example")}: ${said}`);
    this.kinds = kinds;
    this.element = h(
      "div",
      { class: "map" },
      h("ul", { class: "legend", "aria-label": "Trials by class" }, ...legend, ...hidden),
      h("div", { class: "mapframe", tabindex: "0", role: "group", "aria-label": "Map" }, this.canvas),
      this.tip,
    );
    this.canvas.addEventListener("mousemove", (event) => this.point(event));
    this.canvas.addEventListener("mouseleave", () => {
      this.tip.textContent = "\u00a0";
    });
    this.canvas.addEventListener("click", (event) => {
      const square = this.under(event);
      if (square) this.open(square.first);
    });
    new ResizeObserver(() => this.paint()).observe(this.element);
  }

  private kinds: string[];

  paint(): void {
    const width = Math.floor(this.element.clientWidth) - 2;
    if (width <= 0) return;
    const room = width * HEIGHT;
    this.size = Math.max(4, Math.min(16, Math.floor(Math.sqrt(room / Math.max(this.squares.length, 1)))));
    this.across = Math.max(1, Math.floor(width / this.size));
    const height = Math.ceil(this.squares.length / this.across) * this.size;
    const scale = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = this.across * this.size * scale;
    this.canvas.height = height * scale;
    this.canvas.style.width = `${this.across * this.size}px`;
    this.canvas.style.height = `${height}px`;
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.scale(scale, scale);
    const colours = this.swatches.map((swatch) => getComputedStyle(swatch).backgroundColor);
    const side = this.size - (this.size > 6 ? 2 : 1);
    this.squares.forEach((square, place) => {
      context.fillStyle = colours[square.kind];
      context.fillRect((place % this.across) * this.size, Math.floor(place / this.across) * this.size, side, side);
    });
  }

  private under(event: MouseEvent): Square | undefined {
    const column = Math.floor(event.offsetX / this.size);
    if (column >= this.across) return undefined;
    return this.squares[Math.floor(event.offsetY / this.size) * this.across + column];
  }

  private point(event: MouseEvent): void {
    const square = this.under(event);
    this.tip.textContent = square ? `${line(square.name)}: ${words(this.kinds[square.kind])}` : "\u00a0";
  }
}
