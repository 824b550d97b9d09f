// What the pages of `insidellms view` have in common: the bar at the top.

import { h } from "./dom";
import { help } from "./keys";
import { themeButton } from "./theme";

export function topBar(of: string): void {
  const keys = h("button", { type: "button", class: "quiet", title: "Keys (?)", "aria-label": "Show keys", click: help }, "?");
  const brand = h("a", { class: "brand", href: "/" }, "insideLLMs ", h("span", {}, of));
  const theme = themeButton(() => undefined);
  document.getElementById("top")?.replaceWith(h("header", { class: "top" }, brand, h("div", { class: "tools" }, theme, keys)));
}
