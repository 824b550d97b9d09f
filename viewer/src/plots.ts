// Intervals as small pictures: each has its numbers as its name, for people who do not see it.

import { s } from "./dom";

const WIDTH = 170;
const HEIGHT = 20;
const EDGE = 5;

interface Plot {
  value: number;
  low: number | null;
  high: number | null;
  from: number;
  to: number;
  label: string;
  zero?: boolean;
  tone?: string;
}

export function intervalPlot(plot: Plot): SVGElement {
  const x = (value: number): number =>
    EDGE + ((Math.min(Math.max(value, plot.from), plot.to) - plot.from) / (plot.to - plot.from || 1)) * (WIDTH - 2 * EDGE);
  const middle = HEIGHT / 2;
  const parts: SVGElement[] = [s("line", { class: "axis", x1: EDGE, x2: WIDTH - EDGE, y1: middle, y2: middle })];
  for (const at of plot.zero ? [0] : [0.25, 0.5, 0.75].map((share) => plot.from + share * (plot.to - plot.from))) {
    parts.push(
      s("line", {
        class: plot.zero ? "zero" : "tick",
        x1: x(at),
        x2: x(at),
        y1: plot.zero ? 1 : middle - 3,
        y2: plot.zero ? HEIGHT - 1 : middle + 3,
      }),
    );
  }
  if (plot.low !== null && plot.high !== null) {
    parts.push(s("line", { class: "bar", x1: x(plot.low), x2: Math.max(x(plot.high), x(plot.low) + 1), y1: middle, y2: middle }));
    for (const end of [plot.low, plot.high])
      parts.push(s("line", { class: "cap", x1: x(end), x2: x(end), y1: middle - 4, y2: middle + 4 }));
  }
  parts.push(s("circle", { class: "dot", cx: x(plot.value), cy: middle, r: 4 }));
  return s(
    "svg",
    {
      class: `interval ${plot.tone ?? ""}`,
      width: WIDTH,
      height: HEIGHT,
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": plot.label,
    },
    ...parts,
  );
}

// Shares of a whole as one bar; `parts` are class name and number.
export function shareBar(parts: [string, number][], label: string): SVGElement {
  const whole = parts.reduce((sum, [, number]) => sum + number, 0) || 1;
  let at = 0;
  const pieces = parts
    .filter(([, number]) => number)
    .map(([name, number]) => {
      const width = Math.max((number / whole) * WIDTH, 1.5);
      const piece = s("rect", { class: `fill ${name}`, x: at, y: 4, width, height: HEIGHT - 8 });
      at += width;
      return piece;
    });
  return s(
    "svg",
    {
      class: "shares",
      width: WIDTH,
      height: HEIGHT,
      viewBox: `0 0 ${Math.max(WIDTH, at)} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    ...pieces,
  );
}
