// Keys. A view gives its actions; nothing happens while the reader types or a dialog is open.

import { h, button } from "./dom.js";

const help = [
  ["/", "search failures"],
  ["f", "go to the failures"],
  ["j  k", "next and previous group, failure, call or run"],
  ["Enter", "open it"],
  ["Space", "pause or resume the run"],
  ["+  −", "raise or lower the concurrency by a tenth"],
  ["Esc", "close"],
  ["?", "these keys"],
];

const names = { "/": "search", f: "failures", j: "next", k: "previous", " ": "pause", "+": "more", "-": "less", "−": "less" };

export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target;
    if (document.getElementById("dialog").open || target.closest("input, textarea, select")) return;
    if (event.key === "?") {
      event.preventDefault();
      helpDialog();
      return;
    }
    if (event.key === " " && target.closest("button, a, summary")) return; // the key of the element itself
    const action = actions && actions[names[event.key]];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

// step moves the focus among the rows of the view.
export function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

// openDialog shows content in the dialog of the page, and returns a function that closes it.
export function openDialog(title, className, ...content) {
  const dialog = document.getElementById("dialog");
  if (dialog.open) dialog.close();
  dialog.className = className;
  dialog.replaceChildren(
    h("header", {}, h("h2", { id: "dialog-title" }, title), button("Close", () => dialog.close(), { class: "quiet" })),
    ...content);
  dialog.showModal();
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  return () => dialog.close();
}

export function helpDialog() {
  openDialog("Keys", "help", h("dl", {}, help.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])));
}
