// One square per example, coloured by the worst that became of it; a picture of what the table lists.
//
// The squares are painted; for the keyboard and for those who listen they are a listbox, of which the square that one
// stands on is the only option that exists.

import { h } from "./dom";
import { count, line, many, words } from "./text";

export interface Square {
  first: number;
  kind: number;
  name: string;
}

const HEIGHT = 320;
const PADDING = 4; // as in diff.css: room for the frame of a square at the edge
const PAGE = 10; // rows of squares

export class ChangeMap {
  readonly element: HTMLElement;
  private canvas = h("canvas", { "aria-hidden": "true" });
  private frame = h("div", { class: "mapframe", tabindex: "0", role: "listbox", keydown: (event: KeyboardEvent) => this.press(event) });
  private cursor: HTMLElement | null = null;
  private at = -1;
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
    this.frame.setAttribute("aria-label", `Map of ${many(squares.length, "example")}: ${said}`);
    this.frame.append(this.canvas);
    this.frame.addEventListener("focus", () => this.stand(this.at));
    this.frame.addEventListener("blur", () => this.leave());
    this.kinds = kinds;
    this.element = h(
      "div",
      { class: "map" },
      h("ul", { class: "legend", "aria-label": "Trials by class" }, ...legend, ...hidden),
      this.frame,
      this.tip,
    );
    this.canvas.addEventListener("mousemove", (event) => this.point(event));
    this.canvas.addEventListener("mouseleave", () => {
      this.tell(this.cursor ? this.squares[this.at] : undefined);
    });
    this.canvas.addEventListener("click", (event) => {
      const square = this.under(event);
      if (square) this.open(square.first);
    });
    new ResizeObserver(() => this.paint()).observe(this.element);
  }

  private kinds: string[];

  paint(): void {
    const width = Math.floor(this.element.clientWidth) - 2 - 2 * PADDING;
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
    if (this.cursor) this.stand(this.at);
  }

  // Moves to a square: it is framed, said, and scrolled to.
  private stand(place: number): void {
    if (!this.squares.length) return;
    this.at = Math.max(0, Math.min(place, this.squares.length - 1));
    const square = this.squares[this.at];
    // A new element each time: who listens is told of an option that was not active before.
    const option = h(
      "div",
      {
        id: `square-${this.at}`,
        class: "mapcursor",
        role: "option",
        "aria-selected": "true",
        "aria-setsize": this.squares.length,
        "aria-posinset": this.at + 1,
      },
      h("span", { class: "offscreen" }, this.title(square)),
    );
    option.style.left = `${(this.at % this.across) * this.size}px`;
    option.style.top = `${Math.floor(this.at / this.across) * this.size}px`;
    option.style.width = option.style.height = `${this.size}px`;
    this.cursor?.remove();
    this.cursor = option;
    this.frame.append(option);
    this.frame.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.tell(square);
  }

  private leave(): void {
    this.cursor?.remove();
    this.cursor = null;
    this.frame.removeAttribute("aria-activedescendant");
    this.tell(undefined);
  }

  private press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps: Record<string, () => number> = {
      ArrowRight: () => this.at + 1,
      ArrowLeft: () => this.at - 1,
      ArrowDown: () => (this.at + this.across < this.squares.length ? this.at + this.across : this.at),
      ArrowUp: () => (this.at >= this.across ? this.at - this.across : this.at),
      PageDown: () => this.at + PAGE * this.across,
      PageUp: () => this.at - PAGE * this.across,
      Home: () => 0,
      End: () => this.squares.length - 1,
    };
    const opens = event.key === "Enter" || event.key === " ";
    if (!opens && !(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!opens) this.stand(steps[event.key]());
    else if (this.squares.length) this.open(this.squares[this.at].first);
  }

  // Goes to the next square, that way (1 or -1), of a change.
  go(way: number): void {
    const place = this.change(way);
    this.frame.focus({ preventScroll: true });
    this.stand(place);
  }

  // The next square, that way, of an example that is not as it was; where there is none, this one.
  private change(way: number): number {
    const quiet = ["unchanged", "equivalent"].map((kind) => this.kinds.indexOf(kind));
    for (let place = this.at + way; place >= 0 && place < this.squares.length; place += way) {
      if (!quiet.includes(this.squares[place].kind)) return place;
    }
    return this.at;
  }

  private under(event: MouseEvent): Square | undefined {
    const column = Math.floor(event.offsetX / this.size);
    if (column >= this.across) return undefined;
    return this.squares[Math.floor(event.offsetY / this.size) * this.across + column];
  }

  private point(event: MouseEvent): void {
    this.tell(this.under(event));
  }

  private title(square: Square): string {
    return `${line(square.name)}: ${words(this.kinds[square.kind])}`;
  }

  private tell(square: Square | undefined): void {
    this.tip.textContent = square ? this.title(square) : "\u00a0";
  }
}
