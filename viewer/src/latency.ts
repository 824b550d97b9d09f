// How long the answers took: a histogram for each model, where the page was made with telemetry.

import { h, s } from "./dom";
import { count, figure, line, many } from "./text";

const WIDTH = 300;
const HEIGHT = 60;
const BINS = 30;

export function milliseconds(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${figure(Number(value.toPrecision(3)))} ms`;
}

function quantile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

// Bins up to the 99th percentile; what took longer is in the last one.
function histogram(sorted: number[], most: number, label: string): SVGElement {
  const bins = new Array<number>(BINS).fill(0);
  for (const value of sorted) bins[Math.min(BINS - 1, Math.floor((value / (most || 1)) * BINS))]++;
  const tallest = Math.max(...bins);
  const width = WIDTH / BINS;
  const bars = bins.flatMap((number, place) => {
    const height = (number / tallest) * (HEIGHT - 4);
    const shape = { class: "fill latency", x: place * width, y: HEIGHT - height, width: width - 1, height: Math.max(height, 1) };
    return number ? [s("rect", shape)] : [];
  });
  return s("svg", { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...bars);
}

export function latencyTable(latencies: Map<string, number[]>): HTMLElement {
  const sorted = [...latencies].map(([model, values]) => [model, values.sort((a, b) => a - b)] as const);
  const most = Math.max(...sorted.map(([, values]) => quantile(values, 0.99)));
  const rows = sorted.map(([model, values]) => {
    const [middle, late, last] = [quantile(values, 0.5), quantile(values, 0.95), values[values.length - 1]].map(milliseconds);
    const label = `Latencies of ${line(model)}: ${many(values.length, "answer")}, median ${middle}, 95% within ${late}, longest ${last}`;
    const cells = [count(values.length), middle, late, last].map((text) => h("td", { class: "number" }, text));
    return h("tr", {}, h("th", { scope: "row" }, line(model)), ...cells, h("td", {}, histogram(values, most, label)));
  });
  const titles = ["Model", "Answers", "Median", "95% within", "Longest", `0 to ${milliseconds(most)}`];
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "group", "aria-label": "Latencies" },
    h(
      "table",
      { class: "results" },
      h("thead", {}, h("tr", {}, ...titles.map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, ...rows),
    ),
  );
}
