// Which columns the table shows: chosen by ticking them, and kept in the address.

import { h } from "./dom";
import type { VirtualTable } from "./table";

export function columnChooser(table: VirtualTable, choose: (names: string) => void): HTMLElement {
  const list = h("div", { class: "choices" });
  const fill = (): void => {
    const shown = new Set(table.columns.map((column) => column.name));
    const ticks = table.optional.map((column) =>
      h("label", {}, h("input", { type: "checkbox", value: column.name, checked: shown.has(column.name), change: tell }), column.title),
    );
    list.replaceChildren(...ticks);
  };
  const tell = (): void => {
    const ticked = [...list.querySelectorAll<HTMLInputElement>("input:checked")].map((input) => input.value);
    choose(ticked.join(",") || "none");
  };
  const details = h("details", { class: "chooser", toggle: () => details.open && fill() }, h("summary", {}, "Columns"), list);
  const leave = (event: Event): void => {
    if (details.open && !details.contains(event.target as Node)) details.open = false;
  };
  document.addEventListener("click", leave);
  document.addEventListener("focusin", leave);
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.stopPropagation();
    details.open = false;
    details.querySelector("summary")?.focus();
  });
  return details;
}
