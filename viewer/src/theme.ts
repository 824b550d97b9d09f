// Light, dark, or as the system says; remembered where the browser lets a page from disk remember.

import { announce, h } from "./dom";

const THEMES = ["auto", "light", "dark"] as const;
const KEY = "insidellms-theme";
const WORDS = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function themeButton(changed: () => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "quiet", id: "theme" });
  const show = (theme: (typeof THEMES)[number]): void => {
    document.documentElement.dataset.theme = theme;
    button.textContent = WORDS[theme];
    button.setAttribute("aria-label", `Theme: ${theme}`);
    button.title = "Theme: auto, light or dark (t)";
  };
  show(THEMES.find((theme) => theme === remembered()) ?? "auto");
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme as "auto") + 1) % THEMES.length];
    show(next);
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // not remembered, then
    }
    changed();
    announce(`Theme: ${next}`);
  });
  return button;
}
