// One place for the keyboard; every key that works is in the list that ? shows.

import { h } from "./dom";

export interface Key {
  keys: string[];
  does: string;
  run: (event: KeyboardEvent) => void;
  typing?: boolean;
}

const NAMES: Record<string, string> = { ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };
let current: Key[] = [];
let dialog: HTMLDialogElement | null = null;

export function setKeys(keys: Key[]): void {
  current = [...keys, { keys: ["?"], does: "show these keys", run: help }];
}

export function help(): void {
  dialog?.remove();
  const rows = current.map((key) =>
    h(
      "div",
      {},
      h("dt", {}, ...key.keys.flatMap((name, place) => [place ? " " : "", h("kbd", {}, NAMES[name] ?? name)])),
      h("dd", {}, key.does),
    ),
  );
  const close = h("button", { type: "button", click: () => dialog?.close() }, "Close");
  dialog = h(
    "dialog",
    { "aria-labelledby": "keys-title" },
    h("h2", { id: "keys-title" }, "Keys"),
    h("dl", { class: "keys" }, ...rows),
    close,
  );
  document.body.append(dialog);
  dialog.showModal();
}

export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog?.open) return;
    const target = event.target as HTMLElement;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
    const pressing = /^(A|BUTTON|SUMMARY)$/.test(target.tagName) && (event.key === "Enter" || event.key === " ");
    const scrolling = event.key.startsWith("Arrow") && target.matches("[tabindex='0']");
    const found = current.find((key) => key.keys.includes(event.key) && (key.typing || !(typing || pressing || scrolling)));
    if (!found) return;
    event.preventDefault();
    found.run(event);
  });
}
