// How long answers took, how long they were and what they cost: a line with a histogram for each model and probe.

import { h, s } from "./dom";
import { count, figure, line } from "./text";

const WIDTH = 240;
const HEIGHT = 44;
const BINS = 30;

export function milliseconds(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${figure(Number(value.toPrecision(3)))} ms`;
}

export function dollars(value: number): string {
  return value >= 1 ? `$${value.toFixed(2)}` : `$${Number(value.toPrecision(3)).toFixed(8).replace(/0+$/, "").replace(/\.$/, "")}`;
}

export interface Quantity {
  title: string;
  unit: (value: number) => string;
  summed: boolean; // whether the sum means something
  groups: Map<string, number[]>;
}

// By nearest rank, as everywhere else.
function quantile(sorted: number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

// Bins up to the 99th percentile; what is beyond is in the last one.
function histogram(sorted: number[], most: number, label: string): SVGElement {
  const bins = new Array<number>(BINS).fill(0);
  for (const value of sorted) bins[Math.min(BINS - 1, Math.floor((value / (most || 1)) * BINS))]++;
  const tallest = Math.max(...bins);
  const width = WIDTH / BINS;
  const bars = bins.flatMap((number, place) => {
    const height = (number / tallest) * (HEIGHT - 4);
    const shape = { class: "fill spread", x: place * width, y: HEIGHT - height, width: width - 1, height: Math.max(height, 1) };
    return number ? [s("rect", shape)] : [];
  });
  return s("svg", { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...bars);
}

export function spreadTable({ title, unit, summed, groups }: Quantity): HTMLElement {
  const sorted = [...groups].map(([name, values]) => [name, values.sort((a, b) => a - b)] as const);
  const most = Math.max(...sorted.map(([, values]) => quantile(values, 0.99)));
  const rows = sorted.map(([name, values]) => {
    const [middle, late, last] = [quantile(values, 0.5), quantile(values, 0.95), values[values.length - 1]].map(unit);
    const total = unit(values.reduce((sum, value) => sum + value, 0));
    const told = `median ${middle}, 95% within ${late}, most ${last}${summed ? `, together ${total}` : ""}`;
    const cells = [count(values.length), middle, late, last, ...(summed ? [total] : [])];
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, line(name)),
      ...cells.map((text) => h("td", { class: "number" }, text)),
      h("td", {}, histogram(values, most, `${title} of ${line(name)}: ${count(values.length)} answers, ${told}`)),
    );
  });
  const titles = [title, "Answers", "Median", "95% within", "Most", ...(summed ? ["Together"] : []), `0 to ${unit(most)}`];
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": title },
    h(
      "table",
      { class: "results" },
      h("thead", {}, h("tr", {}, ...titles.map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, ...rows),
    ),
  );
}
